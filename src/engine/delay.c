/*-------------------------------------------------------------------------
 *
 * delay.c
 *	  See delay.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "delay.h"

static void
poison(void *object, size_t size)
{
	uint64_t *words = object;

	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		words[i] = GA_POISON;
	GA_MAKE_NOACCESS(object, size);
}

/*
 * check_poison
 *		Leave an event if a word of the object is not as poison() left it.
 */
static void
check_poison(const ga_arena *arena, void *object)
{
	size_t size = ga_object_size(object);
	const uint64_t *words = object;

	GA_MAKE_DEFINED(object, size);
	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
	{
		if (GA_UNLIKELY(words[i] != GA_POISON))
		{
			ga_event event = {
				.kind = GA_EVENT_WRITE_AFTER_FREE,
				.arena_id = arena->id,
				.object = (uintptr_t) object,
				.size = ga_object_requested(object),
				.offset = i * sizeof(uint64_t),
				.value = words[i],
			};

			ga_heap_add_event(arena->heap, &event);
			break;
		}
	}
	GA_MAKE_NOACCESS(object, size);
}

bool
ga_delay_push(ga_arena *arena, void *object)
{
	ga_delay *delay = arena->delay;
	size_t size = ga_object_size(object);

	poison(object, size);
	if (delay == NULL)
	{
		delay = ga_fixed_alloc(&arena->heap->delays);
		if (delay == NULL)
			return false;
		delay->first = delay->count = 0;
		arena->delay = delay;
	}

	*ga_object_header(object) |= GA_HDR_DELAYED;
	delay->objects[(delay->first + delay->count) % GA_DELAY_OBJECTS] = object;
	delay->count++;
	arena->delayed_bytes += size + GA_HEADER_SIZE;
	return true;
}

/*
 * take_oldest
 *		Take the oldest object out and check it.
 */
static void *
take_oldest(ga_arena *arena)
{
	ga_delay *delay = arena->delay;
	void *object = delay->objects[delay->first];

	delay->first = (delay->first + 1) % GA_DELAY_OBJECTS;
	delay->count--;
	arena->delayed_bytes -= ga_object_size(object) + GA_HEADER_SIZE;
	check_poison(arena, object);
	return object;
}

void *
ga_delay_pop(ga_arena *arena)
{
	ga_delay *delay = arena->delay;

	/* Room for one more must remain. */
	if (delay->count == GA_DELAY_OBJECTS ||
		(delay->count > 1 && arena->delayed_bytes > GA_DELAY_BYTES))
		return take_oldest(arena);
	return NULL;
}

void
ga_delay_clear(ga_arena *arena)
{
	if (arena->delay == NULL)
		return;
	while (arena->delay->count > 0)
		(void) take_oldest(arena);
	ga_fixed_free(&arena->heap->delays, arena->delay);
	arena->delay = NULL;
}
