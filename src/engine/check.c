/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Does everything add up?
 *
 * Recomputes from the chunks what the heap keeps as sums, lists and bits.
 * Unit tests call this after each step.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "arena.h"
#include "free_list.h"

#define REQUIRE(condition)                                                                         \
	do                                                                                             \
	{                                                                                              \
		if (!(condition))                                                                          \
			return #condition;                                                                     \
	} while (0)

/* What the walk over all chunks adds up. */
typedef struct sums
{
	size_t bytes[GA_NUM_STATES];
	size_t chunks[GA_NUM_STATES];
	size_t reserved;
	size_t mapped;
	size_t retained;
	size_t released;
	size_t touched;
	size_t touched_idle; /* chunks that must be on the LRU list */
	size_t fault_bytes;
	size_t mappings;
} sums;

static const char *
check_chunk(const ga_heap *heap, const ga_chunk *chunk, sums *sum)
{
	int state = chunk->state;

	REQUIRE(state < GA_NUM_STATES);
	REQUIRE(chunk->size >= (size_t) 1 << heap->min_order);
	REQUIRE(chunk->size >= GA_HEAP_ARENA_SIZE || chunk->size == (size_t) 1 << chunk->order);
	REQUIRE(chunk->base % ga_min_size(chunk->size, GA_HEAP_ARENA_SIZE) == 0);
	REQUIRE(chunk->accessible <= chunk->size);
	REQUIRE(chunk->touched <= chunk->size);
	REQUIRE(chunk->accessible % heap->os->page_size == 0);
	REQUIRE(chunk->touched % heap->os->page_size == 0);
	REQUIRE(heap->sweeping || !(chunk->marked || chunk->late));
	REQUIRE(state != GA_QUARANTINED || chunk->accessible == 0);
	REQUIRE(state != GA_FRESH || (chunk->accessible == 0 && chunk->touched == 0));
	REQUIRE((chunk->arena != NULL) == (state == GA_ACTIVE || state == GA_FULL));
	REQUIRE(!ga_state_is_owned(state) || chunk->large || chunk->accessible == chunk->size);
	REQUIRE(!ga_state_is_owned(state) || chunk->base <= chunk->start);
	REQUIRE(!ga_state_is_owned(state) || state == GA_ACTIVE || chunk->start <= chunk->used);

	sum->bytes[state] += chunk->size;
	sum->chunks[state]++;
	sum->mapped += chunk->accessible;
	sum->touched += chunk->touched;
	if (ga_state_is_idle(state))
	{
		sum->retained += chunk->touched;
		sum->released += chunk->size - chunk->touched;
		sum->touched_idle += chunk->touched > 0;
	}
	if (state == GA_FAULT)
		sum->fault_bytes += chunk->touched;
	return NULL;
}

/*
 * check_access
 *		The access bits of a chunk are those of its accessible bytes.
 */
static const char *
check_access(const ga_heap_arena *heap_arena, const ga_chunk *chunk)
{
	for (uintptr_t at = chunk->base; at < chunk->base + chunk->size; at += GA_GRANULE_SIZE)
	{
		int granule = ga_granule_of(at);
		bool access = (heap_arena->access[granule / 64] >> (granule % 64) & 1) != 0;

		if (at - heap_arena->base >= GA_HEAP_ARENA_SIZE)
			break;
		REQUIRE(access == (at < chunk->base + chunk->accessible));
	}
	return NULL;
}

static const char *
check_heap_arena(const ga_heap *heap, const ga_heap_arena *heap_arena, sums *sum)
{
	size_t candidates = 0;

	REQUIRE(heap_arena->base % GA_HEAP_ARENA_SIZE == 0);
	REQUIRE(ga_heap_arena_of(heap, heap_arena->base) == heap_arena);
	REQUIRE(heap_arena->next == NULL || heap_arena->next->base > heap_arena->base);
	sum->reserved += GA_HEAP_ARENA_SIZE;

	if (heap_arena->huge != NULL)
	{
		REQUIRE(heap_arena->huge->size > GA_HEAP_ARENA_SIZE);
		if (heap_arena->base != heap_arena->huge->base)
			return NULL;
		candidates = ga_state_is_candidate(heap_arena->huge->state);
		REQUIRE(heap_arena->candidates == candidates);
		return check_chunk(heap, heap_arena->huge, sum);
	}

	for (uintptr_t at = heap_arena->base; at < heap_arena->base + GA_HEAP_ARENA_SIZE;)
	{
		const ga_chunk *chunk = heap_arena->chunks[ga_granule_of(at)];
		const char *wrong;

		REQUIRE(chunk != NULL && chunk->base == at && chunk->size > 0);
		REQUIRE(ga_heap_lookup(heap, at) == chunk);
		REQUIRE(!ga_state_is_owned(chunk->state) ||
				ga_heap_lookup(heap, at + chunk->size - 1) == chunk);
		wrong = check_chunk(heap, chunk, sum);
		if (wrong == NULL)
			wrong = check_access(heap_arena, chunk);
		if (wrong != NULL)
			return wrong;
		candidates += ga_state_is_candidate(chunk->state);
		at += chunk->size;
	}
	REQUIRE(heap_arena->candidates == candidates);
	return NULL;
}

/*
 * count_boundaries
 *		Changes between accessible and not, in order of address.
 */
static size_t
count_boundaries(const ga_heap *heap)
{
	size_t count = 0;
	bool before = false;
	uintptr_t end = 0;

	for (const ga_heap_arena *heap_arena = heap->heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
	{
		if (heap_arena->base != end && before)
		{
			count++;
			before = false;
		}
		for (int i = 0; i < GA_GRANULES; i++)
		{
			bool access = (heap_arena->access[i / 64] >> (i % 64) & 1) != 0;

			count += access != before;
			before = access;
		}
		end = heap_arena->base + GA_HEAP_ARENA_SIZE;
	}
	return count + before;
}

/*
 * check_list
 *		Length and links of a list of chunks that all have one state.
 */
static const char *
check_list(const ga_list *list, ga_chunk_state state, size_t *total)
{
	size_t count = 0;

	ga_list_foreach (link, list)
	{
		REQUIRE(link->next->prev == link && link->prev->next == link);
		REQUIRE(ga_container(ga_chunk, link, link)->state == state);
		count++;
	}
	REQUIRE(count == list->count);
	*total += count;
	return NULL;
}

static const char *
check_lists(const ga_heap *heap, const sums *sum)
{
	size_t totals[GA_NUM_STATES] = {0};
	size_t lru = 0;
	const char *wrong = check_list(&heap->fault, GA_FAULT, &totals[GA_FAULT]);

	if (wrong == NULL)
		wrong = check_list(&heap->quarantined, GA_QUARANTINED, &totals[GA_QUARANTINED]);
	if (wrong == NULL)
		wrong = check_list(&heap->fresh_huge, GA_FRESH, &totals[GA_FRESH]);
	if (wrong == NULL)
		wrong = check_list(&heap->ready_huge, GA_READY, &totals[GA_READY]);
	for (int order = 0; wrong == NULL && order < GA_NUM_ORDERS; order++)
	{
		wrong = check_list(&heap->fresh[order], GA_FRESH, &totals[GA_FRESH]);
		if (wrong == NULL)
			wrong = check_list(&heap->ready[order], GA_READY, &totals[GA_READY]);
		if (wrong == NULL && order <= GA_HANDON_ORDER)
			wrong = check_list(&heap->reuse[order], GA_REUSE, &totals[GA_REUSE]);
	}
	if (wrong != NULL)
		return wrong;

	ga_list_foreach (link, &heap->arenas)
	{
		const ga_arena *arena = ga_container(ga_arena, link, link);

		if (arena->active != NULL)
			totals[GA_ACTIVE]++;
		wrong = check_list(&arena->full, GA_FULL, &totals[GA_FULL]);
		if (wrong == NULL)
			wrong = check_list(&arena->large, GA_FULL, &totals[GA_FULL]);
		if (wrong != NULL)
			return wrong;
	}
	totals[GA_ACTIVE] += heap->parked.count;
	for (int state = 0; state < GA_NUM_STATES; state++)
		REQUIRE(totals[state] == sum->chunks[state]);

	ga_list_foreach (link, &heap->retained_lru)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, retained, link);

		REQUIRE(ga_state_is_idle(chunk->state) && chunk->touched > 0);
		lru++;
	}
	REQUIRE(lru == heap->retained_lru.count);
	REQUIRE(lru == sum->touched_idle);
	return NULL;
}

/*
 * check_arena
 *		Objects, free lists and charges of one arena.
 */
static const char *
check_chunk_objects(const ga_arena *arena, const ga_chunk *chunk, size_t *free_objects)
{
	uintptr_t end = chunk == arena->active ? arena->ptr : chunk->used;

	REQUIRE(chunk->arena == arena);
	REQUIRE(end <= chunk->base + chunk->size);
	REQUIRE(end <= chunk->base + chunk->touched);
	for (uintptr_t at = chunk->start; at < end;)
	{
		void *object = (void *) (at + GA_HEADER_SIZE);
		uint64_t header = *ga_object_header(object);
		uint64_t state = header & GA_HDR_STATE_MASK;
		size_t size = state == GA_HDR_FREE ? ga_free_object_size(object) : ga_object_size(object);

		REQUIRE(state != 0);
		REQUIRE((header & GA_HDR_TAG_MASK) == arena->tag);
		REQUIRE(size > 0 && size % GA_ALIGN == 0);
		*free_objects += state == GA_HDR_FREE;
		at = (uintptr_t) object + size;
		REQUIRE(at <= end);
	}
	return NULL;
}

static const char *
check_arena(const ga_arena *arena, size_t *in_use)
{
	size_t charged = 0;
	size_t free_objects = 0;
	size_t listed = 0;
	const char *wrong = NULL;

	if (arena->active != NULL)
	{
		REQUIRE(arena->active->state == GA_ACTIVE);
		REQUIRE(arena->end == arena->active->base + arena->active->size);
		REQUIRE(arena->active->start <= arena->ptr && arena->ptr <= arena->soft_end);
		REQUIRE(arena->soft_end <= arena->end);
		charged += arena->active->charged;
		wrong = check_chunk_objects(arena, arena->active, &free_objects);
	}
	else
		REQUIRE(arena->ptr == 0 && arena->soft_end == 0 && arena->end == 0);
	ga_list_foreach (link, &arena->full)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, link, link);

		charged += chunk->charged;
		if (wrong == NULL)
			wrong = check_chunk_objects(arena, chunk, &free_objects);
	}
	ga_list_foreach (link, &arena->large)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, link, link);

		REQUIRE(chunk->large && chunk->charged == (size_t) (chunk->used - chunk->base));
		charged += chunk->charged;
	}
	if (wrong != NULL)
		return wrong;

	REQUIRE(charged == arena->charged);
	REQUIRE(arena->active_first == (arena->active != NULL && arena->mode == GA_QUARANTINE_OFF
										? arena->active->start + GA_HEADER_SIZE
										: UINTPTR_MAX));
	if (arena->full_size > 0)
	{
		const ga_chunk *chunk = ga_heap_lookup(arena->heap, arena->full_first);

		REQUIRE(arena->mode == GA_QUARANTINE_OFF);
		REQUIRE(chunk != NULL && chunk->arena == arena && chunk->state == GA_FULL && !chunk->large);
		REQUIRE(arena->full_first == chunk->start + GA_HEADER_SIZE);
		REQUIRE(arena->full_first + arena->full_size == chunk->used);
	}
	if (arena->free_lists != NULL)
		for (int i = 0; i < GA_NUM_CLASSES; i++)
			listed += ga_free_list_length(arena, i);
	REQUIRE(listed == free_objects);
	REQUIRE(ga_free_list_is_valid(arena));
	*in_use += charged;
	return NULL;
}

const char *
ga_heap_check(ga_heap *heap)
{
	sums sum = {0};
	size_t in_use = 0;
	const char *wrong;

	for (const ga_heap_arena *heap_arena = heap->heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
	{
		wrong = check_heap_arena(heap, heap_arena, &sum);
		if (wrong != NULL)
			return wrong;
	}
	wrong = check_lists(heap, &sum);
	if (wrong != NULL)
		return wrong;
	ga_list_foreach (link, &heap->arenas)
	{
		wrong = check_arena(ga_container(ga_arena, link, link), &in_use);
		if (wrong != NULL)
			return wrong;
	}

	ga_list_foreach (link, &heap->parked)
	{
		const ga_arena *arena = ga_container(ga_arena, link, link);

		REQUIRE(arena->active != NULL && arena->ptr == arena->active->base);
		REQUIRE(arena->full.count == 0 && arena->large.count == 0 && arena->charged == 0);
		REQUIRE(arena->mode == GA_QUARANTINE_OFF && arena->delay == NULL);
		wrong = check_arena(arena, &in_use);
		if (wrong != NULL)
			return wrong;
	}

	REQUIRE(memcmp(sum.bytes, heap->state_bytes, sizeof(sum.bytes)) == 0);
	REQUIRE(memcmp(sum.chunks, heap->state_chunks, sizeof(sum.chunks)) == 0);
	REQUIRE(sum.reserved == heap->reserved);
	REQUIRE(sum.mapped == heap->mapped);
	REQUIRE(sum.retained == heap->retained);
	REQUIRE(sum.touched == heap->touched);
	REQUIRE(sum.released == heap->released);
	REQUIRE(sum.fault_bytes == heap->fault_bytes);
	REQUIRE(heap->reserved == heap->state_bytes[GA_FRESH] + heap->state_bytes[GA_ACTIVE] +
								  heap->state_bytes[GA_FULL] + heap->state_bytes[GA_REUSE] +
								  heap->retained + heap->released);
	REQUIRE(heap->mappings == count_boundaries(heap));
	REQUIRE(in_use == heap->in_use);
	REQUIRE(heap->in_use <= heap->peak);
	return NULL;
}
