/*-------------------------------------------------------------------------
 *
 * typed.c
 *	  See typed.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "careful.h"
#include "charge.h"
#include "profile.h"
#include "span.h"
#include "type_map.h"
#include "typed.h"

/*
 * typed_count_noscan
 *		Count an object without header as one of its size class.
 */
static void
typed_count_noscan(ga_arena *arena, size_t size)
{
	ga_counters *counters = &arena->heap->counters;
	int size_class = ga_class_of(size);

	arena->allocs++;
	counters->classes[size_class].allocs++;
	if (size > GA_SMALL_MAX)
	{
		counters->medium_allocs++;
		counters->medium_bytes += ga_class_size(size_class);
	}
}

/*
 * typed_pages_at_back
 *		How many bytes of pages does the back of a chunk have if it begins at an address, without
 *		those that count as touched already?
 */
static size_t
typed_pages_at_back(const ga_heap *heap, const ga_chunk *chunk, uintptr_t back)
{
	uintptr_t from = ga_align_down(back, heap->os->page_size);

	return ga_min_size(chunk->base + chunk->size - from, chunk->size - chunk->touched);
}

/*
 * typed_fits
 *		Where the back of the active chunk would begin if it had bytes more; 0 if there is no room.
 */
static uintptr_t
typed_fits(const ga_arena *arena, size_t bytes)
{
	const ga_chunk *chunk = arena->active;
	uintptr_t top;

	if (chunk == NULL)
		return 0;
	top = chunk->back == 0 ? chunk->base + chunk->size : chunk->back;
	if (top - arena->soft_end < bytes || ga_align_down(top - bytes, GA_BACK_STEP) < arena->soft_end)
		return 0;
	return top - bytes;
}

/*
 * typed_make_room
 *		Make room for bytes at the back of the active chunk, if need be in another chunk.  Returns
 *		where the back then begins; 0 if memory is used up.
 */
static uintptr_t
typed_make_room(ga_arena *arena, size_t bytes)
{
	ga_heap *heap = arena->heap;
	uintptr_t back = typed_fits(arena, bytes);

	if (back == 0 && arena->active != NULL)
	{
		ga_charge_back(arena);
		back = typed_fits(arena, bytes);
	}
	if (back == 0)
	{
		/* Where the front of the next chunk begins is not known yet, so ask for a step more. */
		if (!ga_heap_has_room(heap, ga_align_up(bytes + 2 * GA_BACK_STEP, heap->os->page_size)) ||
			!ga_arena_refill(arena, bytes + 2 * GA_BACK_STEP))
			return 0;
		return typed_fits(arena, bytes);
	}
	if (!ga_heap_has_room(heap, typed_pages_at_back(heap, arena->active, back) -
									arena->active->back_touched))
		return 0;
	return back;
}

/*
 * typed_take_back
 *		Let the back of the active chunk begin at an address, and charge the arena for it.
 */
static void
typed_take_back(ga_arena *arena, uintptr_t back)
{
	ga_chunk *chunk = arena->active;
	uintptr_t end = ga_align_down(back, GA_BACK_STEP);
	size_t pages = typed_pages_at_back(arena->heap, chunk, back);

	GA_MAKE_UNDEFINED(back, (chunk->back == 0 ? chunk->base + chunk->size : chunk->back) - back);
	chunk->back = back;
	ga_heap_note_touched(arena->heap, pages - chunk->back_touched);
	chunk->back_touched = pages;
	ga_charge(arena, chunk, (ptrdiff_t) (arena->end - end));
	arena->end = end;
	ga_heap_touched(arena->heap);
}

/*
 * typed_alloc_back
 *		Allocate zeroed bytes, a multiple of a word, from the back.  If guard, a word before them
 *		makes goarena refuse a pfree of them.
 */
static void *
typed_alloc_back(ga_arena *arena, size_t bytes, bool guard)
{
	uintptr_t back = typed_make_room(arena, bytes + (guard ? sizeof(uint64_t) : 0));
	uintptr_t start = guard ? back + sizeof(uint64_t) : back;

	if (back == 0 || !ga_type_map_begin(arena, arena->active, start, guard ? back : 0))
		return NULL;
	typed_take_back(arena, back);
	memset((void *) start, 0, bytes);
	if (guard)
		*(uint64_t *) back = GA_OWNER_WORD ? arena->owner : arena->tag;
	return (void *) start;
}

/*
 * typed_alloc_tiny
 *		Allocate an object below GA_TINY bytes, if possible in the unit that the last one began.
 */
static void *
typed_alloc_tiny(ga_arena *arena, size_t size, size_t align)
{
	uintptr_t at = ga_align_up(arena->tiny, align);

	if (arena->tiny == 0 || at + size > arena->tiny_end)
	{
		at = (uintptr_t) typed_alloc_back(arena, GA_TINY, false);
		if (at == 0)
			return NULL;
		arena->tiny_end = at + GA_TINY;
	}
	arena->tiny = at + size;
	return (void *) at;
}

/*
 * typed_alloc_span
 *		Allocate a large object or array.
 */
static void *
typed_alloc_span(ga_arena *arena, const ga_type *type, size_t size)
{
	void *object = ga_span_alloc(arena, size);

	if (object == NULL)
		return NULL;
	memset(object, 0, size);
	ga_heap_lookup(arena->heap, (uintptr_t) object)->type = type;
	return object;
}

/*
 * typed_alloc_noscan
 *		Allocate an object without pointers: a tiny one, one at the back, or a span.
 */
static void *
typed_alloc_noscan(ga_arena *arena, size_t size, size_t align)
{
	bool guard = size >= GA_GUARD_MIN || arena->mode != GA_QUARANTINE_OFF;
	size_t rounded = ga_align_up(size, size < GA_TINY ? align : sizeof(uint64_t));
	void *object = size < GA_TINY ? typed_alloc_tiny(arena, size, align)
								  : typed_alloc_back(arena, rounded, guard);

	if (object == NULL)
		return NULL;
	typed_count_noscan(arena, size);
	if (ga_profile_watches(arena))
	{
		/* What is tiny has no word before it. */
		if (guard && size >= GA_TINY)
			rounded += sizeof(uint64_t);
		ga_profile_count_noscan(arena, object, rounded);
	}
	return object;
}

/*
 * typed_zero
 *		Set an object to zero, in line: most objects are small, and a call would take longer than
 *		the rest of the allocation.
 */
GA_INLINE void
typed_zero(void *object, size_t size)
{
	uint64_t *word = object;

	if (size > 128)
	{
		memset(object, 0, size);
		return;
	}
	for (const uint64_t *end = word + size / sizeof(uint64_t); word < end; word++)
	{
		*word = 0;
		__asm__("" : "+r"(word)); /* keeps the compiler from making this a call */
	}
}

void *
ga_arena_alloc_typed(ga_arena *arena, const ga_type *type, size_t count)
{
	size_t size = type->size * count;
	void *object = count == 1 ? ga_arena_alloc_typed_fast(arena, type) : NULL;

	if (object != NULL)
		return object;
	if (size > arena->heap->large_threshold - ga_arena_room_behind(arena))
		return typed_alloc_span(arena, type, size);
	if (type->pointer_words == 0)
		return typed_alloc_noscan(arena, size, type->align);
	object = ga_arena_alloc_unfenced(arena, size);
	if (object == NULL)
		return NULL;
	if (GA_UNLIKELY(!ga_type_map_set(arena, object, ga_object_size(object), type, count)))
	{
		(void) ga_arena_free(arena, object);
		return NULL;
	}
	typed_zero(object, size);
	return object;
}

/*
 * typed_alloc_fenced
 *		An object with pages of its own; NULL if there may be no more.
 */
static void *
typed_alloc_fenced(ga_arena *arena, const ga_type *type, size_t size)
{
	void *object = ga_fence_alloc(arena, size);

	if (object == NULL)
		return NULL;
	memset(object, 0, size);
	ga_heap_lookup(arena->heap, (uintptr_t) object)->type = type;
	return object;
}

void *
ga_arena_alloc_typed_careful(ga_arena *arena, const ga_type *type, size_t count, uint32_t stack)
{
	void *object = NULL;
	ga_chunk *chunk;

	if ((arena->careful & GA_CAREFUL_FENCE) != 0)
		object = typed_alloc_fenced(arena, type, type->size * count);
	if (object == NULL)
		object = ga_arena_alloc_typed(arena, type, count);
	if (object == NULL)
		return NULL;
	chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);
	if (chunk->large)
		chunk->stack = stack;
	else if ((arena->careful & GA_CAREFUL_STACK) != 0 && type->pointer_words > 0)
		ga_object_put_stack(object, stack);
	return object;
}

void *
ga_arena_resize_typed(ga_arena *arena, void *object, const ga_type *type, size_t count,
					  uint32_t stack)
{
	size_t size = type->size * count;
	size_t old_size = ga_object_requested(object);
	ga_chunk *chunk;

	object = GA_LIKELY(arena->careful == 0) ? ga_arena_realloc(arena, object, size)
											: ga_arena_realloc_careful(arena, object, size, stack);
	if (object == NULL)
		return NULL;
	if (size > old_size)
		memset((char *) object + old_size, 0, size - old_size);
	chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);
	if (chunk->large)
		chunk->type = type;
	else
	{
		/* Without memory for its type the object has none, and sweeps read all of it. */
		size = ga_object_size(object);
		(void) (type->pointer_words > 0 ? ga_type_map_set(arena, object, size, type, count)
										: ga_type_map_set_slow(arena, object, size, type, count));
	}
	return object;
}
