/*-------------------------------------------------------------------------
 *
 * typed_context.c
 *	  See typed_context.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/type_map.h"
#include "engine/typed.h"
#include "mcxt/arena_context.h"
#include "mcxt/chunk_format.h"
#include "mcxt/finalizer.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"
#include "mcxt/typed_context.h"
#include "mcxt/zero_base.h"

/*
 * typed_raise
 *		Raise the error that there is no memory for size bytes in an arena.
 */
static pg_noinline void
typed_raise(MemoryContext context, Size size)
{
#if GA_OWNER_WORD
	if (refusal.crossed != NO_LIMIT_CROSSED)
		process_heap_callbacks->raise_refusal(context, size);
	MemoryContextStats(TopMemoryContext);
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
					errdetail("Failed on request of size %zu in memory context \"%s\".", size,
							  context->name)));
#else
	(void) ChunkFormatFailure(context, size, 0);
#endif
}

/*
 * typed_has_stray_bits
 *		Does the bitmap have a bit for a word that lies behind the end?
 */
static bool
typed_has_stray_bits(const uint64 *pointers, Size words)
{
	return words % 64 != 0 && pointers[words / 64] >> words % 64 != 0;
}

const ga_type *
TypedContextType(const char *name, Size size, Size align, const uint64 *pointers)
{
	Size words = pointers == NULL ? 0 : size / sizeof(uint64);
	const ga_type *type;

	if (size == 0 || size > MaxAllocSize || align == 0 || align > MAXIMUM_ALIGNOF ||
		(align & (align - 1)) != 0 || size % align != 0 ||
		(words > 0 && (align != sizeof(uint64) || typed_has_stray_bits(pointers, words))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type \"%s\" cannot have size %zu and alignment %zu", name, size, align)));
	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("types cannot be made in the postmaster"),
						errhint("Make them when a session first needs them.")));
	if (!process_heap_ready || goarena_settings_changed)
		ProcessHeapPrepare();
	type = ga_type_get(&process_heap, name, size, align, pointers, words);
	if (type == NULL && ga_type_count(&process_heap) == GA_MAX_TYPES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("there are too many types"),
						errdetail("A process can have %d.", GA_MAX_TYPES),
						errhint("Types live as long as the process; they are to be made once.")));
	if (type == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while making type \"%s\".", name)));
	return type;
}

/*
 * typed_size
 *		Calculate the bytes of an array, or raise an error.
 */
static Size
typed_size(const ga_type *type, Size count)
{
	Size size;

	if (unlikely(__builtin_mul_overflow(type->size, count, &size) || size > MaxAllocHugeSize))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("array size exceeds the maximum allowed"),
						errdetail("%zu objects of %zu bytes were asked for.", count, type->size)));
	return size;
}

/*
 * typed_try
 *		Allocate a new array, or change the size of one that has a header.  stack is for arenas
 *		that are careful.
 */
static inline void *
typed_try(ArenaSet *set, void *pointer, const ga_type *type, Size count, uint32 stack)
{
	if (pointer != NULL)
		return ga_arena_resize_typed(&set->arena, pointer, type, count, stack);
	return likely(set->arena.careful == 0)
			   ? ga_arena_alloc_typed(&set->arena, type, count)
			   : ga_arena_alloc_typed_careful(&set->arena, type, count, stack);
}

/*
 * typed_slow
 *		Finish an allocation that took memory for the first time, or found none: do the maintenance
 *		that any slow allocation does, and try again if need be. object is the result of the first
 *		try.
 */
static pg_noinline void *
typed_slow(ArenaSet *set, void *object, void *pointer, const ga_type *type, Size count,
		   uint32 stack)
{
	Size size = type->size * count;

	set->ident = set->context->ident;
	ProcessHeapNoteStatement();
	if (unlikely(ProcessHeapWantsAttention()))
		process_heap_callbacks->maintain();
	refusal.crossed = NO_LIMIT_CROSSED;
	for (int tries = 0; object == NULL; tries++)
	{
		object = typed_try(set, pointer, type, count, stack);
		if (object == NULL && !ArenaContextMayTryAgain(set, size, tries))
			break;
	}
	ProcessHeapWatch();
	if (size >= LARGE_ARENA)
		process_heap_callbacks->moved();
	if (object == NULL)
		typed_raise(set->context, size);
	return object;
}

/*
 * typed_in_arena
 *		Allocate or resize in an arena.  If the charge has changed, the allocation took memory for
 *		the first time: then typed_slow finishes it.
 */
static inline void *
typed_in_arena(ArenaSet *set, void *pointer, const ga_type *type, Size count, uint32 stack)
{
	Size in_use = process_heap.in_use;
	void *object = typed_try(set, pointer, type, count, stack);

	if (unlikely(object == NULL || process_heap.in_use != in_use))
		object = typed_slow(set, object, pointer, type, count, stack);
	return object;
}

/*
 * typed_careful
 *		As typed_in_arena, in an arena that is careful.  caller is the place that called the function
 *		of the interface.
 */
static pg_noinline void *
typed_careful(ArenaSet *set, void *pointer, const ga_type *type, Size count, const ga_place *caller)
{
	uint32 stack;
	void *object;

	stack_trace_caller = *caller;
	stack = ArenaContextStack(set);
	StackTraceCallerEnd();
	object = typed_in_arena(set, pointer, type, count, stack);
	ArenaContextTrace(set, pointer == NULL ? "alloc" : "realloc", object, type->size * count,
					  stack);
	return object;
}

/*
 * typed_general
 *		Allocate any array in any context.  caller is as for typed_careful, by value so that who
 *		calls this needs no guard of its stack.
 */
static pg_noinline void *
typed_general(MemoryContext context, const ga_type *type, Size count, ga_place caller)
{
	Size size = typed_size(type, count);
	ArenaSet *set;

	if (unlikely(size == 0))
		return ZeroBase();
	if (unlikely(!ContextIsArena(context) || type->id == 0))
		return MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	set = ArenaSetOfContext(context);
	context->isReset = false;
	return unlikely(set->arena.careful != 0) ? typed_careful(set, NULL, type, count, &caller)
											 : typed_in_arena(set, NULL, type, count, 0);
}

void *
TypedContextAlloc(MemoryContext context, const ga_type *type, Size count)
{
	if (likely(count == 1 && ContextIsPlainArena(context) && type->id != 0))
	{
		void *object = ga_arena_alloc_typed_fast(&ArenaSetOfContext(context)->arena, type);

		if (likely(object != NULL))
		{
			context->isReset = false;
			return object;
		}
	}
	return typed_general(context, type, count, STACK_TRACE_CALLER());
}

void *
TypedContextAllocNoscan(MemoryContext context, Size size)
{
	static const ga_type *bytes = NULL;

	if (!ContextIsArena(context))
		return MemoryContextAllocHuge(context, size);
	if (bytes == NULL)
		bytes = TypedContextType("bytes", 1, 1, NULL);
	return TypedContextAlloc(context, bytes, size);
}

/*
 * typed_resize_elsewhere
 *		Change the size of an array that palloc has made.
 */
static void *
typed_resize_elsewhere(void *pointer, Size old_size, Size size)
{
	pointer = repalloc_huge(pointer, size);
	if (size > old_size)
		memset((char *) pointer + old_size, 0, size - old_size);
	return pointer;
}

void *
TypedContextResize(MemoryContext context, void *pointer, const ga_type *type, Size old_count,
				   Size count)
{
	Size old_size = typed_size(type, old_count);
	Size size = typed_size(type, count);
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, (uintptr_t) pointer);
	void *copy;

	if (pointer == NULL || pointer == ZeroBase())
		return TypedContextAlloc(context, type, count);
	if (size == 0)
	{
		if (TypedContextCanFree(pointer))
			TypedContextFree(pointer);
		return ZeroBase();
	}
	if (!ContextIsArena(context) || type->id == 0 || chunk == NULL)
		return typed_resize_elsewhere(pointer, old_size, size);
	if (!ga_chunk_in_back(chunk, (uintptr_t) pointer))
	{
		const ga_place caller = STACK_TRACE_CALLER();
		ArenaSet *set = ArenaSetOfContext(context);
		ga_free_result result = ga_arena_check_object(&set->arena, pointer);

		if (result != GA_FREE_OK)
			ArenaContextReportBadPointer(context, pointer, result);
		return unlikely(set->arena.careful != 0) ? typed_careful(set, pointer, type, count, &caller)
												 : typed_in_arena(set, pointer, type, count, 0);
	}

	if (chunk->arena != &ArenaSetOfContext(context)->arena)
		ArenaContextReportBadPointer(context, pointer, GA_FREE_WILD);

	/* An array without a header keeps its place until the arena is reset. */
	if (size <= old_size)
		return pointer;
	copy = TypedContextAlloc(context, type, count);
	memcpy(copy, pointer, old_size);
	return copy;
}

/*
 * TypedContextCanFree
 *		In an arena only objects with a header can be freed by themselves.
 */
bool
TypedContextCanFree(const void *pointer)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, (uintptr_t) pointer);

	return pointer != ZeroBase() &&
		   (chunk == NULL || !ga_chunk_in_back(chunk, (uintptr_t) pointer));
}

void
TypedContextFree(void *pointer)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, (uintptr_t) pointer);

	if (pointer == ZeroBase())
		return;
	if (chunk != NULL && ga_chunk_in_back(chunk, (uintptr_t) pointer))
		ArenaContextReportBadPointer(ArenaSetOf(chunk->arena)->context, pointer, GA_FREE_NOSCAN);
	else
		FinalizerFree(pointer);
}
