/*-------------------------------------------------------------------------
 *
 * arena_context.h
 *	  Memory contexts that are arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ARENA_CONTEXT_H
#define GOARENA_ARENA_CONTEXT_H

#include "compat.h"

#include "nodes/memnodes.h"

#include "engine/arena.h"

/* So many parents of a context are remembered. */
#define ARENA_PARENTS 8

/*
 * An arena and the method table of its context.  context->methods points at
 * the table, so the arena is found from the context for nothing.
 */
typedef struct ArenaSet
{
	MemoryContextMethods methods; /* must be first */
	ga_arena arena;
	MemoryContext context;
	const MemoryContextMethods *origin; /* of the AllocSet that was adopted */
	bool foreign;						/* it may hold memory of AllocSet's own */

	/* As last seen: a context that is deleted has lost both before its arena ends. */
	const char *parents[ARENA_PARENTS]; /* names of contexts, up to NULL */
	const char *ident;					/* may be gone itself */
} ArenaSet;

/*
 * Turn an AllocSet context into an arena for its present life.  foreign says
 * that memory may already have been allocated in it.  False, with the context
 * as it was, if there is no memory.
 */
extern bool ArenaContextAdopt(MemoryContext context, const MemoryContextMethods *origin,
							  bool foreign);

/*
 * Create a context that is an arena from birth.
 *
 * parent: parent context, or NULL for a top-level context
 * name: must be a constant string
 *
 * Raises ERRCODE_OUT_OF_MEMORY if there is no memory for it.
 */
extern MemoryContext ArenaContextCreate(MemoryContext parent, const char *name);

/* Is the context an arena at the moment? */
extern bool MemoryContextIsArena(MemoryContext context);

/* Give up what ended arenas keep for others to come. */
extern void ArenaContextsUnpark(void);

/* Remember the names of the context's parents. */
extern void ArenaSetNoteParents(ArenaSet *set);

/* The set of an arena of the process's heap. */
static inline ArenaSet *
ArenaSetOf(const ga_arena *arena)
{
	return (ArenaSet *) ((char *) arena - offsetof(ArenaSet, arena));
}

#endif /* GOARENA_ARENA_CONTEXT_H */
