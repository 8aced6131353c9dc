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

#include "engine/careful.h"
#include "engine/free_list.h"
#include "mcxt/arena_set.h"
#include "mcxt/stack_trace.h"

/*
 * Called once, before there is any arena: sets the methods of contexts that are arenas, the alloc
 * method of careful ones (see engine/careful.h), and the tag in the headers of their objects.
 */
extern void ArenaContextsStart(const MemoryContextMethods *methods,
							   const MemoryContextMethods *careful, unsigned tag);

/*
 * Turn an AllocSet context into an arena for its present life.  foreign says
 * that memory may already have been allocated in it.  After a reset the context
 * is an AllocSet again, with the methods of its site, if contexts of the site
 * are expected to stay small; with NULL it is always an arena.  False, with the
 * context as it was, if there is no memory.
 */
extern bool ArenaContextAdopt(MemoryContext context, const MemoryContextMethods *origin,
							  bool foreign, ContextSite *site);

/*
 * As ArenaContextAdopt, in the midst of a life: what AllocSet has allocated in the context stays
 * where it is.
 * The first bytes of the arena, up to credit, are not counted.
 */
extern bool ArenaContextTakeOver(MemoryContext context, const MemoryContextMethods *origin,
								 Size credit, ContextSite *site);

/* As ArenaContextAdopt, for a life that is in the sample. */
extern bool ArenaContextAdoptSampled(MemoryContext context, const MemoryContextMethods *origin,
									 bool foreign, ContextSite *site);

/* Is the context an arena at the moment? */
extern bool ContextIsArena(MemoryContext context);

/* The methods of arenas that are not careful. */
extern MemoryContextMethods arena_context_methods;

/* Is the context an arena that is not careful? */
static inline bool
ContextIsPlainArena(MemoryContext context)
{
	return context->methods->alloc == arena_context_methods.alloc;
}

/* Give up what arenas do not use now, and what arenas that ended keep for later ones. */
extern void ArenaContextsTrim(void);

/*
 * The methods of arenas, apart from how the server finds them: see
 * chunk_format.h.
 */

/*
 * Allocate size bytes where the fast way cannot. stack is the number of the stack, where the arena
 * keeps it.  NULL if memory is used up.
 */
extern void *ArenaContextAllocSlow(ArenaSet *set, Size size, uint32 stack);

/*
 * The number of the stack from where the server called the method, where a careful arena wants it;
 * else 0.  To be called between StackTraceCaller() and StackTraceCallerEnd().
 */
extern uint32 ArenaContextStack(const ArenaSet *set);

/* Show what was done to an object in a careful arena, if it is watched. */
extern void ArenaContextTrace(const ArenaSet *set, const char *what, const void *object, Size size,
							  uint32 stack);

/* An object of this size, or an arena that gives back as much, is shown to other processes at once. */
#define LARGE_ARENA ((Size) 256 << 10)

/* There was no memory for size bytes, after tries more tries: may another one help? */
extern bool ArenaContextMayTryAgain(const ArenaSet *set, Size size, int tries);

/* Free an object where the fast way cannot. */
extern void ArenaContextFreeSlow(ArenaSet *set, void *pointer);

/* Change the size of an object.  NULL, with the object as it was, if memory is used up. */
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

/* What ArenaContextReportBadPointer tells of, before it raises the error. */
typedef struct BadPointer
{
	const char *context; /* its name, NULL if it is unknown */
	const void *pointer;
	ga_free_result result;
	const char *detail; /* what it points at, a sentence */
	bool is_error;		/* else a warning */
} BadPointer;

/* What goarena.debug = alloctrace logs. */
typedef struct AllocationTrace
{
	const char *what; /* "alloc", "realloc", "free", "reset" or "delete" */
	MemoryContext context;
	uint64 arena_id;
	const void *object; /* NULL: the whole context */
	Size size;			/* bytes that were asked for, or that the context is charged for */
	uint32 stack;		/* see stack_store.h */
} AllocationTrace;

/*
 * Report that the server frees or reallocates what is no object of the context (NULL: of any
 * context).  Raises an error, as aset.c does, but only a WARNING where an error would make things
 * worse.
 */
extern void ArenaContextReportBadPointer(MemoryContext context, const void *pointer,
										 ga_free_result result);

/*
 * With memory checking, leave a mark behind the bytes that were asked for.  To be called after an
 * object was allocated or changed its size.  Returns the object.
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

/* Allocate size bytes in an arena.  NULL if memory is used up. */
static inline void *
ArenaContextAlloc(ArenaSet *set, Size size)
{
	void *object = ga_arena_alloc_fast(&set->arena, size);

	if (unlikely(object == NULL))
	{
		object = ArenaContextAllocSlow(set, size, 0);
		if (object == NULL)
			return NULL;
	}
#ifdef RANDOMIZE_ALLOCATED_MEMORY
	randomize_mem(object, size);
#endif
	return ArenaContextMark(object, size);
}

/*
 * As ArenaContextAlloc, in a careful arena. stack is what ArenaContextStack() returned.  Arenas of
 * the sample are careful only because they keep stacks, so that case is fast.
 */
static inline void *
ArenaContextAllocCareful(ArenaSet *set, Size size, uint32 stack)
{
	void *object = NULL;

	if (likely(set->arena.careful == GA_CAREFUL_STACK))
		object = ga_arena_alloc_stacked_fast(&set->arena, size, stack);
	if (unlikely(object == NULL))
	{
		object = ArenaContextAllocSlow(set, size, stack);
		if (object == NULL)
			return NULL;
	}
	if (unlikely((set->arena.careful & GA_CAREFUL_WATCH) != 0))
		ArenaContextTrace(set, "alloc", object, size, stack);
	return ArenaContextMark(object, size);
}

/* Free an object the fast way; false, with nothing done, if ArenaContextFreeSlow has to. */
static inline bool
ArenaContextFreeFast(ArenaSet *set, void *pointer)
{
#ifdef MEMORY_CONTEXT_CHECKING
	return false;
#else
	return ga_arena_free_fast(&set->arena, pointer);
#endif
}

#endif /* GOARENA_ARENA_CONTEXT_H */
