/*-------------------------------------------------------------------------
 *
 * heap.c
 *	  Set-up and settings of a heap, and the things all of its parts share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "arena.h"
#include "delay.h"
#include "free_list.h"
#include "heap.h"
#include "sweep.h"

/*
 * Where heaps begin: 0x..c0_00000000, as in Go.  Read as text, such an
 * address has bytes that UTF-8 never contains, and as an integer it is far
 * from anything that is counted.  The seed fills in the byte above.
 */
#define HINT_BASE  (UINT64_C(0xc0) << 32)
#define HINT_SHIFT 40
#define HINT_MASK  0x3f

void
ga_heap_init(ga_heap *heap, const ga_os *os, const ga_config *config, uint64_t seed)
{
	memset(heap, 0, sizeof(*heap));
	heap->os = os;
	heap->min_order = GA_MIN_ORDER;
	if (ga_order_of(os->page_size) > heap->min_order)
		heap->min_order = ga_order_of(os->page_size);
	heap->hint = HINT_BASE | (seed & HINT_MASK) << HINT_SHIFT;
	heap->random = seed | 1;

	ga_metadata_init(&heap->metadata, os);
	ga_fixed_init(&heap->chunk_structs, &heap->metadata, sizeof(ga_chunk));
	ga_fixed_init(&heap->heap_arena_structs, &heap->metadata, sizeof(ga_heap_arena));
	ga_fixed_init(&heap->free_lists, &heap->metadata, sizeof(ga_free_lists));
	ga_fixed_init(&heap->delays, &heap->metadata, sizeof(ga_delay));
	ga_fixed_init(&heap->delay_stacks, &heap->metadata, sizeof(ga_delay_stacks));

	for (int order = 0; order < GA_NUM_ORDERS; order++)
	{
		ga_list_init(&heap->fresh[order]);
		ga_list_init(&heap->ready[order]);
	}
	for (int order = 0; order <= GA_HANDON_ORDER; order++)
		ga_list_init(&heap->reuse[order]);
	ga_list_init(&heap->fresh_huge);
	ga_list_init(&heap->ready_huge);
	ga_list_init(&heap->fault);
	ga_list_init(&heap->quarantined);
	heap->limit = SIZE_MAX;
	ga_list_init(&heap->retained_lru);
	ga_list_init(&heap->arenas);
	ga_list_init(&heap->parked);

	ga_heap_configure(heap, config);
}

void
ga_heap_destroy(ga_heap *heap)
{
	ga_heap_arena *heap_arena = heap->heap_arenas;

	while (heap_arena != NULL)
	{
		ga_heap_arena *next = heap_arena->next;

		GA_MAKE_UNDEFINED(heap_arena->base, GA_HEAP_ARENA_SIZE);
		heap->os->free((void *) heap_arena->base, GA_HEAP_ARENA_SIZE);
		heap_arena = next;
	}
	ga_metadata_destroy(&heap->metadata);
}

void
ga_heap_configure(ga_heap *heap, const ga_config *config)
{
	heap->config = *config;
	heap->max_order = ga_order_of(config->chunk_size);
	heap->large_threshold = config->chunk_size / 4;
	heap->sample_every =
		config->sample_rate >= 1.0 ? UINT32_MAX : (uint32_t) (config->sample_rate * 4294967296.0);
	ga_sweep_schedule(heap);
}

void
ga_heap_reset_stats(ga_heap *heap)
{
	memset(&heap->counters, 0, sizeof(heap->counters));
}

/*
 * resident_pages
 *		The number of pages of a range that are resident.
 */
static size_t
resident_pages(ga_heap *heap, uintptr_t base, uintptr_t end)
{
	size_t size = ga_align_up(end - base, heap->os->page_size);
	size_t count = size / heap->os->page_size;
	unsigned char *pages = heap->sweep.pages;
	size_t resident = 0;

	assert(count <= GA_SWEEP_PAGES);
	if (count == 0 || heap->os->resident((void *) base, size, pages) != 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		resident += pages[i] & 1;
	return resident;
}

/*
 * end_of_touched
 *		From here on no chunk of a heap arena has pages.  The kernel takes as long
 *		for a page that is not there, and low addresses are used first.
 */
static uintptr_t
end_of_touched(const ga_heap_arena *heap_arena)
{
	uintptr_t end = heap_arena->base;
	uintptr_t at = heap_arena->base;

	if (heap_arena->huge != NULL)
		return at + GA_HEAP_ARENA_SIZE;
	while (at < heap_arena->base + GA_HEAP_ARENA_SIZE)
	{
		const ga_chunk *chunk = heap_arena->chunks[ga_granule_of(at)];

		if (chunk->touched > 0)
			end = chunk->base + chunk->touched;
		at = chunk->base + chunk->size;
	}
	return end;
}

size_t
ga_heap_resident(ga_heap *heap)
{
	const ga_metadata *metadata = &heap->metadata;
	size_t resident = 0;

	assert(!heap->sweeping);
	for (ga_heap_arena *heap_arena = heap->heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
		resident += resident_pages(heap, heap_arena->base, end_of_touched(heap_arena));
	for (int i = 0; i < metadata->num_regions; i++)
		resident += resident_pages(heap, metadata->regions[i],
								   metadata->regions[i] == metadata->current.base
									   ? metadata->current.mapped
									   : metadata->regions[i] + GA_REGION_SIZE);
	return resident * heap->os->page_size;
}

/* Four counters at a time. */
typedef uint64_t four_counts __attribute__((vector_size(32), aligned(8), may_alias));

#define ROW_CLASSES 8
#define NUM_ROWS	(GA_SMALL_CLASSES / ROW_CLASSES)

static_assert(GA_LINEAR_COUNT == 2 * ROW_CLASSES, "the first two rows have units of 8 bytes");
static_assert(GA_SMALL_CLASSES % ROW_CLASSES == 0, "rows are full");

/*
 * Two statistics are summed up with each statement that is watched, so a
 * processor that can add up four at a time does.
 */
#ifdef __x86_64__
#define WIDE_IF_POSSIBLE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_IF_POSSIBLE
#endif

/*
 * ga_counters_allocated
 *		See size_class.h for the sizes.  In rows of eight classes, the first has
 *		sizes of 1 to 8 units of 8 bytes, and each of the others of 9 to 16 units,
 *		of 8 bytes in the second row, 16 in the third, and so on.  So what is
 *		wanted is, with columns numbered from 0 and n the counts in units of a byte:
 *		the sum of (column + 1) * n, and eight times that of n beyond the first row.
 */
WIDE_IF_POSSIBLE void
ga_counters_allocated(const ga_counters *counters, ga_allocated *allocated)
{
	const four_counts *rows = (const four_counts *) counters->class_allocs;
	four_counts first = (rows[0] + rows[1]) << 3;
	four_counts left = rows[0] << 3, right = rows[1] << 3;
	four_counts objects = rows[0] + rows[1];
	four_counts all;

#pragma GCC unroll 8
	for (int row = 1; row < NUM_ROWS; row++)
	{
		objects += rows[2 * row] + rows[2 * row + 1];
		left += rows[2 * row] << (row + 2);
		right += rows[2 * row + 1] << (row + 2);
	}
	all = left + right;
	allocated->objects = counters->medium_allocs + counters->large_allocs + objects[0] +
						 objects[1] + objects[2] + objects[3];
	left = all + 8 * (all - first) + 4 * right;
	allocated->bytes = counters->medium_bytes + counters->large_bytes + counters->grown_bytes +
					   left[0] + left[1] + left[2] + left[3] + all[1] + 2 * all[2] + 3 * all[3];
}

const char *
ga_state_name(ga_chunk_state state)
{
	static const char *const names[GA_NUM_STATES] = {
		"fresh", "active", "full", "reuse", "fault", "quarantined", "ready",
	};

	return names[state];
}

/*
 * ga_heap_draw_mode
 *		xorshift64*; its upper half is good enough to compare with a rate.
 */
ga_quarantine
ga_heap_draw_mode(ga_heap *heap)
{
	uint64_t x = heap->random;

	if (heap->config.quarantine == GA_QUARANTINE_OFF || heap->sample_every == 0)
		return GA_QUARANTINE_OFF;
	if (heap->sample_every == UINT32_MAX)
		return heap->config.quarantine;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	heap->random = x;
	if ((uint32_t) ((x * UINT64_C(2685821657736338717)) >> 32) < heap->sample_every)
		return heap->config.quarantine;
	return GA_QUARANTINE_OFF;
}

void
ga_heap_add_event(ga_heap *heap, const ga_event *event)
{
	if (heap->num_events < GA_MAX_EVENTS)
		heap->events[heap->num_events++] = *event;
	else
		heap->lost_events++;
}
