/*-------------------------------------------------------------------------
 *
 * careful.c
 *	  See careful.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>

#include "careful.h"
#include "poison.h"
#include "profile.h"
#include "span.h"
#include "special.h"
#include "type_map.h"

void
ga_arena_set_careful(ga_arena *arena, unsigned careful)
{
	arena->careful = careful;
	if ((careful & GA_CAREFUL_FENCE) != 0)
	{
		assert(arena->active == NULL && arena->full.count == 0 && arena->large.count == 0);
		arena->mode = GA_QUARANTINE_STRICT;
	}
	ga_arena_set_window(arena);
}

/*
 * careful_is_span_size
 *		Will an object of size bytes be a span?
 */
static bool
careful_is_span_size(const ga_arena *arena, size_t size)
{
	return size > arena->heap->large_threshold - ga_arena_room_behind(arena);
}

/*
 * careful_note_span
 *		Keep the number of a stack for a new span, unless that is NULL.
 */
static void *
careful_note_span(const ga_arena *arena, void *object, uint32_t stack)
{
	if (object != NULL)
		ga_heap_lookup(arena->heap, (uintptr_t) object)->stack = stack;
	return object;
}

/*
 * careful_alloc_ordinary
 *		Allocate an object without pages of its own.
 */
static void *
careful_alloc_ordinary(ga_arena *arena, size_t size, uint32_t stack)
{
	void *object;

	if (careful_is_span_size(arena, size))
		return careful_note_span(arena, ga_span_alloc(arena, size), stack);
	object = ga_arena_alloc_unfenced(arena, size);
	if (object != NULL && (arena->careful & GA_CAREFUL_STACK) != 0)
		ga_object_put_stack(object, stack);
	return object;
}

void *
ga_arena_alloc_careful(ga_arena *arena, size_t size, uint32_t stack)
{
	void *object = NULL;

	if ((arena->careful & GA_CAREFUL_FENCE) != 0)
		object = ga_fence_alloc(arena, size);
	return object != NULL ? careful_note_span(arena, object, stack)
						  : careful_alloc_ordinary(arena, size, stack);
}

/*
 * careful_fits
 *		Can an object that is no span change its size in its place?  False also if it would be much
 *		too large there: then it pays to move it.
 */
static bool
careful_fits(const ga_arena *arena, const void *object, size_t size)
{
	size_t whole = size + ga_arena_room_behind(arena);
	size_t has = ga_object_size(object);

	return whole <= has && (has <= GA_SMALL_MAX || whole > has / 2);
}

/*
 * careful_clobber_end
 *		Fill with poison what an object has lost at its end.
 */
static void
careful_clobber_end(void *object, size_t size, size_t old_size)
{
	size_t from = ga_align_up(size, sizeof(uint64_t));
	size_t to = ga_align_down(old_size, sizeof(uint64_t));

	if (from < to)
		ga_poison_fill((char *) object + from, to - from);
}

/*
 * careful_resize
 *		Change the size of an object in its place.
 */
static void *
careful_resize(ga_arena *arena, void *object, size_t size, uint32_t stack)
{
	size_t old_size = ga_object_requested(object);
	uint64_t sample = *ga_object_header(object) & GA_HDR_SAMPLE;

	if ((arena->careful & GA_CAREFUL_CLOBBER) != 0)
		careful_clobber_end(object, size, old_size);
	ga_object_set_header(arena, object, GA_HDR_LIVE, ga_object_size(object), size);
	*ga_object_header(object) |= sample;
	if ((arena->careful & GA_CAREFUL_STACK) != 0)
		ga_object_put_stack(object, stack);
	return object;
}

/*
 * careful_resize_span
 *		Change the size of a span that stays one.
 */
static void *
careful_resize_span(ga_arena *arena, void *object, size_t size, uint32_t stack)
{
	size_t old_size = ga_object_requested(object);
	size_t had = ga_object_size(object);
	uint64_t sample = *ga_object_header(object) & GA_HDR_SAMPLE;
	void *place;

	/* The span may give its last bytes back with their page. */
	if ((arena->careful & GA_CAREFUL_CLOBBER) != 0 && size < old_size)
		careful_clobber_end(object, size, old_size);
	*ga_object_header(object) &= ~GA_HDR_SAMPLE;
	place = ga_span_realloc(arena, object, size);
	if (place == NULL || (place == object && ga_object_size(object) == had))
		*ga_object_header(object) |= sample;
	else
	{
		if (sample != 0)
			ga_profile_drop(arena, (uintptr_t) object);
		if (ga_profile_watches(arena))
			ga_profile_count(arena, place, ga_object_size(place) + GA_HEADER_SIZE);
	}
	if (GA_UNLIKELY(arena->specials != NULL) && place != NULL && place != object)
		ga_special_move(arena, object, place);
	return place == NULL ? NULL : careful_note_span(arena, place, stack);
}

void *
ga_arena_realloc_careful(ga_arena *arena, void *object, size_t size, uint32_t stack)
{
	const ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);
	size_t old_size = ga_object_requested(object);
	void *copy;

	if (GA_UNLIKELY(chunk->typed))
		ga_type_map_unset(arena->heap, object, ga_object_size(object));
	if (!chunk->large && careful_fits(arena, object, size))
		return careful_resize(arena, object, size, stack);
	if (chunk->large && !chunk->fenced && careful_is_span_size(arena, size))
		return careful_resize_span(arena, object, size, stack);

	copy = chunk->fenced ? ga_arena_alloc_careful(arena, size, stack)
						 : careful_alloc_ordinary(arena, size, stack);
	if (copy == NULL)
		return size <= old_size ? object : NULL;
	memcpy(copy, object, ga_min_size(old_size, size));
	if (GA_UNLIKELY(arena->specials != NULL))
		ga_special_move(arena, object, copy);
	(void) ga_arena_free(arena, object);
	return copy;
}

uint32_t
ga_arena_stack_of(const ga_arena *arena, const void *object)
{
	const ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);

	if (chunk->large)
		return chunk->stack;
	return (arena->careful & GA_CAREFUL_STACK) != 0 ? ga_object_stack(object) : 0;
}
