/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  See sweep.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena.h"
#include "delay.h"
#include "probes.h"
#include "special.h"
#include "sweep.h"
#include "type_map.h"

/* Ask the processor for this many cache lines of typed memory before reading them. */
#define SCAN_AHEAD 16

void
ga_sweep_begin(ga_heap *heap)
{
	ga_sweep *sweep = &heap->sweep;

	assert(!heap->sweeping);
	ga_heap_flush_faults(heap);
	GA_PROBE2(sweep__begin, heap->state_chunks[GA_QUARANTINED], heap->fresh_quarantine);
	heap->sweeping = true;
	heap->fresh_quarantine = 0;
	sweep->started = heap->os->now();
	sweep->scanned = 0;
	sweep->incomplete = sweep->checking = sweep->checked = false;
	sweep->missed = sweep->added = 0;
	sweep->look = NULL;
	sweep->low = UINTPTR_MAX;
	sweep->high = 0;
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		segment->candidates = segment->spent;
		segment->marked = 0;
		if (segment->candidates == 0)
			continue;
		sweep->low = ga_min_size(sweep->low, segment->base);
		sweep->high = segment->base + GA_SEGMENT_SIZE;
	}
}

/*
 * sweep_pin
 *		Mark a candidate to which a pointer was found at an address.
 */
static void
sweep_pin(ga_heap *heap, ga_segment *segment, uint32_t bit, uintptr_t where)
{
	segment->marked |= bit;
	if (segment->pins == NULL)
	{
		segment->pins = ga_fixed_alloc(&heap->pins);
		if (segment->pins == NULL)
			return;
		memset(segment->pins, 0, sizeof(*segment->pins));
	}
	segment->pins->where[__builtin_ctz(bit)] = where;
}

/*
 * sweep_mark
 *		Handle a word that lies between the lowest and the highest candidate, or segment: it may be
 *		a pointer to one.
 */
static void
sweep_mark(ga_heap *heap, uintptr_t word, uintptr_t where)
{
	ga_segment *segment = ga_segment_of(heap, word);
	uint32_t bit = ga_slot_bit(word);

	if (GA_UNLIKELY(heap->sweep.look != NULL))
	{
		if (segment != NULL)
			heap->sweep.look->pointer(heap->sweep.look, where, word);
	}
	else if (segment != NULL && (segment->candidates & ~segment->marked & bit) != 0)
		sweep_pin(heap, segment, bit, where);
}

/*
 * scan_words
 *		Look at all aligned words of readable memory. where is the address that the first one has in
 *		the process: it is another one than that of the memory if this is a copy.
 */
GA_NO_SANITIZE static void
scan_words(ga_heap *heap, const uint64_t *word, const uint64_t *end, uintptr_t where)
{
	uintptr_t low = heap->sweep.low;
	uintptr_t span = heap->sweep.high - low;
	intptr_t offset = (intptr_t) (where - (uintptr_t) word);

	heap->sweep.scanned += (size_t) (end - word) * sizeof(uint64_t);

	/* Four at a time: most words are no pointers of ours. */
	for (; end - word >= 4; word += 4)
	{
		if (GA_LIKELY((word[0] - low >= span) & (word[1] - low >= span) & (word[2] - low >= span) &
					  (word[3] - low >= span)))
			continue;
		for (int i = 0; i < 4; i++)
			if (word[i] - low < span)
				sweep_mark(heap, word[i], (uintptr_t) (word + i) + (uintptr_t) offset);
	}
	for (; word < end; word++)
		if (*word - low < span)
			sweep_mark(heap, *word, (uintptr_t) word + (uintptr_t) offset);
}

/*
 * sweep_scan_copies
 *		As scan_words, but through copies of the memory.  Leaves out pages that
 *		are not there.
 */
static void
sweep_scan_copies(ga_heap *heap, uintptr_t from, uintptr_t to)
{
	ga_sweep *sweep = &heap->sweep;

	while (from < to)
	{
		size_t wanted = ga_min_size(to - from, GA_SWEEP_COPY);
		size_t copied = heap->os->peek(sweep->copy, (void *) from, wanted) / sizeof(uint64_t);

		scan_words(heap, sweep->copy, sweep->copy + copied, from);
		from += copied * sizeof(uint64_t);
		if (copied == 0)
		{
			if (errno != EFAULT)
			{
				ga_sweep_give_up(heap);
				return;
			}
			from = ga_align_down(from, heap->os->page_size) + heap->os->page_size;
		}
	}
}

/*
 * scan_pointers
 *		As scan_words, but only words with a bit in the mask.
 */
GA_NO_SANITIZE static void
scan_pointers(ga_heap *heap, const uint64_t *words, uint64_t mask)
{
	uintptr_t low = heap->sweep.low;
	uintptr_t span = heap->sweep.high - low;

	for (; mask != 0; mask &= mask - 1)
	{
		const uint64_t *word = words + __builtin_ctzl(mask);

		heap->sweep.scanned += sizeof(uint64_t);
		if (GA_UNLIKELY(*word - low < span))
			sweep_mark(heap, *word, (uintptr_t) word);
	}
}

/*
 * sweep_fetch
 *		Ask for the cache lines of the granules to come, until SCAN_AHEAD lines are on their way.
 *		Typed memory is rarely in a cache, and the processor cannot foresee where its next pointers
 *		lie.  Returns the first granule not asked for.
 */
static int
sweep_fetch(ga_type_granule *const *granules, uintptr_t segment, int next, int end, int *lines)
{
	for (; next < end && *lines < SCAN_AHEAD; next++)
	{
		const ga_type_granule *granule = granules[next];
		const uint64_t *words = (const uint64_t *) (segment + (uintptr_t) next * GA_GRANULE_SIZE);

		if (granule == NULL || granule == &ga_type_nothing)
			continue;
		for (int i = 0; i < GA_GRANULE_WORDS / 64; i++)
			if (granule->pointers[i] != 0)
			{
				__builtin_prefetch(words + i * 64 + __builtin_ctzl(granule->pointers[i]));
				++*lines;
			}
	}
	return next;
}

/*
 * sweep_scan_granule
 *		Scan the words of a granule, between two addresses, that may be pointers.  Returns how many
 *		cache lines it has read.
 */
static int
sweep_scan_granule(ga_heap *heap, const ga_type_granule *granule, uintptr_t from, uintptr_t to)
{
	int lines = 0;

	for (uintptr_t at = ga_align_down(from, 64 * sizeof(uint64_t)); at < to;
		 at += 64 * sizeof(uint64_t))
	{
		uint64_t mask = granule->pointers[ga_word_of(at) / 64];

		if (mask == 0)
			continue;
		lines++;
		if (at < from)
			mask &= UINT64_MAX << ga_word_of(from) % 64;
		if (to - at < 64 * sizeof(uint64_t))
			mask &= (UINT64_C(1) << ga_word_of(to) % 64) - 1;
		scan_pointers(heap, (uint64_t *) at, mask);
	}
	return lines;
}

/*
 * sweep_scan_typed
 *		Scan part of a typed chunk: of granules in the type map, only words that may be pointers.
 */
static void
sweep_scan_typed(ga_heap *heap, uintptr_t from, uintptr_t to)
{
	const ga_segment *segment = ga_segment_of(heap, from);
	ga_type_granule *const *granules = segment->types->granules;
	int last = ga_granule_of(to - 1);
	int next = ga_granule_of(from);
	int lines = 0; /* at least this many are asked for and not read yet */

	while (from < to)
	{
		int index = ga_granule_of(from);
		uintptr_t end = ga_min_size(ga_align_down(from, GA_GRANULE_SIZE) + GA_GRANULE_SIZE, to);
		const ga_type_granule *granule = granules[index];

		next = sweep_fetch(granules, segment->base, next > index ? next : index, last + 1, &lines);
		if (granule == NULL)
			scan_words(heap, (uint64_t *) from, (uint64_t *) end, from);
		else if (granule != &ga_type_nothing)
			lines -= sweep_scan_granule(heap, granule, from, end);
		if (lines < 0)
			lines = 0;
		from = end;
	}
}

/*
 * sweep_scan_array
 *		Scan part of a span whose object is an array of a type: the pointers in its elements.
 */
static void
sweep_scan_array(ga_heap *heap, const ga_chunk *chunk, uintptr_t from, uintptr_t to)
{
	const ga_type *type = chunk->type;
	uintptr_t start = chunk->start + GA_HEADER_SIZE;
	uintptr_t at = from <= start ? start : start + (from - start) / type->size * type->size;

	for (; at < to; at += type->size)
		for (size_t word = 0; word < type->pointer_words; word += 64)
		{
			uintptr_t first = at + word * sizeof(uint64_t);
			uint64_t mask = type->pointers[word / 64];

			/* An element can begin before, or end behind, the part. */
			if (first >= to)
				break;
			if (first + 64 * sizeof(uint64_t) <= from)
				continue;
			if (first < from)
				mask &= UINT64_MAX << (from - first) / sizeof(uint64_t);
			if (to - first < 64 * sizeof(uint64_t))
				mask &= (UINT64_C(1) << (to - first) / sizeof(uint64_t)) - 1;
			scan_pointers(heap, (uint64_t *) first, mask);
		}
}

/* What is known of memory that is to be read. */
typedef struct source
{
	bool unstable;		   /* another thread may unmap it */
	const ga_chunk *typed; /* the chunk whose types say where pointers are, or NULL */
} source;

/*
 * sweep_scan_run
 *		Scan pages in a row that are resident.
 */
static void
sweep_scan_run(ga_heap *heap, uintptr_t from, uintptr_t to, const source *source)
{
	if (source->unstable || (GA_UNLIKELY(heap->sweep.checking) && source->typed == NULL))
		sweep_scan_copies(heap, from, to);
	else if (source->typed == NULL)
		scan_words(heap, (uint64_t *) from, (uint64_t *) to, from);
	else if (source->typed->large)
		sweep_scan_array(heap, source->typed, from, to);
	else
		sweep_scan_typed(heap, from, to);
}

/*
 * sweep_stopped
 *		Has the looker seen enough?  A sweep wants all.
 */
static bool
sweep_stopped(const ga_heap *heap)
{
	ga_look *look = heap->sweep.look;

	return look != NULL && look->stopped(look);
}

/*
 * sweep_scan_resident
 *		Scan the parts of a range whose pages are resident.
 */
static void
sweep_scan_resident(ga_heap *heap, uintptr_t from, uintptr_t to, const source *source)
{
	size_t page_size = heap->os->page_size;
	unsigned char *pages = heap->sweep.pages;

	while (from < to && !sweep_stopped(heap))
	{
		uintptr_t base = ga_align_down(from, page_size);
		uintptr_t end = ga_min_size(base + GA_SWEEP_PAGES * page_size, to);
		size_t count = (end - base + page_size - 1) / page_size;

		/* Where a part is gone, the rest must be found by trying. */
		if (heap->os->resident((void *) base, count * page_size, pages) != 0)
		{
			sweep_scan_copies(heap, from, end);
			from = end;
			continue;
		}
		for (size_t i = 0; i < count;)
		{
			size_t first = i;

			while (i < count && (pages[i] & 1) != 0)
				i++;
			if (i > first)
			{
				uintptr_t run = ga_max_size(base + first * page_size, from);
				uintptr_t run_end = ga_min_size(base + i * page_size, end);

				sweep_scan_run(heap, run, run_end, source);
			}
			else
				i++;
		}
		from = end;
	}
}

/*
 * sweep_scan_range
 *		Scan the aligned words of a range.
 */
static void
sweep_scan_range(ga_heap *heap, uintptr_t from, uintptr_t to, ga_root_kind kind)
{
	from = ga_align_up(from, sizeof(uint64_t));
	to = ga_align_down(to, sizeof(uint64_t));
	if (GA_UNLIKELY(heap->sweep.checking) && kind == GA_ROOT_RESIDENT)
		sweep_scan_copies(heap, from, to);
	else if (kind != GA_ROOT_RESIDENT)
		sweep_scan_resident(heap, from, to, &(source){.unstable = kind == GA_ROOT_UNSTABLE});
	else if (from < to)
		scan_words(heap, (uint64_t *) from, (uint64_t *) to, from);
}

/*
 * sweep_is_ours
 *		Does the heap have memory in the slot of this address?  In a slot that was spent or lost,
 *		what is mapped is not the heap's.
 */
static bool
sweep_is_ours(const ga_heap *heap, uintptr_t address)
{
	const ga_segment *segment = ga_segment_of(heap, address);

	return segment != NULL &&
		   ((segment->spent | segment->swept | segment->lost) & ga_slot_bit(address)) == 0;
}

/*
 * ga_sweep_root
 *		Cuts chunks, metadata and the heap's own struct out of the range, and scans what is left.
 */
void
ga_sweep_root(ga_heap *heap, uintptr_t from, uintptr_t to, ga_root_kind kind)
{
	uintptr_t self = (uintptr_t) heap;

	while (from < to && !sweep_stopped(heap))
	{
		size_t unit = ga_segment_of(heap, from) != NULL ? GA_SLOT_SIZE : GA_SEGMENT_SIZE;
		uintptr_t next = ga_min_size(ga_align_down(from, unit) + unit, to);
		uintptr_t skip_to = 0;

		if (sweep_is_ours(heap, from))
		{
			from = next;
			continue;
		}
		for (int i = 0; i < heap->metadata.num_regions; i++)
		{
			uintptr_t region = heap->metadata.regions[i];

			if (from - region < GA_REGION_SIZE)
				skip_to = region + GA_REGION_SIZE;
			else if (region > from && region < next)
				next = region;
		}
		if (from - self < sizeof(*heap))
			skip_to = self + sizeof(*heap);
		else if (self > from && self < next)
			next = self;

		if (skip_to != 0)
			from = skip_to;
		else
		{
			sweep_scan_range(heap, from, next, kind);
			from = next;
		}
	}
}

/*
 * sweep_scan_specials
 *		Scan the data of specials: the argument of a finalizer may have no other pointer to it.
 */
static void
sweep_scan_specials(ga_heap *heap, const ga_specials *specials)
{
	ga_list_foreach (link, &specials->waiting)
	{
		const ga_special *special = ga_container(ga_special, link, link);
		uintptr_t data = (uintptr_t) special->data;

		sweep_scan_range(heap, data, data + sizeof(special->data), GA_ROOT_RESIDENT);
	}
}

/*
 * sweep_scan_chunk
 *		Scan the objects at the front of a chunk.  Those at its back have no pointers.
 */
static void
sweep_scan_chunk(ga_heap *heap, const ga_chunk *chunk, uintptr_t end)
{
	if (GA_LIKELY(!chunk->typed && !(chunk->large && chunk->type != NULL)))
		sweep_scan_range(heap, chunk->start, end, GA_ROOT_MAPPED);
	else if (!chunk->large || chunk->type->pointer_words > 0)
		sweep_scan_resident(heap, chunk->start, end, &(source){.typed = chunk});
}

void
ga_sweep_live(ga_heap *heap)
{
	ga_list_foreach (link, &heap->arenas)
	{
		ga_arena *arena = ga_container(ga_arena, link, link);

		ga_delay_check(arena);
		if (arena->specials != NULL)
			sweep_scan_specials(heap, arena->specials);
		if (arena->active != NULL)
			sweep_scan_chunk(heap, arena->active, arena->ptr);
		ga_list_foreach (at, &arena->full)
		{
			ga_chunk *chunk = ga_container(ga_chunk, link, at);

			sweep_scan_chunk(heap, chunk, chunk->used);
		}
		ga_list_foreach (at, &arena->large)
		{
			ga_chunk *chunk = ga_container(ga_chunk, link, at);

			sweep_scan_chunk(heap, chunk, chunk->used);
		}
	}
}

void
ga_look_begin(ga_heap *heap, ga_look *look)
{
	ga_sweep *sweep = &heap->sweep;

	assert(!heap->sweeping);
	heap->sweeping = true;
	sweep->scanned = 0;
	sweep->incomplete = false;
	sweep->look = look;
	sweep->low = heap->segments == NULL ? 0 : heap->segments->base;
	sweep->high = 0;
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
		sweep->high = segment->base + GA_SEGMENT_SIZE;
}

bool
ga_look_end(ga_heap *heap)
{
	heap->sweeping = false;
	heap->sweep.look = NULL;
	return !heap->sweep.incomplete;
}

/* The address of the pointer that pins a slot; 0 if it is not known. */
static uintptr_t
sweep_pinned_from(const ga_segment *segment, int slot)
{
	return segment->pins == NULL ? 0 : segment->pins->where[slot];
}

/*
 * sweep_spread
 *		Pin together what was given up together: code that points to one byte of a large object can
 *		use all of it.
 */
static void
sweep_spread(ga_heap *heap, ga_segment *segment)
{
	for (int slot = 1; slot < GA_SLOTS; slot++)
	{
		uint32_t pair = segment->marked >> (slot - 1) & 3;

		if ((segment->joined >> slot & 1) == 0 || pair != 1)
			continue;
		sweep_pin(heap, segment, UINT32_C(1) << slot, sweep_pinned_from(segment, slot - 1));
	}
	for (int slot = GA_SLOTS - 1; slot > 0; slot--)
	{
		uint32_t pair = segment->marked >> (slot - 1) & 3;

		if ((segment->joined >> slot & 1) == 0 || pair != 2)
			continue;
		sweep_pin(heap, segment, UINT32_C(1) << (slot - 1), sweep_pinned_from(segment, slot));
	}
}

/* Does a segment begin with a part of what was given up together in the segment before it? */
static bool
sweep_goes_on(const ga_segment *segment, const ga_segment *before)
{
	return segment != NULL && segment->base == before->base + GA_SEGMENT_SIZE &&
		   (segment->joined & segment->candidates & 1) != 0;
}

/*
 * sweep_spread_all
 *		Do so for a huge span that begins with this segment, if there is one.  Returns the first
 *		segment behind it, or behind this segment.
 */
static ga_segment *
sweep_spread_all(ga_heap *heap, ga_segment *first)
{
	ga_segment *segment = first;
	uintptr_t where = 0;
	bool marked = false;
	ga_segment *end;

	do
	{
		if ((segment->joined & segment->candidates) != 0 && segment->marked != 0)
			sweep_spread(heap, segment);
		if (!marked && (segment->marked & 1) != 0)
		{
			marked = true;
			where = sweep_pinned_from(segment, 0);
		}
		end = segment;
		segment = segment->next;
	} while (sweep_goes_on(segment, end));
	if (marked && end != first)
		for (ga_segment *at = first; at != segment; at = at->next)
			for (int slot = 0; slot < GA_SLOTS; slot++)
				if ((at->marked >> slot & 1) == 0)
					sweep_pin(heap, at, UINT32_C(1) << slot, where);
	return segment;
}

/*
 * sweep_settle
 *		Free the candidates of a segment that have no mark, and pin those that have one.
 */
static void
sweep_settle(ga_heap *heap, ga_segment *segment, ga_sweep_result *result)
{
	uint32_t freed = heap->sweep.incomplete ? 0 : segment->candidates & ~segment->marked;
	size_t count = (size_t) __builtin_popcount(freed);
	size_t bytes = count << GA_SLOT_SHIFT;

	result->chunks_freed += count;
	result->chunks_pinned += (size_t) __builtin_popcount(segment->candidates) - count;
	result->bytes_freed += bytes;
	segment->spent &= ~freed;
	segment->swept |= freed;
	segment->candidates = 0;
	if (segment->marked == 0 && segment->pins != NULL)
	{
		ga_fixed_free(&heap->pins, segment->pins);
		segment->pins = NULL;
	}
	for (int i = 0; segment->pins != NULL && i < GA_SLOTS; i++)
		if ((segment->marked >> i & 1) == 0)
			segment->pins->where[i] = 0;
	heap->state_bytes[GA_QUARANTINED] -= bytes;
	heap->state_chunks[GA_QUARANTINED] -= count;
	heap->released -= bytes;
	heap->state_bytes[GA_FRESH] += bytes;
	heap->swept_slots += count;
}

void
ga_sweep_finish(ga_heap *heap, ga_sweep_result *result)
{
	ga_counters *counters = &heap->counters;

	*result = (ga_sweep_result){
		.bytes_scanned = heap->sweep.scanned,
		.incomplete = heap->sweep.incomplete,
		.checked = heap->sweep.checked,
		.missed = heap->sweep.missed,
		.added = heap->sweep.added,
	};
	for (ga_segment *segment = heap->segments; segment != NULL;)
		segment = sweep_spread_all(heap, segment);
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
		sweep_settle(heap, segment, result);

	heap->sweeping = false;
	ga_heap_trim_excess(heap);
	result->duration = heap->os->now() - heap->sweep.started;
	ga_sweep_schedule(heap);

	counters->sweeps++;
	counters->sweep_us += (uint64_t) result->duration;
	if ((uint64_t) result->duration > counters->max_sweep_us)
		counters->max_sweep_us = (uint64_t) result->duration;
	counters->chunks_freed += result->chunks_freed;
	counters->chunks_pinned += result->chunks_pinned;
	GA_PROBE4(sweep__end, result->chunks_freed, result->chunks_pinned, result->bytes_scanned,
			  result->duration);
}
