/*-------------------------------------------------------------------------
 *
 * fence.c
 *	  Objects with pages of their own; each ends where access ends.
 *
 * An access behind such an object faults, from the next multiple of 8 bytes on.  So does an access
 * to the object after it was freed.  Each object has a slot of its own: it is a span of a strict
 * arena, but lies at the end of the accessible part of its chunk, not at the beginning.
 *
 *	slot │ unused │ header │ object │ no access …                 │ next slot
 *	     └ accessible: whole pages ─┘
 *
 * An object costs at least a page, a page table, two mappings and four system calls.  So there is a
 * limit for their number.  Objects beyond it are ordinary ones.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "profile.h"
#include "span.h"

/* Bytes of the largest such object: a segment must have room for it and for the fence. */
#define FENCE_MAX (GA_SEGMENT_SIZE / 2)

/*
 * may_fence
 *		May one more object have pages of its own?  Half of the mappings that the heap may use are
 *		for them.  When they are used up, an event says so, once until there are fewer again.
 */
static bool
may_fence(ga_heap *heap)
{
	size_t limit = heap->config.max_mappings / 4;

	if (heap->fencing_stopped)
		limit -= limit / 16;
	if (heap->fenced < limit && ga_heap_may_isolate(heap))
	{
		heap->fencing_stopped = false;
		return true;
	}
	if (!heap->fencing_stopped)
	{
		ga_event event = {.kind = GA_EVENT_FENCE_LIMIT, .size = heap->fenced};

		ga_heap_add_event(heap, &event);
		heap->fencing_stopped = true;
	}
	return false;
}

/*
 * fence_take
 *		Take a chunk of whole slots of which only the first bytes are accessible, and at least a
 *		page behind them is not.  NULL if there is none.
 */
static ga_chunk *
fence_take(ga_heap *heap, size_t bytes)
{
	size_t room = ga_align_up(bytes + heap->os->page_size, GA_SLOT_SIZE);
	ga_chunk *chunk = ga_chunk_take_span(heap, bytes, room);

	if (chunk == NULL)
		return NULL;
	if (chunk->size < room || !ga_chunk_set_accessible(heap, chunk, bytes) ||
		!ga_slot_wrap(heap, chunk))
	{
		ga_chunk_make_ready(heap, chunk);
		return NULL;
	}
	return chunk;
}

void *
ga_fence_alloc(ga_arena *arena, size_t size)
{
	ga_heap *heap = arena->heap;
	size_t rounded;
	size_t bytes;
	ga_chunk *chunk;
	void *object;

	if (size > FENCE_MAX || !may_fence(heap))
		return NULL;
	rounded = ga_align_up(size == 0 ? 1 : size, GA_ALIGN);
	bytes = ga_align_up(rounded + GA_HEADER_SIZE, heap->os->page_size);
	if (!ga_heap_has_room(heap, bytes))
		return NULL;
	chunk = fence_take(heap, bytes);
	if (chunk == NULL)
		return NULL;

	object = (void *) (chunk->base + bytes - rounded);
	chunk->fenced = true;
	chunk->stack = 0;
	heap->fenced++;
	ga_span_adopt(arena, chunk, (uintptr_t) object - GA_HEADER_SIZE, chunk->base + bytes);
	ga_span_begin(arena, chunk, object, rounded, size);
	if (ga_profile_watches(arena))
		ga_profile_count(arena, object, rounded + GA_HEADER_SIZE);
	return object;
}

void *
ga_fence_find(const ga_heap *heap, uintptr_t address)
{
	const ga_chunk *chunk = ga_heap_lookup(heap, address);

	if (chunk == NULL || !chunk->fenced || address < chunk->used)
		return NULL;
	return (void *) (chunk->start + GA_HEADER_SIZE);
}
