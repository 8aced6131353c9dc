/*-------------------------------------------------------------------------
 *
 * realloc.c
 *	  Changing the size of objects.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "arena.h"
#include "charge.h"
#include "profile.h"
#include "span.h"
#include "special.h"
#include "type_map.h"

/*
 * realloc_last
 *		Let the last object of the active chunk grow or shrink in place.
 */
static bool
realloc_last(ga_arena *arena, void *object, size_t size, size_t rounded)
{
	uintptr_t end = (uintptr_t) object + rounded;

	if (!ga_arena_is_last(arena, object, ga_object_size(object)) || end > arena->end ||
		size > arena->heap->large_threshold || arena->mode == GA_QUARANTINE_STRICT)
		return false;

	/* There may be a pointer to what the object loses. */
	if (end < arena->ptr && arena->mode != GA_QUARANTINE_OFF)
		return false;
	if (end > arena->soft_end && !ga_charge_has_room(arena, end))
		return false;

	if (end > arena->ptr)
	{
		GA_MAKE_UNDEFINED(arena->ptr, end - arena->ptr);
		arena->heap->counters.grown_bytes += end - arena->ptr;
	}
	else
		GA_MAKE_NOACCESS(end, arena->ptr - end);
	arena->ptr = end;
	ga_profile_moved(arena, (uintptr_t) object + ga_object_size(object));
	if (end > arena->soft_end)
	{
		ga_charge_to(arena, end);
		ga_heap_touched(arena->heap);
	}
	else if (arena->soft_end - end > GA_SMALL_MAX)
		ga_charge_back(arena);
	ga_object_set_header(arena, object, GA_HDR_LIVE, rounded, size);
	return true;
}

/*
 * realloc_make_room
 *		Make another chunk the active one if an object that grows to size bytes needs it.  What grew
 *		once is likely to grow again, so the chunk has room for that.  Not in quarantined arenas:
 *		there a move shows who still points to the old place.  Nor for small objects, so that the
 *		chunk stays one that a reset keeps.
 */
static void
realloc_make_room(ga_arena *arena, size_t size)
{
	size_t need = size + GA_HEADER_SIZE;
	int largest = arena->heap->max_order;
	int order = ga_order_of(GA_GROWTH * size);

	if (size <= GA_SMALL_MAX || need <= arena->end - arena->ptr || arena->mode != GA_QUARANTINE_OFF)
		return;
	if (ga_order_of(need) <= GA_HANDON_ORDER && largest > GA_HANDON_ORDER)
		largest = GA_HANDON_ORDER;
	if (order > largest)
		order = largest;
	if (order > arena->next_order)
		arena->next_order = order;
}

/*
 * realloc_change_size
 *		Change the size of an object that is no span.  Results as of ga_arena_realloc.
 */
static void *
realloc_change_size(ga_arena *arena, void *object, size_t size)
{
	size_t old_size = ga_object_size(object);
	size_t rounded;
	void *copy;

	rounded = size > arena->heap->large_threshold ? size : ga_class_round(size);
	if (rounded != old_size && realloc_last(arena, object, size, rounded))
		return object;

	/* It pays to move an object that would be much too large. */
	if (rounded <= old_size && (old_size <= GA_SMALL_MAX || rounded > old_size / 2))
	{
		ga_object_set_header(arena, object, GA_HDR_LIVE, old_size, size);
		return object;
	}

	if (rounded > old_size)
		realloc_make_room(arena, rounded);
	copy = size > arena->heap->large_threshold ? ga_span_alloc_growing(arena, size)
											   : ga_arena_alloc(arena, size);
	if (copy == NULL)
	{
		if (rounded > old_size)
			return NULL;
		ga_object_set_header(arena, object, GA_HDR_LIVE, old_size, size);
		return object;
	}
	memcpy(copy, object, ga_min_size(ga_object_requested(object), size));
	if (GA_UNLIKELY(arena->specials != NULL))
		ga_special_move(arena, object, copy);
	(void) ga_arena_free(arena, object);
	return copy;
}

/*
 * realloc_object
 *		Change the size of any object, without regard to the profile.  Results as of
 *		ga_arena_realloc.
 */
static void *
realloc_object(ga_arena *arena, void *object, size_t size)
{
	const ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);
	void *place;

	if (!chunk->large)
	{
		if (GA_UNLIKELY(chunk->typed))
			ga_type_map_unset(arena->heap, object, ga_object_size(object));
		return realloc_change_size(arena, object, size);
	}
	place = ga_span_realloc(arena, object, size);
	if (GA_UNLIKELY(arena->specials != NULL) && place != NULL && place != object)
		ga_special_move(arena, object, place);
	return place;
}

/*
 * realloc_profiled
 *		Change the size of an object in a profiled arena.  If the size in its header changes, it
 *		counts as freed and allocated again.  If it moves to another small object, the allocation of
 *		that was counted already.
 */
static GA_NOINLINE void *
realloc_profiled(ga_arena *arena, void *object, size_t size)
{
	bool large = ga_heap_lookup(arena->heap, (uintptr_t) object)->large;
	bool sample = ga_object_is_sample(object);
	size_t old_size = ga_object_size(object);
	void *result;

	*ga_object_header(object) &= ~GA_HDR_SAMPLE;
	result = realloc_object(arena, object, size);
	if (result == NULL || (result == object && ga_object_size(object) == old_size))
	{
		if (sample)
			*ga_object_header(object) |= GA_HDR_SAMPLE;
		return result;
	}
	if (sample)
		ga_profile_drop(arena, (uintptr_t) object);
	if (result == object || large || size > arena->heap->large_threshold)
		ga_profile_count(arena, result, ga_object_size(result) + GA_HEADER_SIZE);
	return result;
}

void *
ga_arena_realloc(ga_arena *arena, void *object, size_t size)
{
	return ga_profile_watches(arena) ? realloc_profiled(arena, object, size)
									 : realloc_object(arena, object, size);
}
