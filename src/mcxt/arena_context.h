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
#include "utils/memdebug.h"

#include "engine/arena.h"
#include "engine/free_list.h"
#include "mcxt/context_sites.h"

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
	MemoryContext context;				/* NULL while it is parked, see ga_arena_park */
	const MemoryContextMethods *origin; /* of the AllocSet that was adopted */
	ContextSite *site;					/* NULL if it is to be an arena whatever its size */
	bool foreign;						/* it may hold memory of AllocSet's own */

	/* As last seen: a context that is deleted has lost both before its arena ends. */
	const char *parents[ARENA_PARENTS]; /* names of contexts, up to NULL; see ForeignNameKeep */
	const char *ident;					/* may be gone itself */
} ArenaSet;

/*
 * Turn an AllocSet context into an arena for its present life.  foreign says
 * that memory may already have been allocated in it.  After a reset the context
 * is an AllocSet again, with the methods of its site, if contexts of the site
 * are expected to stay small; with NULL it is always an arena.  False, with the
 * context as it was, if there is no memory.
 */
extern bool ArenaContextAdopt(MemoryContext context, const MemoryContextMethods *origin,
							  bool foreign, ContextSite *site);

/* The same in the midst of a life: what AllocSet has allocated in it stays as it is. */
extern bool ArenaContextTakeOver(MemoryContext context, const MemoryContextMethods *origin,
								 ContextSite *site);

/* The same for a life that is in the sample. */
extern bool ArenaContextAdoptSampled(MemoryContext context, const MemoryContextMethods *origin,
									 bool foreign, ContextSite *site);

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

/* Give up what arenas have no use for now, and what those that ended keep for others to come. */
extern void ArenaContextsTrim(void);

/*
 * The methods of arenas, apart from how the server finds them: see
 * chunk_format.h.
 */

/* Alloc when the fast way does not do.  NULL if memory is used up. */
extern void *ArenaContextAllocSlow(ArenaSet *set, Size size);

/* Free when the fast way does not do. */
extern void ArenaContextFreeSlow(ArenaSet *set, void *pointer);

/* NULL if memory is used up; the object is then as it was. */
extern void *ArenaContextRealloc(ArenaSet *set, void *pointer, Size size);

extern Size ArenaContextSpaceOf(const void *pointer);
extern void ArenaContextReset(MemoryContext context);
extern void ArenaContextDelete(MemoryContext context);
extern bool ArenaContextIsEmpty(MemoryContext context);
extern void ArenaContextStats(MemoryContext context, MemoryStatsPrintFunc printfunc, void *passthru,
							  MemoryContextCounters *totals, bool print_to_stderr);
#ifdef MEMORY_CONTEXT_CHECKING
extern void ArenaContextCheck(MemoryContext context);
#endif

/*
 * Somebody frees or reallocates what is no object of the context (NULL: of any
 * context).  That is an error as in aset.c, unless an error would only make it
 * worse.
 */
extern void ArenaContextReportBadPointer(MemoryContext context, const void *pointer,
										 ga_free_result result);

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

/*
 * After an object was allocated or changed its size: with memory checking,
 * leave a mark behind what was asked for.
 */
static inline void *
ArenaContextMark(void *object, Size size)
{
#ifdef MEMORY_CONTEXT_CHECKING
	if (size < ga_object_size(object) && ga_object_requested_known(object))
		set_sentinel(object, size);
#endif
	return object;
}

/* NULL if memory is used up. */
static inline void *
ArenaContextAlloc(ArenaSet *set, Size size)
{
	void *object = ga_arena_alloc_fast(&set->arena, size);

	if (unlikely(object == NULL))
	{
		object = ArenaContextAllocSlow(set, size);
		if (object == NULL)
			return NULL;
	}
#ifdef RANDOMIZE_ALLOCATED_MEMORY
	randomize_mem(object, size);
#endif
	return ArenaContextMark(object, size);
}

static inline void
ArenaContextFree(ArenaSet *set, void *pointer)
{
#ifndef MEMORY_CONTEXT_CHECKING
	if (likely(ga_arena_free_fast(&set->arena, pointer)))
		return;
#endif
	ArenaContextFreeSlow(set, pointer);
}

#endif /* GOARENA_ARENA_CONTEXT_H */
