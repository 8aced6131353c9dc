/*-------------------------------------------------------------------------
 *
 * leaving.h
 *	  What large contexts that are no arenas give back when they end.
 *
 * While such contexts grow, goarena does nothing, unless there is a limit or statements are
 * watched.  When one ends, its size shows what it held at most.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LEAVING_H
#define GOARENA_LEAVING_H

#include "postgres.h"

#include "nodes/memnodes.h"

/* A context that gives back at least this many bytes is looked at. */
#define LEAVING_MUCH ((Size) 256 << 10)

/*
 * Note that a context is about to give back bytes that do not come from the heap. listed says
 * whether it is still among its parent's children.
 */
extern void LeavingNoteBytes(Size bytes, bool listed);

/*
 * Note that a context is about to give back all that it has.  No inline function, so that small
 * contexts pass quickly.
 */
extern void LeavingNote(MemoryContext context, bool listed);

/* To be called before a context that is no arena gives back what it has. */
static inline void
LeavingNoteIfMuch(MemoryContext context, bool listed)
{
	if (unlikely(context->mem_allocated >= LEAVING_MUCH))
		LeavingNote(context, listed);
}

#endif /* GOARENA_LEAVING_H */
