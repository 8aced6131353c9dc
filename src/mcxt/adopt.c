/*-------------------------------------------------------------------------
 *
 * adopt.c
 *	  Making the server's own memory contexts into arenas.
 *
 * All AllocSet contexts share one constant method table inside the server. goarena replaces its
 * alloc entry.  The new function runs at the first allocation in a context.  It decides whether the
 * context becomes an arena, and points context->methods at the arena's table or at a private copy
 * of the original one.  So it runs once, and contexts that are not adopted pay nothing from then
 * on.  AllocSetContextCreate sets the methods each time it hands out a context, so there is a
 * decision for each life of a context.
 *
 * When the postmaster does this, every child inherits it. goarena writes one pointer, and only
 * after adopt_verify_table has found the table to be what it expects.
 *
 * Most contexts are expected to stay small, see context_sites.h.  These keep AllocSet's functions,
 * in a table of their site, whose reset and delete see how large the context was in the end.  Those
 * that are in the sample, or that goarena.contexts names, become arenas all the same.
 *
 * While there is a heap profile, goarena counts what such contexts allocate.  A context in which a
 * sample point comes to lie is an arena from that object on.  So a profile makes as many arenas as
 * there are samples, not as many as there are contexts.
 *
 * Contexts that existed before may hold memory.  They get a copy of the original table whose reset
 * puts the shared one back: after the reset the context is empty, and its next allocation decides.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "engine/profile.h"
#include "mcxt/adopt.h"
#include "mcxt/arena_context.h"
#include "mcxt/chunk_format.h"
#include "mcxt/compat.h"
#include "mcxt/context_sites.h"
#include "mcxt/context_walk.h"
#include "mcxt/error_context.h"
#include "mcxt/hot.h"
#include "mcxt/leaving.h"
#include "mcxt/patterns.h"
#include "mcxt/process_heap.h"
#include "mcxt/server_table.h"

static HOT_DATA MemoryContextMethods *shared_table; /* the server's, or NULL */
static HOT_DATA MemoryContextMethods plain_methods; /* its contents as they were */
static MemoryContextMethods left_methods;			/* for contexts that are left alone */
static MemoryContextMethods rearming_methods;		/* for contexts that existed before */
static MemoryContextMethods top_methods;			/* for TopMemoryContext, likewise */
static bool contexts_may_hold_memory;				/* when they are adopted */

bool
AdoptActive(void)
{
	return shared_table != NULL;
}

const MemoryContextMethods *
AdoptOrigin(MemoryContext context)
{
	return shared_table != NULL ? &plain_methods : context->methods;
}

void
AdoptInterpose(const MemoryContextMethods *methods)
{
	MemoryContextMethods *own[] = {&plain_methods, &left_methods, &rearming_methods, &top_methods};

	for (int i = 0; i < lengthof(own); i++)
	{
		own[i]->alloc = methods->alloc;
		own[i]->realloc = methods->realloc;
	}
	ContextSitesInterpose(methods);
}

MemoryContext
AdoptCreate(MemoryContext parent, const char *name)
{
	MemoryContext context = AllocSetContextCreateInternal(parent, name, ALLOCSET_SMALL_SIZES);

	if (!ArenaContextAdopt(context, AdoptOrigin(context), false, NULL))
	{
		MemoryContextDelete(context);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while creating arena \"%s\".", name)));
	}
	return context;
}

/*
 * adopt_allowed
 *		Ask the patterns whether a context may become an arena.  The contexts that the server needs
 *		to report that memory is used up never do, and none does in the postmaster.
 */
static PatternsSay
adopt_allowed(MemoryContext context)
{
	if (!goarena_enabled || (IsPostmasterEnvironment && !IsUnderPostmaster))
		return PATTERNS_LEAVE;
	if (context == TopMemoryContext || context == ErrorContext || context == PostmasterContext)
		return PATTERNS_LEAVE;
	return ContextPatternsSay(context);
}

/*
 * adopt_sampled
 *		Begin a life that is in the sample in a context.
 */
static pg_noinline void
adopt_sampled(MemoryContext context, ContextSite *site)
{
	if (adopt_allowed(context) == PATTERNS_LEAVE ||
		!ArenaContextAdoptSampled(context, &plain_methods, contexts_may_hold_memory, site))
		context->methods = &site->methods;
}

/*
 * adopt_first
 *		Show other processes this one when it has its first context.  Processes without transactions
 *		may have none that becomes an arena.
 */
static void
adopt_first(void)
{
	static bool begun = false;

	if (likely(begun) || MyProc == NULL)
		return;
	begun = true;
	process_heap_callbacks->begun();
}

/*
 * adopt_slow
 *		Decide for a context that is not known to be small and taken in by "*". What is found then
 *		holds for the whole site.  That is a guess, since contexts further up may differ for others
 *		of the site.  It does no harm: a small context is an AllocSet either way.
 *		This is also where a process gets its heap, although no context may ever need it: requests
 *		and limits rely on it.
 */
static pg_noinline void
adopt_slow(MemoryContext context, ContextSite *site)
{
	PatternsSay say = adopt_allowed(context);

	if (say != PATTERNS_LEAVE && !process_heap_ready)
		ProcessHeapPrepare();
	adopt_first();
	if (say == PATTERNS_TAKE_IN && ContextSiteIsSmall(site))
	{
		site->patterns = context_patterns_version;
		if (ProcessHeapSample())
			adopt_sampled(context, site);
		else
			context->methods = &site->methods;
	}
	else if (say == PATTERNS_LEAVE ||
			 !ArenaContextAdopt(context, &plain_methods, contexts_may_hold_memory,
								say == PATTERNS_NAME ? NULL : site))
		context->methods = &left_methods;
}

/*
 * adopt_decide
 *		Decide what becomes of an AllocSet context in its present life: an arena, or an
 *		AllocSet with a private copy of the server's methods.  Then allocate.
 */
static pg_noinline void *
adopt_decide(MemoryContext context, Size size FLAGS_PARAMETER)
{
	bool known;
	ContextSite *site = ContextSiteOf(context, &known);

	if (!known)
		ContextSiteBegin(site, context);
	if (!ContextSiteIsSmall(site) || site->patterns != context_patterns_version)
		adopt_slow(context, site);
	else if (ProcessHeapSample())
		adopt_sampled(context, site);
	else
		context->methods = &site->methods;
	return context->methods->alloc(context, size FLAGS_ARGUMENT);
}

/*
 * adopt_outgrown
 *		Handle a watched context that has outgrown what was expected, or is about to: what it
 *		allocates from now on comes from an arena.
 *		The arena gets no credit, since the blocks that AllocSet has may be full.
 */
static void
adopt_outgrown(MemoryContext context)
{
	ContextSite *site = ContextSiteOfMethods(context);

	ContextSiteWatch(site);
	if (adopt_allowed(context) == PATTERNS_LEAVE ||
		!ArenaContextTakeOver(context, &plain_methods, 0, site))
		context->methods = &left_methods;
}

/*
 * adopt_leave
 *		No context is to be an arena.
 */
static pg_attribute_hot pg_noinline void *
adopt_leave(MemoryContext context, Size size FLAGS_PARAMETER)
{
	adopt_first();
	context->methods = &left_methods;
	return left_methods.alloc(context, size FLAGS_ARGUMENT);
}

/*
 * adopt_deciding_alloc
 *		Stands in for AllocSet's alloc method.  That a small context stays an AllocSet is the
 *		frequent decision.  It is made here, where no register has to be saved for it.
 */
static pg_attribute_hot void *
adopt_deciding_alloc(MemoryContext context, Size size FLAGS_PARAMETER)
{
	bool known;
	ContextSite *site;

	if (unlikely(!goarena_enabled || context_patterns_none))
		return adopt_leave(context, size FLAGS_ARGUMENT);
	site = ContextSiteOf(context, &known);
	if (unlikely(!known || !ContextSiteIsSmall(site) ||
				 site->patterns != context_patterns_version || process_sampler.unsampled == 0))
		return adopt_decide(context, size FLAGS_ARGUMENT);
	process_sampler.unsampled--;
	context->methods = &site->methods;
	return site->methods.alloc(context, size FLAGS_ARGUMENT);
}

/*
 * adopt_watching_alloc
 *		The alloc method of contexts that are watched.
 */
static pg_attribute_hot void *
adopt_watching_alloc(MemoryContext context, Size size FLAGS_PARAMETER)
{
	if (unlikely(context->mem_allocated > SMALL_CONTEXT || size > SMALL_CONTEXT))
	{
		adopt_outgrown(context);
		return context->methods->alloc(context, size FLAGS_ARGUMENT);
	}
	return plain_methods.alloc(context, size FLAGS_ARGUMENT);
}

/*
 * adopt_for_sample
 *		A context that was expected to stay small is about to allocate bytes.  Is there a sample
 *		point in them?  Then the context is an arena now, and the result is true.  One sample does
 *		not make a life large, so the arena's first bytes are counted as if they were in
 *		AllocSet's first block.
 */
static bool
adopt_for_sample(MemoryContext context, Size bytes)
{
	ContextSite *site = ContextSiteOfMethods(context);

	if (!process_heap_ready || goarena_settings_changed)
		ProcessHeapPrepare();
	if (ga_profile_pass(&process_heap.profile, bytes))
		return false;
	ga_profile_use_point(&process_heap.profile);
	if (adopt_allowed(context) != PATTERNS_LEAVE &&
		ArenaContextTakeOver(context, &plain_methods, Min(context->mem_allocated, EXPECTED_SMALL),
							 site))
		return true;
	context->methods = &left_methods;
	return false;
}

/*
 * adopt_profiled_slow
 *		Allocate where there may be a sample point.
 */
static pg_noinline void *
adopt_profiled_slow(MemoryContext context, Size size FLAGS_PARAMETER)
{
	void *object;

	if (!adopt_for_sample(context, size + GA_HEADER_SIZE))
		return plain_methods.alloc(context, size FLAGS_ARGUMENT);
	object = context->methods->alloc(context, size FLAGS_ARGUMENT);
	if (object != NULL)
		ga_profile_add_counted(&ArenaSetOfContext(context)->arena, object, size + GA_HEADER_SIZE);
	return object;
}

/*
 * adopt_profiled_alloc, adopt_profiled_watching_alloc
 *		The alloc methods while there is a heap profile.
 */
static void *
adopt_profiled_alloc(MemoryContext context, Size size FLAGS_PARAMETER)
{
	if (unlikely(!ga_profile_pass(&process_heap.profile, size + GA_HEADER_SIZE)))
		return adopt_profiled_slow(context, size FLAGS_ARGUMENT);
	return plain_methods.alloc(context, size FLAGS_ARGUMENT);
}

static void *
adopt_profiled_watching_alloc(MemoryContext context, Size size FLAGS_PARAMETER)
{
	if (unlikely(!ga_profile_pass(&process_heap.profile, size + GA_HEADER_SIZE)))
		return adopt_profiled_slow(context, size FLAGS_ARGUMENT);
	return adopt_watching_alloc(context, size FLAGS_ARGUMENT);
}

static const MemoryContextMethods deciding_methods = {.alloc = adopt_deciding_alloc};
static const ContextSiteAllocs small_allocs = {
	.watching = {.alloc = adopt_watching_alloc},
	.profiled = {.alloc = adopt_profiled_alloc},
	.profiled_watching = {.alloc = adopt_profiled_watching_alloc},
};

void
AdoptProfile(bool on)
{
	ContextSitesProfile(on);
}

/*
 * adopt_grown_is_sample
 *		The context can have become an arena after the object was allocated.
 */
static bool
adopt_grown_is_sample(MemoryContext context, Size bytes)
{
	if (context->methods->alloc == adopt_profiled_alloc ||
		context->methods->alloc == adopt_profiled_watching_alloc)
		return !ga_profile_pass(&process_heap.profile, bytes) && adopt_for_sample(context, bytes);
	if (!ContextIsArena(context) || ga_profile_pass(&process_heap.profile, bytes))
		return false;
	ga_profile_use_point(&process_heap.profile);
	return true;
}

/*
 * AdoptProfileGrown
 *		A sample is an arena's, so the object moves once more.
 */
void *
AdoptProfileGrown(MemoryContext context, void *object, Size size)
{
	void *copy;

	if (!adopt_grown_is_sample(context, size + GA_HEADER_SIZE))
		return object;
	copy = context->methods->alloc(context, size FLAGS_NO_OOM);
	if (copy == NULL)
		return object;
	memcpy(copy, object, size);
	plain_methods.free_p(CONTEXT_ARGUMENT object);
	ga_profile_add_counted(&ArenaSetOfContext(context)->arena, copy, size + GA_HEADER_SIZE);
	return copy;
}

/*
 * adopt_note_life
 *		Note that a life ends of a context that was expected to stay small.
 */
static pg_noinline void
adopt_note_life(MemoryContext context, bool listed)
{
	LeavingNoteIfMuch(context, listed);
	ContextSiteNoteLife(ContextSiteOfMethods(context), context->mem_allocated);
}

/*
 * adopt_life_was_as_usual
 *		Is there nothing to note of such a life?  Callers ask where they have no register to save.
 */
static inline bool
adopt_life_was_as_usual(MemoryContext context)
{
	return context->mem_allocated <= SMALL_CONTEXT &&
		   ContextSiteIsUnwatched(ContextSiteOfMethods(context));
}

/*
 * adopt_small_reset_slow, adopt_small_reset
 *		The reset method of contexts that were expected to stay small: notes the life that ends, and
 *		decides on the next.
 */
static pg_noinline void
adopt_small_reset_slow(MemoryContext context)
{
	ContextSite *site = ContextSiteOfMethods(context);

	adopt_note_life(context, true);
	plain_methods.reset(context);
	if (!ContextSiteIsSmall(site) || site->patterns != context_patterns_version)
		context->methods = shared_table;
	else if (ProcessHeapSample())
		adopt_sampled(context, site);
}

static pg_attribute_hot void
adopt_small_reset(MemoryContext context)
{
	if (unlikely(!adopt_life_was_as_usual(context) ||
				 ContextSiteOfMethods(context)->patterns != context_patterns_version ||
				 process_sampler.unsampled == 0))
	{
		adopt_small_reset_slow(context);
		return;
	}
	process_sampler.unsampled--;
	plain_methods.reset(context);
}

/*
 * adopt_small_delete
 *		The delete method of such contexts.  AllocSet keeps some deleted contexts for later ones,
 *		and resets them.  That reset must not begin a life, since an arena that began then would
 *		never end: so the context gets its original methods first.
 */
static pg_attribute_hot void
adopt_small_delete(MemoryContext context)
{
	if (unlikely(!adopt_life_was_as_usual(context)))
		adopt_note_life(context, false);
	context->methods = &plain_methods;
	plain_methods.delete_context(context);
}

static pg_attribute_hot void
adopt_left_reset(MemoryContext context)
{
	LeavingNoteIfMuch(context, true);
	plain_methods.reset(context);
}

static pg_attribute_hot void
adopt_left_delete(MemoryContext context)
{
	LeavingNoteIfMuch(context, false);
	plain_methods.delete_context(context);
}

/*
 * adopt_rearming_reset
 *		The reset method of contexts that existed before: they are empty now, so the next allocation
 *		can decide.
 */
static void
adopt_rearming_reset(MemoryContext context)
{
	plain_methods.reset(context);
	context->methods = shared_table;
}

/*
 * adopt_set_aside_existing
 *		Keep existing contexts from being decided on while they hold memory.
 */
static void
adopt_set_aside_existing(void)
{
	context_walk_foreach (walk, TopMemoryContext)
		if (walk.context->methods == shared_table)
			walk.context->methods = &rearming_methods;
}

/*
 * adopt_verify_table
 *		Is this the method table of AllocSet, and does it behave so?
 */
static const char *
adopt_verify_table(const MemoryContextMethods *table)
{
	MemoryContext probe;
	const char *wrong = NULL;
	void *object;

	if (!IsA(TopMemoryContext, AllocSetContext))
		return "TopMemoryContext is not an AllocSet context.";
	if (!ServerOwns(table))
		return "The method table of AllocSet is not part of the server program.";
	if (!ServerOwns(table->alloc))
		return "Another library has replaced methods of AllocSet.";
	if (!ServerOwns(table->free_p) || !ServerOwns(table->realloc) || !ServerOwns(table->reset) ||
		!ServerOwns(table->delete_context) || !ServerOwns(table->get_chunk_space) ||
		!ServerOwns(table->is_empty) || !ServerOwns(table->stats))
		return "The method table of AllocSet does not hold functions of the server program.";

	probe = AllocSetContextCreate(TopMemoryContext, "goarena probe", ALLOCSET_SMALL_SIZES);
	if (probe->methods != table)
		wrong = "New AllocSet contexts do not have the method table of TopMemoryContext.";
	else if (!table->is_empty(probe))
		wrong = "A new AllocSet context is not empty.";
	else
	{
		object = MemoryContextAlloc(probe, 100);
		if (GetMemoryChunkContext(object) != probe)
			wrong = "The header of a chunk does not name its context.";
		else if (GetMemoryChunkSpace(object) < 100 || GetMemoryChunkSpace(object) > 1000)
			wrong = "The space of a chunk is not what was allocated.";
	}
	MemoryContextDelete(probe);
	return wrong;
}

const char *
AdoptStart(bool preloaded)
{
	MemoryContextMethods *table = (MemoryContextMethods *) TopMemoryContext->methods;
	MemoryContextMethods small_methods;
	const char *wrong = adopt_verify_table(table);

	if (wrong == NULL)
		wrong = ChunkFormatStart();
	if (wrong != NULL)
		return wrong;

	plain_methods = *table;
	wrong = ServerTableStore(&table->alloc, &deciding_methods.alloc, sizeof(table->alloc));
	if (wrong != NULL)
	{
		ChunkFormatStop();
		return wrong;
	}

	shared_table = table;
	contexts_may_hold_memory = !preloaded;
	left_methods = plain_methods;
	left_methods.reset = adopt_left_reset;
	left_methods.delete_context = adopt_left_delete;
	rearming_methods = plain_methods;
	rearming_methods.reset = adopt_rearming_reset;
	small_methods = plain_methods;
	small_methods.reset = adopt_small_reset;
	small_methods.delete_context = adopt_small_delete;
	ContextSitesStart(&small_methods, &small_allocs);

	adopt_set_aside_existing();
	top_methods = plain_methods;
	ChunkFormatTopMethods(&top_methods);
	TopMemoryContext->methods = &top_methods;
	ErrorContextWatch(&plain_methods);
	return NULL;
}
