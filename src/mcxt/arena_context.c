/*-------------------------------------------------------------------------
 *
 * arena_context.c
 *	  The methods of memory contexts that are arenas.
 *
 * An arena context is an AllocSet context with another method table.  Its header, and with it name,
 * parent and callbacks, stay AllocSet's; all memory comes from the engine.  Until the context is
 * deleted or gets its table back, AllocSet's own first block lies unused beside the arena.
 * mem_allocated goes on counting that block.  So it does not count as many of the arena's first
 * bytes (the arena's credit), and small contexts weigh as much as they do on a plain server.
 *
 * Use arenas for memory that is freed all at once, which is what most
 * contexts are for.  pfree works, and freed objects are used again; contexts
 * that do little else are better served by AllocSet or Slab.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "engine/probes.h"
#include "engine/special.h"
#include "mcxt/arena_context.h"
#include "mcxt/debug.h"
#include "mcxt/deleted.h"
#include "mcxt/foreign_text.h"
#include "mcxt/leaving.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"
#include "mcxt/stack_store.h"

#if !GA_OWNER_WORD
#include "utils/memutils_memorychunk.h"
#endif

/*
 * Bytes that an object takes beyond its size.  At least the size of the server's own chunk header,
 * since alignedalloc.c subtracts that.
 */
#if GA_OWNER_WORD
#define CHUNK_OVERHEAD GA_HEADER_SIZE
#else
#define CHUNK_OVERHEAD Max(GA_HEADER_SIZE, sizeof(MemoryChunk))
#endif

static ga_fixed arena_sets; /* ArenaSet structs of this process */
MemoryContextMethods arena_context_methods;
static MemoryContextMethods careful_methods; /* alloc alone */
static unsigned arena_tag;

void
ArenaContextsStart(const MemoryContextMethods *methods, const MemoryContextMethods *careful,
				   unsigned tag)
{
	arena_context_methods = *methods;
	careful_methods = *careful;
	arena_tag = tag;
}

bool
ContextIsArena(MemoryContext context)
{
	return ContextIsPlainArena(context) || context->methods->alloc == careful_methods.alloc;
}

static inline void
arena_prepare(void)
{
	if (unlikely(!process_heap_ready || goarena_settings_changed))
		ProcessHeapPrepare();
	if (unlikely(arena_sets.metadata == NULL))
		ga_fixed_init(&arena_sets, &process_heap.metadata, sizeof(ArenaSet));
}

/*
 * arena_set_new
 *		Make a set whose arena holds no chunk; sampled if its first life was drawn already, and is
 *		in the sample.  NULL if there is no memory.
 */
static ArenaSet *
arena_set_new(MemoryContext context, Size credit, bool sampled)
{
	ArenaSet *set = ga_fixed_alloc(&arena_sets);

	if (set == NULL)
		return NULL;
	set->methods = arena_context_methods;
	(sampled ? ga_arena_init_sampled : ga_arena_init)(&set->arena, &process_heap,
													  (uint64) (uintptr_t) context, arena_tag,
													  &context->mem_allocated, credit);
	return set;
}

/*
 * arena_set_take
 *		Take a parked set, else make a new one.  A careful arena gets a new one, since it may want
 *		to have no chunk yet.
 */
static pg_attribute_always_inline ArenaSet *
arena_set_take(MemoryContext context, Size credit)
{
	ga_arena *arena;

	arena_prepare();
	if (unlikely((debug_checks & DEBUG_OF_LIVES) != 0))
		return arena_set_new(context, credit, false);
	arena = ga_arena_revive(&process_heap, (uint64) (uintptr_t) context, &context->mem_allocated,
							credit);
	return arena != NULL ? ArenaSetOf(arena) : arena_set_new(context, credit, false);
}

/*
 * arena_set_choose_alloc
 *		At the beginning of a life, choose whether its objects have stacks, and its alloc method.
 */
static void
arena_set_choose_alloc(ArenaSet *set)
{
	ga_arena *arena = &set->arena;
	unsigned careful = arena->careful & ~GA_CAREFUL_STACK;

	if (DebugKeepsStacks(arena->mode))
		careful |= GA_CAREFUL_STACK;
	if (careful != arena->careful)
		ga_arena_set_careful(arena, careful);
	set->methods.alloc = careful != 0 ? careful_methods.alloc : arena_context_methods.alloc;
}

/*
 * arena_set_begin
 *		Let the memory of the context come from the arena from now on.
 */
static pg_attribute_always_inline void
arena_set_begin(ArenaSet *set, MemoryContext context, const MemoryContextMethods *origin,
				bool foreign, ContextSite *site)
{
	set->context = context;
	set->origin = origin;
	set->foreign = foreign;
	set->site = site;
	set->ident = NULL;
	set->parents[0] = NULL;
	if (unlikely((debug_checks & DEBUG_OF_LIVES) != 0))
		ga_arena_set_careful(&set->arena, DebugCareful(context));
	if (set->arena.mode != GA_QUARANTINE_OFF || set->arena.careful != 0)
	{
		ArenaSetNoteParents(set);
		arena_set_choose_alloc(set);
	}
	context->methods = &set->methods;
	GA_PROBE3(arena__adopt, set->arena.id, context->name, (int) set->arena.mode);
}

/*
 * arena_set_end
 *		End the arena of a set.  The context no longer uses it, and has other methods.
 */
static void
arena_set_end(ArenaSet *set)
{
	if (ga_arena_park(&set->arena))
		set->context = NULL;
	else
	{
		ga_arena_destroy(&set->arena);
		ga_fixed_free(&arena_sets, set);
	}
}

bool
ArenaContextAdopt(MemoryContext context, const MemoryContextMethods *origin, bool foreign,
				  ContextSite *site)
{
	ArenaSet *set = arena_set_take(context, context->mem_allocated);

	if (set == NULL)
		return false;
	arena_set_begin(set, context, origin, foreign, site);
	return true;
}

bool
ArenaContextTakeOver(MemoryContext context, const MemoryContextMethods *origin, Size credit,
					 ContextSite *site)
{
	ArenaSet *set = arena_set_take(context, credit);

	if (set == NULL)
		return false;
	arena_set_begin(set, context, origin, true, site);
	return true;
}

bool
ArenaContextAdoptSampled(MemoryContext context, const MemoryContextMethods *origin, bool foreign,
						 ContextSite *site)
{
	ArenaSet *set;

	arena_prepare();
	set = arena_set_new(context, context->mem_allocated, true);
	if (set == NULL)
		return false;
	arena_set_begin(set, context, origin, foreign, site);
	return true;
}

/*
 * arena_check_requested
 *		With memory checking, warn if the mark behind an object was overwritten.
 */
static inline void
arena_check_requested(MemoryContext context, void *object)
{
#ifdef MEMORY_CONTEXT_CHECKING
	Size requested = ga_object_requested(object);
	char name[CONTEXT_NAME_LENGTH];

	if (requested < ga_object_size(object) && ga_object_requested_known(object) &&
		!sentinel_ok(object, requested))
		ereport(WARNING, (errmsg_internal("detected write past chunk end in %s",
										  ForeignNameCopy(name, context->name, sizeof(name))),
						  errdetail_log("The chunk is %p.", object)));
#endif
}

/*
 * ArenaContextMayTryAgain
 *		At most two more tries: the first time a limit may have refused the memory, and the second
 *		time the system.
 */
pg_noinline bool
ArenaContextMayTryAgain(const ArenaSet *set, Size size, int tries)
{
	refusal.context = set->context;
	refusal.size = size;
	return tries < 2 && process_heap_callbacks->find_memory();
}

static inline bool
arena_is_watched(const ArenaSet *set)
{
	return (set->arena.careful & GA_CAREFUL_WATCH) != 0;
}

/*
 * arena_trace
 *		Pass on what was done, or is about to be done, in an arena that goarena.debug traces.
 */
static pg_noinline void
arena_trace(const ArenaSet *set, const char *what, const void *object, Size size, uint32 stack)
{
	AllocationTrace trace = {what, set->context, set->arena.id, object, size, stack};

	process_heap_callbacks->traced(&trace);
}

void
ArenaContextTrace(const ArenaSet *set, const char *what, const void *object, Size size,
				  uint32 stack)
{
	if (arena_is_watched(set))
		arena_trace(set, what, object, size, stack);
}

uint32
ArenaContextStack(const ArenaSet *set)
{
	if ((set->arena.careful & (GA_CAREFUL_STACK | GA_CAREFUL_WATCH)) == 0)
		return 0;
	return StackStoreTake();
}

/*
 * ArenaContextAllocSlow
 *		This is also where maintenance is done, and where memory can be used up: then it tries again
 *		as long as that may help.
 */
pg_noinline void *
ArenaContextAllocSlow(ArenaSet *set, Size size, uint32 stack)
{
	ga_arena *arena = &set->arena;
	void *object;

	set->ident = set->context->ident;
	ProcessHeapNoteStatement();
	if (unlikely(ProcessHeapWantsAttention()))
		process_heap_callbacks->maintain();

	refusal.crossed = NO_LIMIT_CROSSED;
	for (int tries = 0;; tries++)
	{
		object = unlikely(arena->careful != 0) ? ga_arena_alloc_careful(arena, size, stack)
											   : ga_arena_alloc_slow(arena, size);
		if (likely(object != NULL) || !ArenaContextMayTryAgain(set, size, tries))
			break;
	}
	ProcessHeapWatch();
	if (unlikely(size >= LARGE_ARENA))
		process_heap_callbacks->moved();
	return object;
}

/*
 * arena_describe_pointer
 *		Write into a text what a pointer points at.  Allocates nothing, since this may be a critical
 *		section.
 */
static void
arena_describe_pointer(char *text, size_t size, MemoryContext context, const void *pointer)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, (uintptr_t) pointer);
	int length;

	if (chunk == NULL)
	{
		strlcpy(text, "It does not point into memory of any arena.", size);
		return;
	}
	length = snprintf(text, size,
					  "It points %zu bytes into a chunk of %zu bytes that is %s and was last used "
					  "by arena " UINT64_FORMAT,
					  (Size) ((uintptr_t) pointer - chunk->base), chunk->size,
					  ga_state_name(chunk->state), chunk->arena_id);
	if (context != NULL)
		length += snprintf(text + length, size - length, "; the context is arena " UINT64_FORMAT,
						   ArenaSetOfContext(context)->arena.id);
	strlcpy(text + length, ".", size - length);
}

static void
arena_describe_freed(char *text, size_t size, const void *object)
{
	if ((*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_DEAD)
		snprintf(text, size, "The object has %zu bytes.", ga_object_size(object));
	else
		strlcpy(text, "Its memory is free.", size);
}

/*
 * ArenaContextReportBadPointer
 *		Only the log has addresses.  A report is made before the error is raised, since the caller
 *		may catch the error and nobody see it.
 */
void
ArenaContextReportBadPointer(MemoryContext context, const void *pointer, ga_free_result result)
{
	int level = CritSectionCount > 0 || proc_exit_inprogress ? WARNING : ERROR;
	char detail[300];
	char name[CONTEXT_NAME_LENGTH] = "";
	BadPointer bad;

	if (context != NULL)
		(void) ForeignNameCopy(name, context->name, sizeof(name));
	if (result == GA_FREE_DOUBLE)
		arena_describe_freed(detail, sizeof(detail), pointer);
	else
		arena_describe_pointer(detail, sizeof(detail), context, pointer);
	bad = (BadPointer){context == NULL ? NULL : name, pointer, result, detail, level == ERROR};
	process_heap_callbacks->bad_pointer(&bad);
	ereport(
		level,
		(errcode(result == GA_FREE_NOSCAN ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_INTERNAL_ERROR),
		 result == GA_FREE_NOSCAN
			 ? errmsg("memory without pointers in memory context \"%s\" cannot be freed or "
					  "resized by itself",
					  name)
		 : result == GA_FREE_DOUBLE
			 ? errmsg("an object in memory context \"%s\" is freed twice", name)
		 : context != NULL ? errmsg("a pointer is not an object of memory context \"%s\"", name)
						   : errmsg("a pointer is not an object of any memory context"),
		 errdetail_internal("%s", detail), errdetail_log("Address %p: %s", pointer, detail),
		 result == GA_FREE_NOSCAN
			 ? errhint("It has no header, and is freed when its context is reset or deleted.")
			 : 0));
}

/*
 * arena_keeps_object
 *		In an arena with finalizers, must an object that is to be freed stay?  So it is in a
 *		critical section, where no finalizer is called.  Checks the depth of the stack, since
 *		finalizers may free one another's objects.
 */
static pg_noinline bool
arena_keeps_object(const ArenaSet *set, const void *pointer)
{
	if (CritSectionCount > 0)
		return ga_special_find(&set->arena, pointer, GA_SPECIAL_FINALIZER) != NULL;
	if (set->arena.specials->ended.count > 0)
		check_stack_depth();
	return false;
}

static pg_noinline void
arena_trace_free(const ArenaSet *set, const void *pointer)
{
	if (ga_arena_check_object(&set->arena, pointer) == GA_FREE_OK)
		arena_trace(set, "free", pointer, ga_object_requested(pointer), ArenaContextStack(set));
}

pg_noinline void
ArenaContextFreeSlow(ArenaSet *set, void *pointer)
{
	ga_free_result result;

	if (unlikely(set->arena.specials != NULL) && arena_keeps_object(set, pointer))
		return;
#ifdef MEMORY_CONTEXT_CHECKING
	if (ga_arena_check_object(&set->arena, pointer) == GA_FREE_OK)
	{
		/* A finalizer must find the object as it was. */
		ga_special_end_object(&set->arena, pointer, GA_FREED_BY_PFREE);
		arena_check_requested(set->context, pointer);
#ifdef CLOBBER_FREED_MEMORY
		wipe_mem(pointer, ga_object_requested(pointer));
		GA_MAKE_UNDEFINED(pointer, ga_object_size(pointer));
#endif
	}
#endif
	StackTraceCaller();
	if (unlikely(arena_is_watched(set)))
		arena_trace_free(set, pointer);
	result = ga_arena_free_slow(&set->arena, pointer);
	StackTraceCallerEnd();
	if (unlikely(result != GA_FREE_OK))
		ArenaContextReportBadPointer(set->context, pointer, result);
}

void *
ArenaContextRealloc(ArenaSet *set, void *pointer, Size size)
{
	ga_free_result result = ga_arena_check_object(&set->arena, pointer);
	uint32 stack = 0;
	void *object;

	if (unlikely(result != GA_FREE_OK))
	{
		ArenaContextReportBadPointer(set->context, pointer, result);
		return NULL;
	}
	arena_check_requested(set->context, pointer);

	ProcessHeapNoteStatement();
	if (unlikely(ProcessHeapWantsAttention()))
		process_heap_callbacks->maintain();
	refusal.crossed = NO_LIMIT_CROSSED;
	for (int tries = 0;; tries++)
	{
		StackTraceCaller();
		if (unlikely(set->arena.careful != 0))
			stack = ArenaContextStack(set);
		object = unlikely(set->arena.careful != 0)
					 ? ga_arena_realloc_careful(&set->arena, pointer, size, stack)
					 : ga_arena_realloc(&set->arena, pointer, size);
		StackTraceCallerEnd();
		if (likely(object != NULL) || !ArenaContextMayTryAgain(set, size, tries))
			break;
	}
	ProcessHeapWatch();
	if (unlikely(size >= LARGE_ARENA))
		process_heap_callbacks->moved();
	if (unlikely(arena_is_watched(set) && object != NULL))
		arena_trace(set, "realloc", object, size, stack);
	return object == NULL ? NULL : ArenaContextMark(object, size);
}

/*
 * arena_reset
 *		Reset the arena.  How the next life treats objects is decided before it begins; whether they
 *		have stacks, only after it is known how the life is quarantined.
 */
static inline void
arena_reset(ArenaSet *set)
{
	ga_arena *arena = &set->arena;

	if (likely((arena->careful | (debug_checks & DEBUG_OF_LIVES)) == 0))
		ga_arena_reset(arena);
	else
	{
		if (arena_is_watched(set))
			arena_trace(set, "reset", NULL, arena->charged, ArenaContextStack(set));
		ga_arena_reset_careful(
			arena, (debug_checks & DEBUG_OF_LIVES) != 0 ? DebugCareful(set->context) : 0);
	}
	if (arena->mode != GA_QUARANTINE_OFF || unlikely(arena->careful != 0) ||
		unlikely(set->methods.alloc != arena_context_methods.alloc))
		arena_set_choose_alloc(set);
}

/*
 * arena_note_foreign
 *		Count the memory that AllocSet has in the context, which is about to go.
 */
static pg_noinline void
arena_note_foreign(const ArenaSet *set, bool listed)
{
	Size bytes = ArenaSetElsewhere(set);

	if (bytes >= LEAVING_MUCH)
		LeavingNoteBytes(bytes, listed);
}

void
ArenaContextReset(MemoryContext context)
{
	ArenaSet *set = ArenaSetOfContext(context);
	bool large = set->arena.charged >= LARGE_ARENA;

#ifdef MEMORY_CONTEXT_CHECKING
	ArenaContextCheck(context);
#endif
	GA_PROBE3(arena__reset, set->arena.id, context->name, set->arena.charged);
	if (unlikely(set->foreign))
		arena_note_foreign(set, true);
	if (set->site != NULL)
		ContextSiteNoteLife(set->site, context->mem_allocated);
	StackTraceCaller();
	arena_reset(set);
	StackTraceCallerEnd();
	if (unlikely(set->foreign))
		set->origin->reset(context);
	if (unlikely(large))
		process_heap_callbacks->moved();
	if (set->site != NULL && ContextSiteIsSmall(set->site) &&
		set->arena.mode == GA_QUARANTINE_OFF && set->arena.careful == 0)
	{
		context->methods = &set->site->methods;
		arena_set_end(set);
	}
}

/*
 * ArenaContextDelete
 *		The arena ends, and AllocSet deletes what it believes is its own.
 */
void
ArenaContextDelete(MemoryContext context)
{
	ArenaSet *set = ArenaSetOfContext(context);
	const MemoryContextMethods *origin = set->origin;
	bool waits = set->arena.mode != GA_QUARANTINE_OFF && !set->foreign;
	uint64 id = set->arena.id;

#ifdef MEMORY_CONTEXT_CHECKING
	ArenaContextCheck(context);
#endif
	GA_PROBE3(arena__delete, set->arena.id, context->name, set->arena.charged);
	if (unlikely(set->foreign))
		arena_note_foreign(set, false);
	if (set->site != NULL)
		ContextSiteNoteLife(set->site, context->mem_allocated);
	StackTraceCaller();
	if (unlikely(arena_is_watched(set)))
		arena_trace(set, "delete", NULL, set->arena.charged, ArenaContextStack(set));
	context->methods = origin;
	if (!set->foreign)
		context->isReset = true;
	arena_set_end(set);
	StackTraceCallerEnd();
	if (unlikely(waits))
		DeletedContextsAdd(context, id, process_heap.freed_note);
	else
		origin->delete_context(context);
	if (unlikely(ProcessHeapShrunk()))
		process_heap_callbacks->moved();
}

void
ArenaContextsTrim(void)
{
	ga_arena *arena;

	while ((arena = ga_arena_unpark(&process_heap)) != NULL)
		ga_fixed_free(&arena_sets, ArenaSetOf(arena));
	ga_heap_trim_arenas(&process_heap);
}

/*
 * ArenaContextSpaceOf
 *		For large objects, what they are rounded up by does not count: tuplesort.c relies on them
 *		having the same overhead whatever their size.
 */
Size
ArenaContextSpaceOf(const void *pointer)
{
	Size size = ga_object_size(pointer);

	if (size > GA_SMALL_MAX)
		size = MAXALIGN(ga_object_requested(pointer));
	return size + CHUNK_OVERHEAD;
}

bool
ArenaContextIsEmpty(MemoryContext context)
{
	return context->isReset;
}

/*
 * ArenaContextStats
 *		Total is what the context is charged for, and free is what of that objects do not use.
 *		Blocks are AllocSet's first one, and the arena's chunks and spans.
 */
void
ArenaContextStats(MemoryContext context, MemoryStatsPrintFunc printfunc, void *passthru,
				  MemoryContextCounters *totals, bool print_to_stderr)
{
	ArenaSet *set = ArenaSetOfContext(context);
	MemoryContextCounters counters = {0};
	ga_arena_usage usage;
	Size used;

	if (set->foreign)
		set->origin->stats(context, NULL, NULL, &counters, false);
	else
		counters.nblocks = 1;
	ga_arena_get_usage(&set->arena, &usage);

	used = usage.used_bytes + (counters.totalspace - counters.freespace);
	counters.nblocks += usage.chunks;
	counters.freechunks += usage.free_objects;
	counters.totalspace = context->mem_allocated;
	counters.freespace = counters.totalspace - Min(used, counters.totalspace);

	if (printfunc)
	{
		char text[200];

		snprintf(text, sizeof(text), "%zu total in %zu blocks; %zu free (%zu chunks); %zu used",
				 counters.totalspace, counters.nblocks, counters.freespace, counters.freechunks,
				 counters.totalspace - counters.freespace);
		printfunc(context, passthru, text, print_to_stderr);
	}
	if (totals)
	{
		totals->nblocks += counters.nblocks;
		totals->freechunks += counters.freechunks;
		totals->totalspace += counters.totalspace;
		totals->freespace += counters.freespace;
	}
}

#ifdef MEMORY_CONTEXT_CHECKING
static void
arena_check_visited(void *object, void *context)
{
	arena_check_requested((MemoryContext) context, object);
}

/*
 * ArenaContextCheck
 *		Problems are warnings, as in AllocSetCheck: an error would call this
 *		again when its memory is released.
 */
void
ArenaContextCheck(MemoryContext context)
{
	ga_arena_walk(&ArenaSetOfContext(context)->arena, arena_check_visited, context);
}
#endif
