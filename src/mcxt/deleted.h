/*-------------------------------------------------------------------------
 *
 * deleted.h
 *	  Memory contexts that were deleted, in case they are used once more.
 *
 * The header of a context is AllocSet's, which uses it again for the next
 * context or gives it to free().  Those of quarantined arenas wait first, as
 * freed objects do, and their pointers are poison: to allocate in such a context,
 * to reset or delete it, or to give it a child, follows one of them and is
 * reported.  What only writes there, such as registering a callback, is noticed
 * when the wait is over.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DELETED_H
#define GOARENA_DELETED_H

#include "postgres.h"

#include "nodes/memnodes.h"

#include "engine/arena.h"

/*
 * Delete a context by AllocSet's own method, but later.  It is on no list, and has no
 * memory but what AllocSet gave it when it was created.  note is what the free
 * history knows of its deletion.
 */
extern void DeletedContextsAdd(MemoryContext context, uint64 arena_id, uint64 note);

/*
 * Does an address lie in the header of such a context?  If so, say what is known
 * of it.  Async-signal-safe.
 */
extern bool DeletedContextsFind(uintptr_t address, ga_event *found);

#endif /* GOARENA_DELETED_H */
