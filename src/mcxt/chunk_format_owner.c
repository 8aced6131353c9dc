/*-------------------------------------------------------------------------
 *
 * chunk_format_owner.c
 *	  Chunk headers of PostgreSQL 15: the address of the context.
 *
 * mcxt.c reads the word before a pointer, takes it for the context, and calls
 * the methods that the context points at.  The engine puts that word there
 * (GA_OWNER_WORD), and its own header before it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "mcxt/arena_context.h"
#include "mcxt/chunk_format.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"
#include "mcxt/zero_base.h"

#if GA_OWNER_WORD

/*
 * Methods return NULL if memory is used up.  They do not know whether the caller wants an error
 * (MCXT_ALLOC_NO_OOM): mcxt.c raises it if so.  Just before that, and only then, mcxt.c prints the
 * statistics of all contexts to stderr, beginning with TopMemoryContext.  That context has a table
 * of its own.  If a limit refused the memory, the stats method there raises the error, and nothing
 * is printed.
 */
static MemoryContextMethods top_origin;

static void
format_top_stats(MemoryContext context, MemoryStatsPrintFunc printfunc, void *passthru,
				 MemoryContextCounters *totals, bool print_to_stderr)
{
	if (refusal.crossed != NO_LIMIT_CROSSED && print_to_stderr)
		process_heap_callbacks->raise_refusal(refusal.context, refusal.size);
	top_origin.stats(context, printfunc, passthru, totals, print_to_stderr);
}

void
ChunkFormatTopMethods(MemoryContextMethods *methods)
{
	top_origin = *methods;
	methods->stats = format_top_stats;
}

static GA_HOT void *
format_alloc(MemoryContext context, Size size)
{
	return ArenaContextAlloc(ArenaSetOfContext(context), size);
}

static void *
format_careful_alloc(MemoryContext context, Size size)
{
	ArenaSet *set = ArenaSetOfContext(context);
	uint32 stack;

	StackTraceCaller();
	stack = ArenaContextStack(set);
	StackTraceCallerEnd();
	return ArenaContextAllocCareful(set, size, stack);
}

/*
 * format_is_foreign
 *		Is this a pointer to memory that AllocSet allocated before the context was adopted?
 */
static inline bool
format_is_foreign(const ArenaSet *set, const void *pointer)
{
	return unlikely(set->foreign) && ga_segment_of(&process_heap, (uintptr_t) pointer) == NULL;
}

static pg_noinline void
format_free_slow(ArenaSet *set, void *pointer)
{
	if (format_is_foreign(set, pointer))
		set->origin->free_p(set->context, pointer);
	else
		ArenaContextFreeSlow(set, pointer);
}

static GA_HOT void
format_free(MemoryContext context, void *pointer)
{
	ArenaSet *set = ArenaSetOfContext(context);

	if (unlikely(!ArenaContextFreeFast(set, pointer)))
		format_free_slow(set, pointer);
}

static void *
format_realloc(MemoryContext context, void *pointer, Size size)
{
	ArenaSet *set = ArenaSetOfContext(context);

	if (format_is_foreign(set, pointer))
		return set->origin->realloc(context, pointer, size);
	return ArenaContextRealloc(set, pointer, size);
}

static Size
format_get_space(MemoryContext context, void *pointer)
{
	ArenaSet *set = ArenaSetOfContext(context);

	if (format_is_foreign(set, pointer))
		return set->origin->get_chunk_space(context, pointer);
	return ArenaContextSpaceOf(pointer);
}

static const MemoryContextMethods arena_methods = {
	.alloc = format_alloc,
	.free_p = format_free,
	.realloc = format_realloc,
	.reset = ArenaContextReset,
	.delete_context = ArenaContextDelete,
	.get_chunk_space = format_get_space,
	.is_empty = ArenaContextIsEmpty,
	.stats = ArenaContextStats,
#ifdef MEMORY_CONTEXT_CHECKING
	.check = ArenaContextCheck,
#endif
};

static const MemoryContextMethods careful_methods = {.alloc = format_careful_alloc};

/* mcxt.c sees the NULL, and calls format_top_stats if the caller wants an error. */
void *
ChunkFormatFailure(MemoryContext context, Size size)
{
	return NULL;
}

/*
 * ChunkFormatTable
 *		None for AllocSet: AllocSets that hold memory have tables of goarena's.
 */
MemoryContextMethods *
ChunkFormatTable(ContextType type)
{
	MemoryContext probe;
	MemoryContextMethods *table;

	if (type == OTHER_GENERATION)
		probe = GenerationContextCreate(TopMemoryContext, "goarena probe", ALLOCSET_SMALL_SIZES);
	else if (type == OTHER_SLAB)
		probe = SlabContextCreate(TopMemoryContext, "goarena probe", SLAB_DEFAULT_BLOCK_SIZE, 64);
	else
		return NULL;
	table = (MemoryContextMethods *) probe->methods;
	MemoryContextDelete(probe);
	return table;
}

const char *
ChunkFormatStart(void)
{
	ArenaContextsStart(&arena_methods, &careful_methods, 0);
	ZeroBaseStart(0);
	return NULL;
}

void
ChunkFormatStop(void)
{
}

#endif /* GA_OWNER_WORD */
