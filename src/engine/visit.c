/*-------------------------------------------------------------------------
 *
 * visit.c
 *	  See visit.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "visit.h"
#include "type_map.h"

/* Within a chunk, ask the visitor after this many objects whether to go on. */
#define OBJECTS_AT_A_TIME 1024

/*
 * visit_state_of
 *		Read the state of an object from its header.  False if there is no such state.
 */
static bool
visit_state_of(uint64_t header, ga_object_state *state)
{
	switch (header & GA_HDR_STATE_MASK)
	{
		case GA_HDR_LIVE:
			*state = GA_OBJECT_LIVE;
			return true;
		case GA_HDR_FREE:
			*state = GA_OBJECT_FREE;
			return true;
		case GA_HDR_DEAD:
			*state = GA_OBJECT_DELAYED;
			return true;
	}
	return false;
}

/*
 * visit_type_of
 *		The type of an object with a header.
 */
static const ga_type *
visit_type_of(const ga_heap *heap, const ga_chunk *chunk, uintptr_t object)
{
	if (!chunk->typed || ga_type_map_start(heap, object, chunk->start, false) != object)
		return NULL;
	return ga_type_map_type(heap, object);
}

/*
 * visit_front
 *		Visit the objects with headers of a chunk.  False if the rest is not wanted.
 */
static bool
visit_front(const ga_heap *heap, ga_visitor *visitor, const ga_chunk *chunk)
{
	uintptr_t end = ga_bump_of(chunk->arena, chunk);
	uintptr_t at = chunk->start;

	for (size_t count = 1; at < end; count++)
	{
		void *object = (void *) (at + GA_HEADER_SIZE);
		ga_visited_object seen = {.address = (uintptr_t) object, .arena_id = chunk->arena->id};
		size_t size;

		if (end - at <= GA_HEADER_SIZE || !visit_state_of(ga_word_before(object), &seen.state) ||
			(size = ga_object_size_any(object)) == 0 || size > end - seen.address)
		{
			visitor->damaged++;
			return true;
		}
		seen.size = size;
		if (seen.state == GA_OBJECT_LIVE)
		{
			seen.size = ga_object_requested(object);
			seen.type = visit_type_of(heap, chunk, seen.address);
		}
		visitor->object(visitor, &seen);
		if (count % OBJECTS_AT_A_TIME == 0 && visitor->stopped(visitor))
			return false;
		at = seen.address + size;
	}
	return true;
}

/*
 * visit_back
 *		Visit the objects at the back of a chunk.  Where no object begins, there is the word before
 *		one, or a granule that the type map does not know.
 */
static bool
visit_back(const ga_heap *heap, ga_visitor *visitor, const ga_chunk *chunk)
{
	uintptr_t end = chunk->base + chunk->size;
	uintptr_t at = chunk->back;

	for (size_t count = 1; chunk->back != 0 && at < end; count++)
	{
		if (ga_type_map_start(heap, at, at, true) == at)
		{
			ga_visited_object seen = {
				.address = at,
				.size = ga_type_map_end(heap, chunk, at) - at,
				.arena_id = chunk->arena->id,
				.state = GA_OBJECT_LIVE,
				.noscan = true,
			};

			visitor->object(visitor, &seen);
			at += seen.size;
		}
		else
			at += sizeof(uint64_t);
		if (count % OBJECTS_AT_A_TIME == 0 && visitor->stopped(visitor))
			return false;
	}
	return true;
}

static void
visit_span(ga_visitor *visitor, const ga_chunk *chunk)
{
	uintptr_t start = chunk->start + GA_HEADER_SIZE;
	ga_visited_object seen = {
		.address = start,
		.size = chunk->used - start - chunk->freed,
		.arena_id = chunk->arena->id,
		.type = chunk->type,
		.state = GA_OBJECT_LIVE,
	};

	visitor->object(visitor, &seen);
}

/*
 * visit_chunk
 *		Visit a chunk and then its objects.  False if the rest is not wanted.
 */
static bool
visit_chunk(const ga_heap *heap, ga_visitor *visitor, const ga_chunk *chunk)
{
	bool owned = chunk->state == GA_ACTIVE || chunk->state == GA_FULL;
	ga_visited_chunk seen = {
		.base = chunk->base,
		.size = chunk->size,
		.arena_id = chunk->arena_id,
		.state = (ga_chunk_state) chunk->state,
		.large = chunk->large,
	};

	if (owned)
	{
		seen.from = chunk->start;
		seen.to = chunk->back != 0 ? chunk->base + chunk->size : ga_bump_of(chunk->arena, chunk);
	}
	visitor->chunk(visitor, &seen);
	if (visitor->stopped(visitor))
		return false;
	if (!owned)
		return true;
	if (!chunk->large)
		return visit_front(heap, visitor, chunk) && visit_back(heap, visitor, chunk);
	visit_span(visitor, chunk);
	return true;
}

static void
visit_spent(ga_visitor *visitor, uintptr_t base)
{
	ga_visited_chunk seen = {.base = base, .size = GA_SLOT_SIZE, .state = GA_QUARANTINED};

	visitor->chunk(visitor, &seen);
}

void
ga_heap_visit(const ga_heap *heap, ga_visitor *visitor)
{
	visitor->damaged = 0;
	for (const ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		uintptr_t at = segment->base;

		while (at - segment->base < GA_SEGMENT_SIZE)
		{
			const ga_chunk *chunk;

			if ((segment->spent & ga_slot_bit(at)) != 0)
			{
				at = ga_align_down(at, GA_SLOT_SIZE);
				visit_spent(visitor, at);
				at += GA_SLOT_SIZE;
				continue;
			}
			if (((segment->swept | segment->lost) & ga_slot_bit(at)) != 0)
			{
				at = ga_align_down(at, GA_SLOT_SIZE) + GA_SLOT_SIZE;
				continue;
			}
			chunk = ga_segment_next(segment, &at);
			if (chunk == NULL)
				break;
			if (!visit_chunk(heap, visitor, chunk))
				return;
		}
	}
}
