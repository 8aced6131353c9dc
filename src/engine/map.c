/*-------------------------------------------------------------------------
 *
 * map.c
 *	  Segments: reserving address space, and slots that leave and come back.
 *
 * The heap reserves a segment as a whole, as one FRESH chunk.  Its slots are spent one by one.
 * When a sweep has found no pointer to a spent slot, the slot is free, but nothing is mapped there.
 * Only when address space is wanted does the heap reserve it again, with all others of its segment.
 *
 * Spans above 64 MB take as many segments in a row as they need.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "heap.h"

/* The heap tries this many places, which are 1 << HINT_DISTANCE bytes from one another. */
#define HINTS		  4
#define HINT_DISTANCE 40

/*
 * map_enter
 *		Enter a segment into the two-level map and the ordered list.
 */
static bool
map_enter(ga_heap *heap, ga_segment *segment)
{
	uintptr_t index = segment->base >> GA_SEGMENT_SHIFT;
	ga_map_leaf **leaf = &heap->map[index >> GA_MAP_L2_BITS];
	ga_segment **at = &heap->segments;

	/* Mostly the segment comes behind the one that was entered last. */
	if (heap->newest != NULL && heap->newest->base < segment->base)
		at = &heap->newest->next;
	if (*leaf == NULL)
		*leaf = ga_persistent_alloc(&heap->metadata, sizeof(ga_map_leaf));
	if (*leaf == NULL)
		return false;
	(*leaf)->segments[index & ((1 << GA_MAP_L2_BITS) - 1)] = segment;

	while (*at != NULL && (*at)->base < segment->base)
		at = &(*at)->next;
	segment->next = *at;
	*at = segment;
	heap->newest = segment;
	return true;
}

/*
 * map_remove_range
 *		Undo map_enter for every segment in a range.
 */
static void
map_remove_range(ga_heap *heap, uintptr_t base, size_t size)
{
	ga_segment **at = &heap->segments;

	heap->newest = NULL;
	while (*at != NULL)
	{
		ga_segment *segment = *at;
		uintptr_t index = segment->base >> GA_SEGMENT_SHIFT;

		if (segment->base - base < size)
		{
			*at = segment->next;
			heap->map[index >> GA_MAP_L2_BITS]->segments[index & ((1 << GA_MAP_L2_BITS) - 1)] =
				NULL;
			ga_fixed_free(&heap->segment_structs, segment);
		}
		else
			at = &segment->next;
	}
}

/*
 * map_takes_ours
 *		Does a range from the system lie in segments that the heap has already?  Where all slots of
 *		a segment are spent, nothing is mapped, so the system may give it again, though there may
 *		still be pointers to it.
 */
static bool
map_takes_ours(const ga_heap *heap, uintptr_t base, size_t size)
{
	for (uintptr_t at = base; at < base + size; at += GA_SEGMENT_SIZE)
		if (ga_segment_of(heap, at) != NULL)
			return true;
	return false;
}

/* Can a range be used for segments? */
static bool
map_is_suitable(const ga_heap *heap, uintptr_t base, size_t size)
{
	return base % GA_SEGMENT_SIZE == 0 && (base + size) >> GA_ADDRESS_BITS == 0 &&
		   !map_takes_ours(heap, base, size);
}

/*
 * map_reserve_hinted
 *		Reserve segments at the hint, or at one of a few places far from there.
 */
static uintptr_t
map_reserve_hinted(ga_heap *heap, size_t size)
{
	for (uintptr_t i = 0; i < HINTS; i++)
	{
		uintptr_t hint = heap->hint ^ i << HINT_DISTANCE;
		uintptr_t addr = (uintptr_t) heap->os->reserve((void *) hint, size);

		if (addr == 0)
			return 0;
		if (map_is_suitable(heap, addr, size))
			return addr;
		heap->os->free((void *) addr, size);
	}
	return 0;
}

/*
 * map_reserve_anywhere
 *		Reserve segments wherever there is room: reserve more than is needed, and give back both
 *		ends.
 */
static uintptr_t
map_reserve_anywhere(ga_heap *heap, size_t size)
{
	const ga_os *os = heap->os;
	uintptr_t addr = (uintptr_t) os->reserve(NULL, size + GA_SEGMENT_SIZE);
	uintptr_t aligned = ga_align_up(addr, GA_SEGMENT_SIZE);

	if (addr == 0)
		return 0;
	if (!map_is_suitable(heap, aligned, size))
	{
		os->free((void *) addr, size + GA_SEGMENT_SIZE);
		return 0;
	}
	if (aligned > addr)
		os->free((void *) addr, aligned - addr);
	if (addr + GA_SEGMENT_SIZE > aligned)
		os->free((void *) (aligned + size), addr + GA_SEGMENT_SIZE - aligned);
	return aligned;
}

/*
 * map_reserve_segments
 *		Reserve segments in a row.  0 if there is no room.
 */
static uintptr_t
map_reserve_segments(ga_heap *heap, size_t size)
{
	uintptr_t base = map_reserve_hinted(heap, size);

	if (base == 0)
		base = map_reserve_anywhere(heap, size);
	if (base != 0)
		heap->hint = base + size;
	return base;
}

/*
 * map_need_granules
 *		Give a segment the table of its granules, unless it has one. False if there is no memory.
 */
static bool
map_need_granules(ga_heap *heap, ga_segment *segment)
{
	if (segment->granules == NULL)
	{
		segment->granules = ga_fixed_alloc(&heap->granules);
		if (segment->granules != NULL)
			segment->granules->chunks[0] = NULL; /* where the free list had its link */
	}
	return segment->granules != NULL;
}

/*
 * map_new_fresh
 *		Make a FRESH chunk, and put it on its list.  NULL if there is no memory for its struct.
 */
static ga_chunk *
map_new_fresh(ga_heap *heap, uintptr_t base, size_t size)
{
	ga_chunk *chunk = ga_fixed_alloc(&heap->chunk_structs);

	if (chunk == NULL)
		return NULL;
	memset(chunk, 0, sizeof(*chunk));
	chunk->base = base;
	chunk->size = size;
	chunk->order = (uint8_t) ga_min_size((size_t) ga_order_of(size), GA_MAX_ORDER);
	chunk->state = GA_FRESH;
	if (size <= GA_SEGMENT_SIZE)
		ga_segment_of(heap, base)->granules->chunks[ga_granule_of(base)] = chunk;
	heap->state_chunks[GA_FRESH]++;
	heap->unmerged += size;
	ga_list_push_tail(ga_chunk_free_list(heap, chunk), &chunk->link);
	return chunk;
}

/*
 * map_new_segments
 *		Reserve segments in a row, and make them one FRESH chunk, or return NULL.
 */
static ga_chunk *
map_new_segments(ga_heap *heap, size_t size)
{
	uintptr_t base = map_reserve_segments(heap, size);
	ga_chunk *chunk = NULL;
	uintptr_t at;

	if (base == 0)
		return NULL;
	for (at = base; at < base + size; at += GA_SEGMENT_SIZE)
	{
		ga_segment *segment = ga_fixed_alloc(&heap->segment_structs);

		if (segment == NULL)
			break;
		memset(segment, 0, sizeof(*segment));
		segment->base = at;
		if (!map_enter(heap, segment))
		{
			ga_fixed_free(&heap->segment_structs, segment);
			break;
		}
		if (size == GA_SEGMENT_SIZE && !map_need_granules(heap, segment))
			break;
	}
	if (at == base + size)
		chunk = map_new_fresh(heap, base, size);
	if (chunk == NULL)
	{
		if (size == GA_SEGMENT_SIZE && ga_segment_of(heap, base) != NULL &&
			ga_segment_of(heap, base)->granules != NULL)
			ga_fixed_free(&heap->granules, ga_segment_of(heap, base)->granules);
		map_remove_range(heap, base, size);
		heap->os->free((void *) base, size);
		heap->hint = base;
		return NULL;
	}
	for (at = base; size > GA_SEGMENT_SIZE && at < base + size; at += GA_SEGMENT_SIZE)
		ga_segment_of(heap, at)->huge = chunk;
	heap->reserved += size;
	heap->state_bytes[GA_FRESH] += size;
	return chunk;
}

/*
 * map_run_of
 *		Return the first run of bits in a mask, which is not 0.
 */
static uint32_t
map_run_of(uint32_t mask)
{
	uint32_t lowest = mask & -mask;

	/* The lowest bit carries through the run. */
	return mask & ~(mask + lowest);
}

/*
 * map_reserve_run
 *		Reserve a run of slots that were swept.  False if the system refuses.
 */
static bool
map_reserve_run(ga_heap *heap, ga_segment *segment, uint32_t run)
{
	uintptr_t base = segment->base + ((uintptr_t) __builtin_ctz(run) << GA_SLOT_SHIFT);
	size_t size = (size_t) __builtin_popcount(run) << GA_SLOT_SHIFT;
	void *got = heap->os->reserve((void *) base, size);

	if (got == NULL)
		return false;
	if (got == (void *) base)
		return true;

	/* Another mapping of the process lies there, in part or as a whole. */
	heap->os->free(got, size);
	segment->swept &= ~run;
	segment->lost |= run;
	heap->swept_slots -= (size_t) __builtin_popcount(run);
	heap->state_bytes[GA_FRESH] -= size;
	heap->reserved -= size;
	return true;
}

/*
 * map_make_fresh
 *		Make FRESH chunks, as large as possible, of swept slots that were reserved again.  Slots for
 *		which there is no memory are given back.
 */
static void
map_make_fresh(ga_heap *heap, ga_segment *segment, uint32_t slots)
{
	for (int order = GA_MAX_ORDER; order >= GA_SLOT_ORDER; order--)
	{
		int count = 1 << (order - GA_SLOT_ORDER);
		uint32_t block = (uint32_t) ((UINT64_C(1) << count) - 1);

		for (int first = 0; first < GA_SLOTS; first += count)
		{
			uint32_t bits = block << first;
			uintptr_t base = segment->base + ((uintptr_t) first << GA_SLOT_SHIFT);

			if ((slots & bits) != bits)
				continue;
			slots &= ~bits;
			if (map_new_fresh(heap, base, (size_t) 1 << order) == NULL)
			{
				(void) heap->os->free((void *) base, (size_t) 1 << order);
				continue;
			}
			segment->swept &= ~bits;
			heap->swept_slots -= (size_t) count;
		}
	}
}

/*
 * map_free_granules
 *		Free the granules of a segment that has no slot in use.
 */
static void
map_free_granules(ga_heap *heap, ga_segment *segment)
{
	if (segment->granules == NULL ||
		(segment->spent | segment->swept | segment->lost) != UINT32_MAX)
		return;
	ga_fixed_free(&heap->granules, segment->granules);
	segment->granules = NULL;
	if (segment->types != NULL)
		ga_fixed_free(&heap->type_maps, segment->types);
	segment->types = NULL;
}

/*
 * map_reclaim
 *		Reserve the swept slots of a segment again.  Where address space is limited, there may be
 *		room for some of them only.  False if there was none.
 */
static bool
map_reclaim(ga_heap *heap, ga_segment *segment)
{
	uint32_t before = segment->swept;
	uint32_t left = before;
	uint32_t run;

	if (!map_need_granules(heap, segment))
		return false;
	while (left != 0)
	{
		run = map_run_of(left);
		if (!map_reserve_run(heap, segment, run))
		{
			run = left & -left;
			if (!map_reserve_run(heap, segment, run))
				break;
			left = run;
		}
		map_make_fresh(heap, segment, run & segment->swept);
		left &= ~run;
	}
	map_free_granules(heap, segment);
	return (before & ~(segment->swept | segment->lost)) != 0;
}

bool
ga_map_grow(ga_heap *heap)
{
	for (ga_segment *segment = heap->segments; segment != NULL && heap->swept_slots > 0;
		 segment = segment->next)
	{
		if (segment->swept == 0)
			continue;
		if (map_reclaim(heap, segment))
			return true;

		/* Slots that were lost are no longer swept.  If others are left, there is no memory. */
		if (segment->swept != 0)
			break;
	}
	return map_new_segments(heap, GA_SEGMENT_SIZE) != NULL;
}

/*
 * map_swept_run
 *		Find segments in a row, size bytes in all, whose slots were all swept; or NULL.
 */
static ga_segment *
map_swept_run(ga_heap *heap, size_t size)
{
	ga_segment *first = NULL;

	if (heap->swept_slots < size >> GA_SLOT_SHIFT)
		return NULL;
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		if (segment->swept != UINT32_MAX)
			first = NULL;
		else if (first == NULL || ga_segment_of(heap, segment->base - GA_SEGMENT_SIZE) == NULL)
			first = segment;
		if (first != NULL && segment->base + GA_SEGMENT_SIZE - first->base == size)
			return first;
	}
	return NULL;
}

/*
 * map_leave_again
 *		Undo the reserving of the segments between two addresses.
 */
static void
map_leave_again(ga_heap *heap, uintptr_t from, uintptr_t to)
{
	if (to > from)
		(void) heap->os->free((void *) from, to - from);
}

ga_chunk *
ga_map_grow_huge(ga_heap *heap, size_t size)
{
	ga_segment *first = map_swept_run(heap, size);
	ga_chunk *chunk = NULL;
	uintptr_t base;
	uintptr_t at;

	if (first == NULL)
		return map_new_segments(heap, size);
	base = first->base;
	for (at = base; at < base + size; at += GA_SEGMENT_SIZE)
	{
		ga_segment *segment = ga_segment_of(heap, at);

		if (!map_reserve_run(heap, segment, UINT32_MAX) || segment->swept != UINT32_MAX)
			break;
	}
	if (at == base + size)
		chunk = map_new_fresh(heap, base, size);
	if (chunk == NULL)
	{
		map_leave_again(heap, base, at);
		return map_new_segments(heap, size);
	}
	for (at = base; at < base + size; at += GA_SEGMENT_SIZE)
	{
		ga_segment *segment = ga_segment_of(heap, at);

		segment->swept = 0;
		segment->huge = chunk;
	}
	heap->swept_slots -= size >> GA_SLOT_SHIFT;
	return chunk;
}

/*
 * map_leave_slot
 *		Let one slot leave the heap; joined says that it was given up together with the slot
 *		before it.
 */
static void
map_leave_slot(ga_heap *heap, uintptr_t base, bool spent, bool joined)
{
	ga_segment *segment = ga_segment_of(heap, base);
	uint32_t bit = ga_slot_bit(base);

	segment->huge = NULL;
	if (spent)
		segment->spent |= bit;
	else
		segment->swept |= bit;
	segment->joined &= ~bit;
	if (joined)
		segment->joined |= bit;
	if (segment->granules == NULL)
		return;
	memset(&segment->granules->chunks[ga_granule_of(base)], 0,
		   GA_SLOT_SIZE / GA_GRANULE_SIZE * sizeof(ga_chunk *));
	map_free_granules(heap, segment);
}

void
ga_map_leave(ga_heap *heap, uintptr_t base, size_t size, bool spent)
{
	size_t slots = size >> GA_SLOT_SHIFT;

	for (size_t i = 0; i < slots; i++)
		map_leave_slot(heap, base + (i << GA_SLOT_SHIFT), spent, spent && i > 0);
	if (spent)
	{
		heap->state_bytes[GA_QUARANTINED] += size;
		heap->state_chunks[GA_QUARANTINED] += slots;
		heap->released += size;
		heap->fresh_quarantine += size;
	}
	else
	{
		heap->state_bytes[GA_FRESH] += size;
		heap->swept_slots += slots;
	}
}
