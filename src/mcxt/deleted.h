/*-------------------------------------------------------------------------
 *
 * deleted.h
 *	  Memory contexts that were deleted wait, so that code which uses them once more is found.
 *
 * AllocSet uses the header of a deleted context for the next context, or gives it to free().  The
 * headers of quarantined arenas wait first, as freed objects do, and their pointers are poison.
 * Code that allocates in such a context, resets or deletes it, or gives it a child, follows one of
 * these pointers, which faults.  Code that only writes to it, for example to register a callback,
 * is noticed when the wait is over.
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
 * Delete a context by AllocSet's own method, but later.  The context has no parent any more, and no
 * memory but what AllocSet gave it when it was created. note is the number of its deletion in the
 * free history.
 */
extern void DeletedContextsAdd(MemoryContext context, uint64 arena_id, uint64 note);

/*
 * Does an address lie in the header of such a context?  If so, fills *found with what is known of
 * the deletion.  Async-signal-safe.
 */
extern bool DeletedContextsFind(uintptr_t address, ga_event *found);

#endif /* GOARENA_DELETED_H */
