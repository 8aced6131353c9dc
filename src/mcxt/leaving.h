/*-------------------------------------------------------------------------
 *
 * leaving.h
 *	  What large contexts that are no arenas give back when they end.
 *
 * Nothing is done while they grow, unless there is a limit or statements are
 * watched.  What they held at most is known when they end.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LEAVING_H
#define GOARENA_LEAVING_H

#include "postgres.h"

#include "nodes/memnodes.h"

/* Bytes that are worth a look when they are given back. */
#define LEAVING_MUCH ((Size) 256 << 10)

/*
 * A context is about to give back bytes that do not come from the heap.
 * listed: it is among its parent's children.
 */
extern void LeavingNoteBytes(Size bytes, bool listed);

/* The same with all that it has; apart, to be out of the way of small ones. */
extern void LeavingNote(MemoryContext context, bool listed);

/* A context that is no arena is about to give back what it has. */
static inline void
LeavingByReset(MemoryContext context)
{
	if (unlikely(context->mem_allocated >= LEAVING_MUCH))
		LeavingNote(context, true);
}

static inline void
LeavingByDelete(MemoryContext context)
{
	if (unlikely(context->mem_allocated >= LEAVING_MUCH))
		LeavingNote(context, false);
}

#endif /* GOARENA_LEAVING_H */
