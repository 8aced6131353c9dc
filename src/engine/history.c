/*-------------------------------------------------------------------------
 *
 * history.c
 *	  What was freed: a ring of address ranges, with who freed them.
 *
 * No address is used twice between two sweeps, so the newest record that has an address is the
 * right one.  The search goes through all records from the newest on.  It may be slow: a process
 * does it once, and then ends.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "heap.h"

/*
 * history_next
 *		The next record, for memory that is given up now; NULL if there is none.
 */
GA_INLINE ga_freed *
history_next(ga_heap *heap, uintptr_t from, uintptr_t to, uint64_t arena_id)
{
	ga_history *history = &heap->history;
	ga_freed *next;

	if (from == to || heap->config.history == 0)
		return NULL;
	if (GA_UNLIKELY(history->records == NULL))
	{
		size_t room = ga_min_size(heap->config.history, GA_REGION_SIZE / sizeof(ga_freed));

		history->records = ga_persistent_alloc(&heap->metadata, room * sizeof(ga_freed));
		if (history->records == NULL)
			return NULL;
		history->room = room;
	}
	next = &history->records[history->count++ % history->room];
	*next = (ga_freed){.from = from, .to = to, .arena_id = arena_id, .note = heap->freed_note};
	return next;
}

void
ga_history_add(const ga_arena *arena, uintptr_t from, uintptr_t to)
{
	ga_freed *freed = history_next(arena->heap, from, to, arena->id);

	if (freed != NULL)
		freed->stacked = (arena->careful & GA_CAREFUL_STACK) != 0;
}

void
ga_history_add_chunk(ga_heap *heap, const ga_chunk *chunk)
{
	ga_freed *freed = history_next(heap, chunk->start, chunk->used, chunk->arena_id);

	if (freed == NULL)
		return;
	freed->stacked = (chunk->arena->careful & GA_CAREFUL_STACK) != 0;
	if (chunk->large)
	{
		freed->large = true;
		freed->stack = chunk->stack;
		freed->slack = chunk->freed;
	}
}

void
ga_history_add_back(ga_heap *heap, const ga_chunk *chunk)
{
	ga_freed *freed = chunk->back == 0 ? NULL
									   : history_next(heap, chunk->back, chunk->base + chunk->size,
													  chunk->arena_id);

	if (freed != NULL)
		freed->noscan = true;
}

/*
 * history_find
 *		Find the newest record that has an address, or NULL.
 */
static const ga_freed *
history_find(const ga_history *history, uintptr_t address)
{
	for (uint64_t i = history->count; i > 0 && i + history->room > history->count; i--)
	{
		const ga_freed *freed = &history->records[(i - 1) % history->room];

		if (address - freed->from < freed->to - freed->from)
			return freed;
	}
	return NULL;
}

/*
 * history_find_in
 *		Did one of the READY frames on a list come from an address?  If so, says in *place where it
 *		is now.
 */
static bool
history_find_in(const ga_list *list, uintptr_t address, ga_freed_place *place)
{
	ga_list_foreach (link, list)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, link, link);

		if (chunk->moved_from == 0 || address - chunk->moved_from >= chunk->touched)
			continue;
		place->moved = (ptrdiff_t) (chunk->base - chunk->moved_from);
		place->readable = place->freed->to - chunk->moved_from <= chunk->touched;
		return true;
	}
	return false;
}

/*
 * history_find_pages
 *		Find where the frame went that was at an address, if nobody has written to it since.
 */
static void
history_find_pages(const ga_heap *heap, uintptr_t address, ga_freed_place *place)
{
	if (history_find_in(&heap->cooling, address, place))
		return;
	for (int order = GA_SLOT_ORDER; order < GA_NUM_ORDERS; order++)
		if (history_find_in(&heap->ready[order], address, place))
			return;
}

/*
 * history_is_used
 *		Is an address in the part of a chunk that belongs to its present owner?
 */
static bool
history_is_used(const ga_chunk *chunk, uintptr_t address)
{
	return (chunk->state == GA_ACTIVE || chunk->state == GA_FULL) && address >= chunk->start;
}

bool
ga_history_explain(const ga_heap *heap, uintptr_t address, ga_freed_place *place)
{
	const ga_segment *segment = ga_segment_of(heap, address);
	const ga_chunk *chunk = ga_heap_lookup(heap, address);

	if (segment == NULL || (chunk != NULL && history_is_used(chunk, address)))
		return false;
	*place = (ga_freed_place){.freed = history_find(&heap->history, address)};
	if (chunk != NULL)
		place->state = (ga_chunk_state) chunk->state;
	else if ((segment->spent & ga_slot_bit(address)) != 0)
		place->state = GA_QUARANTINED;
	if (place->freed == NULL)
		return place->state == GA_FAULT || place->state == GA_QUARANTINED ||
			   place->state == GA_READY;
	if (chunk == NULL || chunk->state == GA_FRESH)
		history_find_pages(heap, address, place);
	else
		place->readable = place->freed->to - chunk->base <= chunk->touched;
	return true;
}
