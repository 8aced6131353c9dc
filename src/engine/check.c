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
#include "profile.h"
#include "special.h"
#include "type_map.h"

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
	size_t touched_ready; /* chunks that must be on the LRU list */
	size_t closed;
	size_t spent; /* slots */
	size_t swept;
	size_t slots;
	size_t waste;
	size_t granules; /* in the type map */
	size_t maps;
	size_t ids[GA_TYPE_ROOMS];
	size_t fenced;
} sums;

static const char *
check_chunk(const ga_heap *heap, const ga_chunk *chunk, sums *sum)
{
	int state = chunk->state;

	REQUIRE(state < GA_NUM_STATES);
	REQUIRE(chunk->size >= (size_t) 1 << heap->min_order);
	REQUIRE(chunk->slot != NULL || chunk->size >= GA_SEGMENT_SIZE ||
			chunk->size == (size_t) 1 << chunk->order);
	REQUIRE(chunk->slot != NULL || chunk->base % ga_min_size(chunk->size, GA_SEGMENT_SIZE) == 0);
	REQUIRE(chunk->slot == NULL || (state != GA_FRESH && state != GA_READY));
	REQUIRE(chunk->slot != NULL || (state != GA_NURSERY && state != GA_FAULT && state != GA_REUSE));
	REQUIRE(chunk->slot == NULL || chunk->base - chunk->slot->base < chunk->slot->size);
	REQUIRE(chunk->accessible <= chunk->size);
	REQUIRE(chunk->touched <= chunk->size);
	REQUIRE(chunk->accessible % heap->os->page_size == 0);
	REQUIRE(chunk->touched % heap->os->page_size == 0);
	REQUIRE(chunk->back_touched % heap->os->page_size == 0);
	REQUIRE(chunk->touched + chunk->back_touched <= chunk->size);
	REQUIRE(!chunk->typed || (chunk->arena != NULL && !chunk->large));
	REQUIRE(chunk->typed || (chunk->back == 0 && chunk->back_touched == 0));
	REQUIRE(state != GA_QUARANTINED);
	REQUIRE(state != GA_FRESH || (chunk->accessible == 0 && chunk->touched == 0));
	REQUIRE((chunk->arena != NULL) == (state == GA_ACTIVE || state == GA_FULL));
	REQUIRE(!ga_state_is_owned(state) || chunk->large || chunk->accessible == chunk->size);
	REQUIRE(!ga_state_is_owned(state) || chunk->base <= chunk->start);
	REQUIRE(!ga_state_is_owned(state) || state == GA_ACTIVE || chunk->start <= chunk->used);

	REQUIRE(!chunk->fenced ||
			(chunk->large && state == GA_FULL && chunk->slot != NULL &&
			 chunk->used == chunk->base + chunk->accessible && chunk->accessible < chunk->size));

	sum->fenced += chunk->fenced;
	sum->bytes[state] += chunk->size;
	sum->chunks[state]++;
	sum->mapped += chunk->accessible;
	sum->touched += chunk->touched + chunk->back_touched;
	sum->closed += chunk->size < GA_SLOT_SIZE && chunk->accessible == 0;
	if (state == GA_READY)
	{
		sum->retained += chunk->touched;
		sum->released += chunk->size - chunk->touched;
		sum->touched_ready += chunk->touched > 0;
	}
	return NULL;
}

/*
 * check_slot
 *		Check the counts and bytes of a slot against its chunks.  Called for the first of them.
 */
static const char *
check_slot(const ga_heap *heap, const ga_slot *slot, sums *sum)
{
	uintptr_t at = slot->base;
	size_t live = 0;
	size_t dead = 0;

	REQUIRE(slot->base % GA_SLOT_SIZE == 0 && slot->size % GA_SLOT_SIZE == 0);
	while (at < slot->base + slot->size)
	{
		const ga_chunk *chunk = ga_heap_lookup(heap, at);

		REQUIRE(chunk != NULL && chunk->slot == slot);
		live += ga_state_is_owned(chunk->state);
		dead += chunk->state == GA_FAULT ? chunk->touched : 0;
		REQUIRE(chunk->state != GA_NURSERY || chunk == slot->rest);
		REQUIRE(chunk->state != GA_REUSE || slot == heap->nursery);
		at += chunk->size;
	}
	REQUIRE(at == slot->base + slot->size);
	REQUIRE(live == slot->live);
	REQUIRE(dead == slot->dead);
	REQUIRE(slot->open || slot->rest == NULL);
	REQUIRE(!slot->wasteful || (!slot->open && slot->live > 0));
	sum->waste += slot->wasteful ? slot->dead : 0;
	sum->slots++;
	return NULL;
}

/*
 * check_types
 *		Check that all entries of the type map belong to typed chunks, and that each has as many
 *		numbers of types as objects that begin there.
 */
static const char *
check_types(const ga_heap *heap, const ga_segment *segment, sums *sum)
{
	sum->maps += segment->types != NULL;
	for (int i = 0; segment->types != NULL && i < GA_GRANULES; i++)
	{
		const ga_type_granule *granule = segment->types->granules[i];
		uintptr_t base = segment->base + ((uintptr_t) i << GA_GRANULE_SHIFT);
		const ga_chunk *chunk = ga_heap_lookup(heap, base);
		size_t starts = 0;

		if (granule == NULL)
			continue;
		REQUIRE(chunk != NULL && chunk->typed);
		if (granule == &ga_type_nothing)
			continue;
		for (int word = 0; word < GA_GRANULE_WORDS; word++)
			starts += !ga_chunk_in_back(chunk, base + (uintptr_t) word * sizeof(uint64_t)) &&
					  (granule->starts[word / 64] >> word % 64 & 1) != 0;
		REQUIRE(starts == granule->count);
		REQUIRE(granule->count == 0 ||
				(granule->starts[granule->last / 64] >> granule->last % 64 & 1) != 0);
		for (int at = 0; at < granule->count; at++)
			REQUIRE(ga_type_of_id(heap, granule->ids[at]) != NULL);
		sum->granules++;
		if (granule->ids != NULL)
			sum->ids[granule->room]++;
	}
	return NULL;
}

static const char *
check_segment(const ga_heap *heap, const ga_segment *segment, sums *sum)
{
	uintptr_t at = segment->base;
	uintptr_t end = at;
	uint32_t vacant = segment->spent | segment->swept | segment->lost;
	const ga_chunk *chunk;

	REQUIRE(segment->base % GA_SEGMENT_SIZE == 0);
	REQUIRE(ga_segment_of(heap, segment->base) == segment);
	REQUIRE(segment->next == NULL || segment->next->base > segment->base);
	REQUIRE((segment->spent & segment->swept) == 0 &&
			((segment->spent | segment->swept) & segment->lost) == 0);
	REQUIRE(segment->granules != NULL || segment->huge != NULL || vacant == UINT32_MAX);
	REQUIRE(heap->sweeping || segment->candidates == 0);
	REQUIRE(segment->types == NULL || segment->granules != NULL);
	sum->reserved +=
		GA_SEGMENT_SIZE - ((size_t) __builtin_popcount(segment->lost) << GA_SLOT_SHIFT);
	sum->spent += (size_t) __builtin_popcount(segment->spent);
	sum->swept += (size_t) __builtin_popcount(segment->swept);
	if (segment->huge != NULL)
		REQUIRE(segment->huge->size > GA_SEGMENT_SIZE && vacant == 0);

	while ((chunk = ga_segment_next(segment, &at)) != NULL)
	{
		const char *wrong;
		uintptr_t base = at - chunk->size;

		REQUIRE(chunk->base == base && chunk->size > 0);
		REQUIRE(ga_heap_lookup(heap, base) == chunk);
		REQUIRE(!ga_state_is_owned(chunk->state) || ga_heap_lookup(heap, at - 1) == chunk);
		wrong = check_chunk(heap, chunk, sum);
		if (wrong == NULL && chunk->slot != NULL && chunk->base == chunk->slot->base)
			wrong = check_slot(heap, chunk->slot, sum);
		if (wrong != NULL)
			return wrong;
		end = at;
	}
	REQUIRE(segment->huge != NULL || end <= segment->base + GA_SEGMENT_SIZE);
	return check_types(heap, segment, sum);
}

/*
 * check_list
 *		Check the length and the links of a list, and that its chunks have the state.
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
	const char *wrong = check_list(&heap->fresh_huge, GA_FRESH, &totals[GA_FRESH]);

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
	if (wrong == NULL)
		wrong = check_list(&heap->cooling, GA_READY, &totals[GA_READY]);
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
		REQUIRE(totals[state] == sum->chunks[state] || state == GA_NURSERY || state == GA_FAULT);
	ga_list_foreach (link, &heap->wasteful)
		REQUIRE(ga_container(ga_slot, link, link)->wasteful);

	ga_list_foreach (link, &heap->retained_lru)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, retained, link);

		REQUIRE(chunk->state == GA_READY && chunk->touched > 0);
		lru++;
	}
	REQUIRE(lru == heap->retained_lru.count);
	REQUIRE(lru == sum->touched_ready);
	return NULL;
}

/*
 * check_chunk_objects
 *		Walk over the objects of one chunk, and count what its arena must agree with.
 */
static const char *
check_chunk_objects(const ga_arena *arena, const ga_chunk *chunk, size_t *free_objects,
					size_t *samples)
{
	uintptr_t end = chunk == arena->active ? arena->ptr : chunk->used;
	size_t freed = chunk == arena->active		? arena->active_freed
				   : chunk == arena->full_chunk ? arena->full_freed
												: chunk->freed;

	REQUIRE(chunk->arena == arena);
	REQUIRE(end <= chunk->base + chunk->size);
	REQUIRE(end <= chunk->base + chunk->touched);
	REQUIRE(end <= ga_chunk_front_end(chunk));
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
		freed -= state == GA_HDR_FREE ? size + GA_HEADER_SIZE : 0;
		*samples += state == GA_HDR_LIVE && ga_object_is_sample(object);
		at = (uintptr_t) object + size;
		REQUIRE(at <= end);
	}
	REQUIRE(freed == 0);
	return NULL;
}

static const char *
check_arena(const ga_arena *arena, size_t *in_use)
{
	size_t charged = 0;
	size_t typed = arena->active != NULL && arena->active->typed;
	size_t free_objects = 0;
	size_t samples = 0;
	size_t listed = 0;
	const char *wrong = NULL;

	if (arena->active != NULL)
	{
		REQUIRE(arena->active->state == GA_ACTIVE);
		REQUIRE(arena->end == ga_chunk_front_end(arena->active));
		REQUIRE(arena->active->start <= arena->ptr && arena->ptr <= arena->soft_end);
		REQUIRE(arena->soft_end <= arena->end);
		charged += arena->active->charged;
		wrong = check_chunk_objects(arena, arena->active, &free_objects, &samples);
	}
	else
		REQUIRE(arena->ptr == 0 && arena->soft_end == 0 && arena->end == 0);
	ga_list_foreach (link, &arena->full)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, link, link);

		charged += chunk->charged;
		typed += chunk->typed;
		if (wrong == NULL)
			wrong = check_chunk_objects(arena, chunk, &free_objects, &samples);
	}
	ga_list_foreach (link, &arena->large)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, link, link);

		REQUIRE(chunk->large && chunk->charged == (size_t) (chunk->used - chunk->base));
		charged += chunk->charged;
		samples += ga_object_is_sample((const void *) (chunk->start + GA_HEADER_SIZE));
	}
	if (wrong != NULL)
		return wrong;

	REQUIRE(charged == arena->charged);
	REQUIRE(ga_profile_is_valid(arena, samples));
	REQUIRE(typed == arena->typed_chunks);
	REQUIRE(arena->active_first == (arena->active != NULL && ga_arena_frees_fast(arena) &&
											arena->sample_at == 0 && !arena->active->typed
										? arena->active->start + GA_HEADER_SIZE
										: UINTPTR_MAX));
	REQUIRE((arena->full_size > 0) == (arena->full_chunk != NULL));
	if (arena->full_size > 0)
	{
		const ga_chunk *chunk = ga_heap_lookup(arena->heap, arena->full_first);

		REQUIRE(ga_arena_frees_fast(arena));
		REQUIRE(chunk != NULL && chunk->arena == arena && chunk->state == GA_FULL &&
				!chunk->large && !chunk->typed);
		REQUIRE(chunk == arena->full_chunk);
		REQUIRE(arena->full_first == chunk->start + GA_HEADER_SIZE);
		REQUIRE(arena->full_first + arena->full_size == chunk->used);
	}
	if (arena->free_lists != NULL)
		for (int i = 0; i < GA_NUM_CLASSES; i++)
			listed += ga_free_list_length(arena, i);
	REQUIRE(listed == free_objects);
	REQUIRE(ga_free_list_is_valid(arena));
	REQUIRE(ga_special_is_valid(arena));
	if (arena->specials != NULL)
		ga_list_foreach (link, &arena->specials->waiting)
			REQUIRE(ga_arena_check_object(arena, ga_special_object(ga_container(
													 ga_special, link, link))) == GA_FREE_OK);
	*in_use += charged;
	return NULL;
}

const char *
ga_heap_check(ga_heap *heap)
{
	sums sum = {0};
	size_t in_use = 0;
	const char *wrong;

	for (const ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		wrong = check_segment(heap, segment, &sum);
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
		REQUIRE(arena->specials == NULL);
		wrong = check_arena(arena, &in_use);
		if (wrong != NULL)
			return wrong;
	}

	sum.bytes[GA_FRESH] += sum.swept << GA_SLOT_SHIFT;
	sum.bytes[GA_QUARANTINED] += sum.spent << GA_SLOT_SHIFT;
	sum.chunks[GA_QUARANTINED] += sum.spent;
	sum.released += sum.spent << GA_SLOT_SHIFT;
	REQUIRE(memcmp(sum.bytes, heap->state_bytes, sizeof(sum.bytes)) == 0);
	REQUIRE(memcmp(sum.chunks, heap->state_chunks, sizeof(sum.chunks)) == 0);
	REQUIRE(sum.reserved == heap->reserved);
	REQUIRE(sum.mapped == heap->mapped);
	REQUIRE(sum.retained == heap->retained);
	REQUIRE(sum.touched == heap->touched);
	REQUIRE(sum.released == heap->released);
	REQUIRE(sum.closed == heap->closed);
	REQUIRE(sum.slots == heap->slots);
	REQUIRE(sum.fenced == heap->fenced);
	REQUIRE(sum.swept == heap->swept_slots);
	REQUIRE(sum.waste == heap->waste);
	REQUIRE(sum.granules == heap->type_granules.live);
	REQUIRE(sum.maps == heap->type_maps.live);
	for (int i = 0; i < GA_TYPE_ROOMS; i++)
		REQUIRE(sum.ids[i] == heap->type_ids[i].live);
	REQUIRE(heap->reserved == heap->state_bytes[GA_FRESH] + heap->state_bytes[GA_ACTIVE] +
								  heap->state_bytes[GA_FULL] + heap->state_bytes[GA_REUSE] +
								  heap->state_bytes[GA_NURSERY] + heap->state_bytes[GA_FAULT] +
								  heap->retained + heap->released);
	REQUIRE(in_use == heap->in_use);
	REQUIRE(heap->in_use <= heap->peak);
	return NULL;
}
