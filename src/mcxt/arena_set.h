/*-------------------------------------------------------------------------
 *
 * arena_set.h
 *	  An arena with what its context needs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ARENA_SET_H
#define GOARENA_ARENA_SET_H

#include "postgres.h"

#include "nodes/memnodes.h"

#include "engine/arena.h"
#include "mcxt/context_sites.h"

/* Parents of a context that are remembered. */
#define ARENA_PARENTS 8

/*
 * An arena and the method table of its context. context->methods points at the table, so the
 * context leads to its arena without a word of its own.
 */
typedef struct ArenaSet
{
	MemoryContextMethods methods; /* must be first */
	ga_arena arena;
	MemoryContext context;				/* NULL while it is parked, see ga_arena_park */
	const MemoryContextMethods *origin; /* of the AllocSet that was adopted */
	ContextSite *site;					/* NULL if it is to be an arena whatever its size */
	bool foreign;						/* it may hold memory of AllocSet's own */

	/* As last seen: a context that is deleted has lost both before its arena ends. */
	const char *parents[ARENA_PARENTS]; /* names of contexts, up to NULL; see ForeignNameKeep */
	const char *ident;					/* may be gone itself */
} ArenaSet;

/* Remember the names of the context's parents. */
extern void ArenaSetNoteParents(ArenaSet *set);

/* The set of an arena of the process's heap. */
static inline ArenaSet *
ArenaSetOf(const ga_arena *arena)
{
	return (ArenaSet *) ((char *) arena - offsetof(ArenaSet, arena));
}

/* The set of a context that is an arena. */
static inline ArenaSet *
ArenaSetOfContext(MemoryContext context)
{
	return (ArenaSet *) context->methods;
}

/* Bytes of its context that AllocSet holds: its first block, or all that was there before. */
static inline Size
ArenaSetElsewhere(const ArenaSet *set)
{
	const ga_arena *arena = &set->arena;
	Size metered = arena->charged > arena->credit ? arena->charged - arena->credit : 0;

	return set->context->mem_allocated - Min(metered, set->context->mem_allocated);
}

#endif /* GOARENA_ARENA_SET_H */
