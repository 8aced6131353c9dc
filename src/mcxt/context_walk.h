/*-------------------------------------------------------------------------
 *
 * context_walk.h
 *	  Walking over all memory contexts below one.
 *
 * Any user can open savepoints, and so nest contexts half a million deep.  So no function here
 * calls itself for the children of a context.  This walk follows the pointers that contexts have,
 * parents before their children, and needs neither stack nor memory.  It takes two steps for each
 * context, and counts how deep it is, so that no caller has to count a context's parents.
 *
 * Contexts may be neither created nor deleted while a walk runs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXT_WALK_H
#define GOARENA_CONTEXT_WALK_H

#include "postgres.h"

#include "nodes/memnodes.h"

typedef struct ContextWalk
{
	MemoryContext context; /* where the walk is; NULL when it is over */
	MemoryContext top;	   /* where it began */
	int level;			   /* how far context is below top */
} ContextWalk;

static inline ContextWalk
ContextWalkBegin(MemoryContext top)
{
	return (ContextWalk){.context = top, .top = top};
}

static inline void
ContextWalkNext(ContextWalk *walk)
{
	MemoryContext context = walk->context;

	if (context->firstchild != NULL)
	{
		walk->context = context->firstchild;
		walk->level++;
		return;
	}
	while (context != walk->top && context->nextchild == NULL)
	{
		context = context->parent;
		walk->level--;
	}
	walk->context = context == walk->top ? NULL : context->nextchild;
}

/* Visit a context and all below it: walk.context is the one that is visited. */
#define context_walk_foreach(walk, top)                                                            \
	for (ContextWalk walk = ContextWalkBegin(top); (walk).context != NULL; ContextWalkNext(&(walk)))

/* Bytes that a context and all below it hold. */
static inline Size
ContextWalkBytes(MemoryContext top)
{
	Size bytes = 0;

	context_walk_foreach (walk, top)
		bytes += walk.context->mem_allocated;
	return bytes;
}

#endif /* GOARENA_CONTEXT_WALK_H */
