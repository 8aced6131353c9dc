/*-------------------------------------------------------------------------
 *
 * plain_contexts.c
 *	  Limits for contexts that are no arenas.
 *
 * Contexts of the types Generation, Slab and Bump, and AllocSets that are not adopted, get their
 * memory from malloc, block by block.  Once there is a limit, functions of ours stand before the
 * alloc and realloc methods of these types.  They call the original method, and then look whether
 * the context has a block more; most allocations pay no more than that.  If it has, or if a large
 * object is asked for, they compare with ga_heap.limit, which is the point where to look next, as
 * for arenas.
 *
 * An object that is refused was allocated, but nothing was written to it: the type's own method
 * frees it again.  If its block stays with the context, the context can use it, and it counts as
 * what the context holds.
 *
 * An object that grows can only be refused before it has moved: otherwise the caller would keep a
 * pointer to the old place.
 *
 * While there is a heap profile, objects of AllocSets that grow are counted for it here: from 16 on,
 * the server finds the realloc method from the object and not from the context.
 *
 * The same functions count what these contexts take while statements are watched.  They are put in
 * place when a limit, or a setting that watches statements, first needs them.  Then they stay.
 *
 * For the peaks of processes it is enough to look when a large context gives back what it has.  So
 * functions of ours always stand before the reset and delete_context methods.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "mcxt/adopt.h"
#include "mcxt/arena_context.h"
#include "mcxt/chunk_format.h"
#include "mcxt/compat.h"
#include "mcxt/leaving.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"
#include "mcxt/server_table.h"

#if !GA_OWNER_WORD
#include "utils/memutils_internal.h"
#endif

/* From this size in bytes on, the limit is asked before the object is allocated. */
#define LARGE_OBJECT ((Size) 256 << 10)

#if GA_OWNER_WORD
#define CheckSize(context, size)
#else
#define CheckSize(context, size) MemoryContextCheckSize(context, size, flags)
#endif

static MemoryContextMethods *tables[CONTEXT_TYPES];	  /* the server's */
static MemoryContextMethods originals[CONTEXT_TYPES]; /* their contents as they were */
static MemoryContextMethods present[CONTEXT_TYPES];	  /* and as we left them */
static bool are_servers[CONTEXT_TYPES];				  /* do they hold functions of the server? */

/*
 * plain_have_heap
 *		Set up the heap if there is none yet, since the point where to look next is the heap's, also
 *		where no context is an arena.  False in the postmaster.
 */
static inline bool
plain_have_heap(void)
{
	if (likely(process_heap_ready))
		return true;
	if (!IsUnderPostmaster)
		return false;
	ProcessHeapPrepare();
	return true;
}

/*
 * plain_may_take
 *		May a context have bytes more for an object of this size?
 *		taken says that it has them already.
 */
static pg_noinline bool
plain_may_take(MemoryContext context, Size size, Size bytes, bool taken)
{
	if (context == ErrorContext || process_heap.sweeping || !plain_have_heap())
		return true;
	if (!ga_heap_may_hold(&process_heap, bytes))
	{
		refusal.crossed = NO_LIMIT_CROSSED;
		refusal.context = context;
		refusal.size = size;
		if (!process_heap_callbacks->plain_ask(bytes, taken))
			return false;
	}
	if (taken)
		process_heap_callbacks->plain_took(bytes);
	return true;
}

static inline void *
plain_alloc(ContextType type, MemoryContext context, Size size FLAGS_PARAMETER)
{
	Size before = context->mem_allocated;
	void *object;

	if (unlikely(size >= LARGE_OBJECT))
	{
		CheckSize(context, size);
		if (!plain_may_take(context, size, size, false))
			return ChunkFormatFailure(context, size FLAGS_ARGUMENT);
	}
	object = originals[type].alloc(context, size FLAGS_ARGUMENT);
	if (unlikely(context->mem_allocated > before) &&
		!plain_may_take(context, size, context->mem_allocated - before, true))
	{
		if (type != OTHER_BUMP)
			originals[type].free_p(CONTEXT_ARGUMENT object);
		return ChunkFormatFailure(context, size FLAGS_ARGUMENT);
	}
	return object;
}

static inline void *
plain_realloc(ContextType type, CONTEXT_PARAMETER void *pointer, Size size FLAGS_PARAMETER)
{
#if !GA_OWNER_WORD
	MemoryContext context = originals[type].get_chunk_context(pointer);
#endif
	Size before = context->mem_allocated;
	Size space = 0;
	void *object;

	if (unlikely(size >= LARGE_OBJECT || goarena_profile_rate > 0))
		space = originals[type].get_chunk_space(CONTEXT_ARGUMENT pointer);
	if (unlikely(size >= LARGE_OBJECT))
	{
		CheckSize(context, size);
		if (size > space && !plain_may_take(context, size, size - space, false))
			return ChunkFormatFailure(context, size FLAGS_ARGUMENT);
	}
	object = originals[type].realloc(CONTEXT_ARGUMENT pointer, size FLAGS_ARGUMENT);
	if (unlikely(context->mem_allocated > before))
		process_heap_callbacks->plain_took(context->mem_allocated - before);
	if (type == OTHER_ALLOCSET && unlikely(space > 0 && size > space) && object != NULL)
		return AdoptProfileGrown(context, object, size);
	return object;
}

/* The methods of a type that stand before its own. */
#define TYPE_METHODS(name, type)                                                                   \
	static void *AllocIn##name(MemoryContext context, Size size FLAGS_PARAMETER)                   \
	{                                                                                              \
		return plain_alloc(type, context, size FLAGS_ARGUMENT);                                    \
	}                                                                                              \
	static void *ReallocIn##name(CONTEXT_PARAMETER void *pointer, Size size FLAGS_PARAMETER)       \
	{                                                                                              \
		return plain_realloc(type, CONTEXT_ARGUMENT pointer, size FLAGS_ARGUMENT);                 \
	}

/* Methods that stand before those for the end of a life.  AllocSets have adopt.c's. */
#define TYPE_ENDS(name, type)                                                                      \
	static void Reset##name(MemoryContext context)                                                 \
	{                                                                                              \
		LeavingNoteIfMuch(context, true);                                                          \
		originals[type].reset(context);                                                            \
	}                                                                                              \
	static void Delete##name(MemoryContext context)                                                \
	{                                                                                              \
		LeavingNoteIfMuch(context, false);                                                         \
		originals[type].delete_context(context);                                                   \
	}

TYPE_METHODS(AllocSet, OTHER_ALLOCSET)
TYPE_METHODS(Generation, OTHER_GENERATION)
TYPE_ENDS(Generation, OTHER_GENERATION)
TYPE_METHODS(Slab, OTHER_SLAB)
TYPE_ENDS(Slab, OTHER_SLAB)
#if !GA_OWNER_WORD
TYPE_METHODS(Bump, OTHER_BUMP)
TYPE_ENDS(Bump, OTHER_BUMP)
#endif

static const MemoryContextMethods watching[CONTEXT_TYPES] = {
	[OTHER_ALLOCSET] = {.alloc = AllocInAllocSet, .realloc = ReallocInAllocSet},
	[OTHER_GENERATION] = {.alloc = AllocInGeneration,
						  .realloc = ReallocInGeneration,
						  .reset = ResetGeneration,
						  .delete_context = DeleteGeneration},
	[OTHER_SLAB] = {.alloc = AllocInSlab,
					.realloc = ReallocInSlab,
					.reset = ResetSlab,
					.delete_context = DeleteSlab},
#if !GA_OWNER_WORD
	[OTHER_BUMP] = {.alloc = AllocInBump,
					.realloc = ReallocInBump,
					.reset = ResetBump,
					.delete_context = DeleteBump},
#endif
};

static const char *const names[CONTEXT_TYPES] = {"AllocSet", "Generation", "Slab", "Bump"};

/*
 * plain_is_servers
 *		Does a table hold functions of the server alone? (AllocSet's alloc is goarena's.)
 */
static bool
plain_is_servers(ContextType type, const MemoryContextMethods *table)
{
	return ServerOwns(table) && ServerOwns(table->free_p) && ServerOwns(table->realloc) &&
		   ServerOwns(table->get_chunk_space) && ServerOwns(table->reset) &&
		   ServerOwns(table->delete_context) &&
		   (type == OTHER_ALLOCSET || ServerOwns(table->alloc));
}

/*
 * plain_see_ends
 *		Put our functions before the reset and delete methods of a type.  If that cannot be done,
 *		peaks of statements may be too low.  AllocSets have tables of ours anyway.
 */
static void
plain_see_ends(ContextType type)
{
	MemoryContextMethods methods = originals[type];

	methods.reset = watching[type].reset;
	methods.delete_context = watching[type].delete_context;
	if (ServerTableStore(tables[type], &methods, sizeof(methods)) == NULL)
		present[type] = methods;
}

void
PlainContextsFind(void)
{
	for (int type = 0; type < CONTEXT_TYPES; type++)
	{
		tables[type] = ChunkFormatTable(type);
		if (tables[type] == NULL)
			continue;
		originals[type] = *tables[type];
		present[type] = originals[type];
		are_servers[type] = plain_is_servers(type, tables[type]);
		if (are_servers[type] && type != OTHER_ALLOCSET)
			plain_see_ends(type);
	}
}

/*
 * plain_watch_type
 *		Put our methods into the table of a type.  Returns NULL, or why it cannot
 *		be done.
 */
static const char *
plain_watch_type(ContextType type)
{
	MemoryContextMethods methods = present[type];

	if (!are_servers[type] || memcmp(tables[type], &methods, sizeof(methods)) != 0)
		return "Another library has replaced its methods.";
	methods.realloc = watching[type].realloc;
	if (type != OTHER_ALLOCSET)
		methods.alloc = watching[type].alloc;
	return ServerTableStore(tables[type], &methods, sizeof(methods));
}

static bool plain_watched = false;		  /* PlainContextsWatch */
static bool plain_growth_watched = false; /* PlainContextsWatchGrowth */

/*
 * plain_keep_allocset
 *		What AllocSet's methods were before ours, which have not taken their place yet.
 */
static void
plain_keep_allocset(void)
{
	if (!plain_watched && !plain_growth_watched)
		originals[OTHER_ALLOCSET] = *AdoptOrigin(TopMemoryContext);
}

void
PlainContextsWatchGrowth(void)
{
	MemoryContextMethods methods = present[OTHER_ALLOCSET];
	const char *wrong = NULL;

	if (plain_watched || plain_growth_watched || !AdoptActive())
		return;
	plain_keep_allocset();
	plain_growth_watched = true;

	methods.realloc = watching[OTHER_ALLOCSET].realloc;
	if (tables[OTHER_ALLOCSET] != NULL)
		wrong = are_servers[OTHER_ALLOCSET]
					? ServerTableStore(tables[OTHER_ALLOCSET], &methods, sizeof(methods))
					: "Another library has replaced its methods.";
	if (wrong == NULL)
		present[OTHER_ALLOCSET] = methods;
	else
		ereport(LOG,
				(errmsg("goarena's heap profile does not see objects that grow in small contexts"),
				 errdetail("%s", wrong)));
	methods.alloc = originals[OTHER_ALLOCSET].alloc;
	AdoptInterpose(&methods);
}

void
PlainContextsWatch(void)
{
	if (plain_watched || !AdoptActive())
		return;
	plain_keep_allocset();
	plain_watched = true;

	for (int type = 0; type < CONTEXT_TYPES; type++)
	{
		const char *wrong = tables[type] == NULL ? NULL : plain_watch_type(type);

		if (wrong != NULL)
			ereport(LOG, (errmsg("goarena refuses no memory to contexts of type %s", names[type]),
						  errdetail("%s", wrong)));
	}
	AdoptInterpose(&watching[OTHER_ALLOCSET]);
}
