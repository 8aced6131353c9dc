/*-------------------------------------------------------------------------
 *
 * heap.c
 *	  A heap: setting it up, its settings, and what it holds.
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
#include "special.h"
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
ga_heap_init(ga_heap *heap, const ga_os *os, ga_sampler *sampler, const ga_config *config,
			 uint64_t seed)
{
	/* All but the buffers of sweeps at the end, so that these take no pages before the first one. */
	memset(heap, 0, offsetof(ga_heap, sweep.copy));
	heap->os = os;
	heap->sampler = sampler;
	heap->min_order = GA_MIN_ORDER;
	if (ga_order_of(os->page_size) > heap->min_order)
		heap->min_order = ga_order_of(os->page_size);
	heap->hint = HINT_BASE | (seed & HINT_MASK) << HINT_SHIFT;
	heap->profile.random = ~seed | 1;

	ga_metadata_init(&heap->metadata, os);
	ga_fixed_init(&heap->chunk_structs, &heap->metadata, sizeof(ga_chunk));
	ga_fixed_init(&heap->slot_structs, &heap->metadata, sizeof(ga_slot));
	ga_fixed_init(&heap->segment_structs, &heap->metadata, sizeof(ga_segment));
	ga_fixed_init(&heap->granules, &heap->metadata, sizeof(ga_granules));
	ga_fixed_init(&heap->type_maps, &heap->metadata, sizeof(ga_type_map));
	ga_fixed_init(&heap->type_granules, &heap->metadata, sizeof(ga_type_granule));
	for (int i = 0; i < GA_TYPE_ROOMS; i++)
		ga_fixed_init(&heap->type_ids[i], &heap->metadata,
					  (size_t) ga_type_room(i) * sizeof(uint16_t));
	ga_fixed_init(&heap->pins, &heap->metadata, sizeof(ga_pins));
	ga_fixed_init(&heap->free_lists, &heap->metadata, sizeof(ga_free_lists));
	ga_fixed_init(&heap->delays, &heap->metadata, sizeof(ga_delay));
	ga_fixed_init(&heap->profile.samples, &heap->metadata, sizeof(ga_sample));
	ga_fixed_init(&heap->special_structs, &heap->metadata, sizeof(ga_special));
	ga_fixed_init(&heap->special_sets, &heap->metadata, sizeof(ga_specials));

	for (int order = 0; order < GA_NUM_ORDERS; order++)
	{
		ga_list_init(&heap->fresh[order]);
		ga_list_init(&heap->ready[order]);
	}
	for (int order = 0; order <= GA_HANDON_ORDER; order++)
		ga_list_init(&heap->reuse[order]);
	ga_list_init(&heap->cooling);
	ga_list_init(&heap->fresh_huge);
	ga_list_init(&heap->ready_huge);
	ga_list_init(&heap->wasteful);
	ga_list_init(&heap->stuck);
	heap->limit = SIZE_MAX;
	ga_list_init(&heap->retained_lru);
	ga_list_init(&heap->arenas);
	ga_list_init(&heap->parked);

	ga_heap_configure(heap, config);
}

/*
 * heap_free_mapped
 *		Give back the slots of a segment in which the heap has something mapped.
 */
static void
heap_free_mapped(ga_heap *heap, const ga_segment *segment)
{
	uint32_t mapped = ~(segment->spent | segment->swept | segment->lost);

	while (mapped != 0)
	{
		int first = __builtin_ctz(mapped);
		uint32_t run = mapped & ~(mapped + (mapped & -mapped));

		heap->os->free((void *) (segment->base + ((uintptr_t) first << GA_SLOT_SHIFT)),
					   (size_t) __builtin_popcount(run) << GA_SLOT_SHIFT);
		mapped &= ~run;
	}
}

void
ga_heap_destroy(ga_heap *heap)
{
	ga_segment *segment = heap->segments;

	while (segment != NULL)
	{
		ga_segment *next = segment->next;

		GA_MAKE_UNDEFINED(segment->base, GA_SEGMENT_SIZE);
		heap_free_mapped(heap, segment);
		segment = next;
	}
	ga_metadata_destroy(&heap->metadata);
}

void
ga_heap_configure(ga_heap *heap, const ga_config *config)
{
	heap->config = *config;
	heap->max_order = ga_order_of(config->chunk_size);
	heap->large_threshold = config->chunk_size / 4;
	ga_sampler_set_rate(heap->sampler, config->sample_rate);
	ga_sweep_schedule(heap);
}

void
ga_heap_reset_stats(ga_heap *heap)
{
	memset(&heap->counters, 0, sizeof(heap->counters));
}

/*
 * heap_resident_pages
 *		Count the pages of a range that are resident.
 */
static size_t
heap_resident_pages(ga_heap *heap, uintptr_t base, uintptr_t end)
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
 * heap_resident_segment
 *		Count the resident pages of a segment.  Asks only up to the last touched page of each run of
 *		slots: the kernel takes as long for a page that is not there as for one that is, and it
 *		refuses ranges with holes.
 */
static size_t
heap_resident_segment(ga_heap *heap, const ga_segment *segment)
{
	uintptr_t at = segment->base;
	uintptr_t from = at;
	uintptr_t end = at;
	size_t resident = 0;
	const ga_chunk *chunk;

	if (segment->huge != NULL)
		return heap_resident_pages(heap, at, at + GA_SEGMENT_SIZE);
	while ((chunk = ga_segment_next(segment, &at)) != NULL)
	{
		if (chunk->touched == 0)
			continue;
		if (ga_align_up(end, GA_SLOT_SIZE) < ga_align_down(chunk->base, GA_SLOT_SIZE))
		{
			resident += heap_resident_pages(heap, from, end);
			from = chunk->base;
		}
		end = chunk->base + chunk->touched;
	}
	return resident + heap_resident_pages(heap, from, end);
}

size_t
ga_heap_resident(ga_heap *heap)
{
	const ga_metadata *metadata = &heap->metadata;
	size_t resident = 0;

	assert(!heap->sweeping);
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
		resident += heap_resident_segment(heap, segment);
	for (int i = 0; i < metadata->num_regions; i++)
		resident += heap_resident_pages(heap, metadata->regions[i],
										metadata->regions[i] == metadata->current.base
											? metadata->current.mapped
											: metadata->regions[i] + GA_REGION_SIZE);
	return resident * heap->os->page_size;
}

void
ga_heap_trim_metadata(ga_heap *heap)
{
	ga_fixed_trim(&heap->granules);
	ga_fixed_trim(&heap->type_maps);
	ga_fixed_trim(&heap->delays);
}

void
ga_counters_allocated(const ga_counters *counters, ga_allocated *allocated)
{
	allocated->objects = counters->medium_allocs + counters->large_allocs;
	allocated->bytes = counters->medium_bytes + counters->large_bytes + counters->grown_bytes;
	for (int i = 0; i < GA_SMALL_CLASSES; i++)
	{
		allocated->objects += counters->classes[i].allocs;
		allocated->bytes += counters->classes[i].allocs * ga_class_size(i);
	}
}

const char *
ga_state_name(ga_chunk_state state)
{
	static const char *const names[GA_NUM_STATES] = {
		"fresh", "active", "full", "reuse", "nursery", "fault", "quarantined", "ready",
	};

	return names[state];
}
