/*-------------------------------------------------------------------------
 *
 * delay.c
 *	  See delay.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "delay.h"

/*
 * delay_describe
 *		Fill an event with what is known of an object, which has a position in the queue, or -1.
 */
static void
delay_describe(const ga_arena *arena, const void *object, ptrdiff_t position, ga_event *event)
{
	event->arena_id = arena->id;
	event->object = (uintptr_t) object;
	event->size = position >= 0 ? ga_object_requested(object) : ga_object_size_any(object);
	if (position >= 0)
	{
		event->freed = arena->delay->ring[position].freed;
		event->allocated = arena->delay->ring[position].allocated;
	}
}

/*
 * delay_tell
 *		Add an event for an object of which a word is no longer poison, and fill the object again,
 *		so that there is only one event for it.
 */
static GA_NOINLINE void
delay_tell(const ga_arena *arena, size_t position, const uint64_t *changed)
{
	void *object = arena->delay->ring[position].object;
	ga_event event = {
		.kind = GA_EVENT_WRITE_AFTER_FREE,
		.offset = (uintptr_t) changed - (uintptr_t) object,
		.value = *changed,
	};

	delay_describe(arena, object, (ptrdiff_t) position, &event);
	ga_heap_add_event(arena->heap, &event);
	ga_delay_poison(arena, object, ga_object_size(object));
}

/*
 * delay_check_poison
 *		See whether an object is still as it was filled.
 */
GA_INLINE void
delay_check_poison(const ga_arena *arena, size_t position)
{
	void *object = arena->delay->ring[position].object;
	size_t size = ga_object_size(object);
	const uint64_t *changed;

	GA_MAKE_DEFINED(object, size);
	changed = ga_poison_changed(object, ga_delay_poisoned_size(arena, size));
	if (GA_UNLIKELY(changed != NULL))
		delay_tell(arena, position, changed);
	GA_MAKE_NOACCESS(object, size);
}

ga_delay *
ga_delay_begin(ga_arena *arena)
{
	ga_delay *delay = ga_fixed_alloc(&arena->heap->delays);

	if (delay != NULL)
		delay->first = delay->count = 0;
	arena->delay = delay;
	return delay;
}

void *
ga_delay_take_oldest(ga_arena *arena)
{
	ga_delay *delay = arena->delay;
	void *object = delay->ring[delay->first].object;

	delay_check_poison(arena, delay->first);
	delay->first = (delay->first + 1) % GA_DELAY_OBJECTS;
	delay->count--;
	arena->delayed_bytes -= ga_object_size(object) + GA_HEADER_SIZE;
	return object;
}

/*
 * delay_position_of
 *		Find the position of an object in the queue, or -1.
 */
static ptrdiff_t
delay_position_of(const ga_delay *delay, const void *object)
{
	for (size_t i = 0; delay != NULL && i < delay->count; i++)
	{
		size_t position = (delay->first + i) % GA_DELAY_OBJECTS;

		if (delay->ring[position].object == object)
			return (ptrdiff_t) position;
	}
	return -1;
}

bool
ga_delay_find(const ga_heap *heap, uintptr_t address, ga_event *found)
{
	const ga_chunk *chunk = ga_heap_lookup(heap, address);
	const ga_arena *arena;
	const void *object;

	if (chunk == NULL || (chunk->state != GA_ACTIVE && chunk->state != GA_FULL) || chunk->large)
		return false;
	arena = chunk->arena;
	if (arena->mode == GA_QUARANTINE_OFF)
		return false;
	object = ga_object_at(chunk->start, chunk == arena->active ? arena->ptr : chunk->used, address);
	if (object == NULL || (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_LIVE)
		return false;
	*found = (ga_event){.offset = address - (uintptr_t) object};
	delay_describe(arena, object, delay_position_of(arena->delay, object), found);
	return true;
}

void
ga_delay_check(ga_arena *arena)
{
	const ga_delay *delay = arena->delay;

	for (size_t i = 0; delay != NULL && i < delay->count; i++)
		delay_check_poison(arena, (delay->first + i) % GA_DELAY_OBJECTS);
}

void
ga_delay_clear(ga_arena *arena)
{
	if (arena->delay == NULL)
		return;
	ga_delay_check(arena);
	ga_fixed_free(&arena->heap->delays, arena->delay);
	arena->delay = NULL;
	arena->delayed_bytes = 0;
}
