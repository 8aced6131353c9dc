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

#include "arena.h"
#include "delay.h"
#include "sweep.h"

void
ga_sweep_schedule(ga_heap *heap)
{
	int percent = heap->config.sweep_percent;
	size_t share;

	if (percent < 0)
	{
		heap->next_sweep = SIZE_MAX;
		return;
	}
	share = heap->in_use / 100 * (size_t) percent;
	heap->next_sweep = ga_max_size(ga_max_size(share, heap->config.sweep_min),
								   ga_min_size(heap->pace, heap->config.sweep_max));
}

/* Sweeps are frequent if they take more than one part in so many of the time, and rare if less. */
#define FREQUENT_SHARE 16
#define RARE_SHARE	   128

/*
 * adjust_pace
 *		After a sweep that was due and took so many microseconds.
 */
static void
adjust_pace(ga_heap *heap, int64_t duration, int64_t now)
{
	int64_t since = now - heap->last_due;
	size_t most = ga_max_size(heap->config.sweep_min, heap->config.sweep_max);

	if (heap->last_due != 0 && duration * FREQUENT_SHARE > since)
		heap->pace = ga_min_size(2 * ga_max_size(heap->pace, heap->config.sweep_min), most);
	else if (duration * RARE_SHARE < since)
		heap->pace /= 2;
	heap->last_due = now;
}

void
ga_sweep_begin(ga_heap *heap)
{
	ga_sweep *sweep = &heap->sweep;

	assert(!heap->sweeping);
	ga_heap_flush_faults(heap);
	heap->sweeping = true;
	sweep->due = ga_sweep_due(heap);
	heap->fresh_quarantine = 0;
	sweep->started = heap->os->now();
	sweep->scanned = 0;
	sweep->incomplete = false;
	sweep->low = UINTPTR_MAX;
	sweep->high = 0;
	for (ga_heap_arena *heap_arena = heap->heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
	{
		uintptr_t end =
			heap_arena->base + (heap_arena->huge ? heap_arena->huge->size : GA_HEAP_ARENA_SIZE);

		if (heap_arena->candidates == 0)
			continue;
		if (heap_arena->base < sweep->low)
			sweep->low = heap_arena->base;
		if (end > sweep->high)
			sweep->high = end;
	}
}

/*
 * mark
 *		A word lies between the lowest and the highest candidate.
 */
static void
mark(ga_heap *heap, uintptr_t word, uintptr_t where)
{
	ga_chunk *chunk = ga_heap_lookup(heap, word);

	if (chunk != NULL && !chunk->marked && ga_state_is_candidate(chunk->state))
	{
		chunk->marked = true;
		chunk->pinned_by = where;
	}
}

/*
 * scan_words
 *		Look at all aligned words of readable memory.  What they are said to be
 *		the addresses of differs from where they are if this is a copy.
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
				mark(heap, word[i], (uintptr_t) (word + i) + (uintptr_t) offset);
	}
	for (; word < end; word++)
		if (*word - low < span)
			mark(heap, *word, (uintptr_t) word + (uintptr_t) offset);
}

/*
 * scan_copies
 *		As scan_words, but through copies of the memory.  Leaves out pages that
 *		are not there.
 */
static void
scan_copies(ga_heap *heap, uintptr_t from, uintptr_t to)
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
 * scan_resident
 *		Scan the parts of a range whose pages are resident.
 */
static void
scan_resident(ga_heap *heap, uintptr_t from, uintptr_t to, bool unstable)
{
	size_t page_size = heap->os->page_size;
	unsigned char *pages = heap->sweep.pages;

	while (from < to)
	{
		uintptr_t base = ga_align_down(from, page_size);
		uintptr_t end = ga_min_size(base + GA_SWEEP_PAGES * page_size, to);
		size_t count = (end - base + page_size - 1) / page_size;

		/* Where a part is gone, the rest must be found by trying. */
		if (heap->os->resident((void *) base, count * page_size, pages) != 0)
		{
			scan_copies(heap, from, end);
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

				if (unstable)
					scan_copies(heap, run, run_end);
				else
					scan_words(heap, (uint64_t *) run, (uint64_t *) run_end, run);
			}
			else
				i++;
		}
		from = end;
	}
}

/*
 * scan_range
 *		Scan the aligned words of a range.
 */
static void
scan_range(ga_heap *heap, uintptr_t from, uintptr_t to, ga_root_kind kind)
{
	from = ga_align_up(from, sizeof(uint64_t));
	to = ga_align_down(to, sizeof(uint64_t));
	if (kind != GA_ROOT_RESIDENT)
		scan_resident(heap, from, to, kind == GA_ROOT_UNSTABLE);
	else if (from < to)
		scan_words(heap, (uint64_t *) from, (uint64_t *) to, from);
}

/*
 * ga_sweep_root
 *		Cut chunks, metadata and the heap's own struct out of the range.
 */
void
ga_sweep_root(ga_heap *heap, uintptr_t from, uintptr_t to, ga_root_kind kind)
{
	uintptr_t self = (uintptr_t) heap;

	while (from < to)
	{
		uintptr_t next =
			ga_min_size(ga_align_down(from, GA_HEAP_ARENA_SIZE) + GA_HEAP_ARENA_SIZE, to);
		uintptr_t skip_to = 0;

		if (ga_heap_arena_of(heap, from) != NULL)
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
			scan_range(heap, from, next, kind);
			from = next;
		}
	}
}

void
ga_sweep_live(ga_heap *heap)
{
	ga_list_foreach (link, &heap->arenas)
	{
		ga_arena *arena = ga_container(ga_arena, link, link);

		ga_delay_check(arena);
		if (arena->active != NULL)
			scan_range(heap, arena->active->start, arena->ptr, GA_ROOT_MAPPED);
		ga_list_foreach (at, &arena->full)
		{
			ga_chunk *chunk = ga_container(ga_chunk, link, at);

			scan_range(heap, chunk->start, chunk->used, GA_ROOT_MAPPED);
		}
		ga_list_foreach (at, &arena->large)
		{
			ga_chunk *chunk = ga_container(ga_chunk, link, at);

			scan_range(heap, chunk->start, chunk->used, GA_ROOT_MAPPED);
		}
	}
}

/*
 * settle
 *		An unmarked candidate becomes ready.  Called in order of address, and
 *		puts chunks behind those on the list: neighbours stay together.
 */
static void
settle(ga_heap *heap, ga_chunk *chunk, ga_sweep_result *result)
{
	if (chunk->late)
	{
		/* When the first roots were read it was in use, and was not marked. */
		chunk->late = chunk->marked = false;
		return;
	}
	if (chunk->marked || heap->sweep.incomplete)
	{
		if (!chunk->marked)
			chunk->pinned_by = 0;
		chunk->marked = false;
		result->chunks_pinned++;
		return;
	}

	result->chunks_freed++;
	result->bytes_freed += chunk->size;
	if (chunk->state == GA_FAULT)
	{
		ga_list_remove(&heap->fault, &chunk->link);
		heap->fault_bytes -= chunk->touched;
	}
	else
		ga_list_remove(&heap->quarantined, &chunk->link);
	ga_chunk_set_state(heap, chunk, GA_READY);
	chunk->pinned_by = 0;
	ga_list_push_tail(chunk->size > GA_HEAP_ARENA_SIZE ? &heap->ready_huge
													   : &heap->ready[chunk->order],
					  &chunk->link);
}

/*
 * settle_heap_arena
 *		Settle all candidates of a heap arena.
 */
static void
settle_heap_arena(ga_heap *heap, ga_heap_arena *heap_arena, ga_sweep_result *result)
{
	size_t left = heap_arena->candidates;

	if (heap_arena->huge != NULL)
	{
		settle(heap, heap_arena->huge, result);
		return;
	}
	for (uintptr_t at = heap_arena->base; left > 0;)
	{
		ga_chunk *chunk = heap_arena->chunks[ga_granule_of(at)];

		at = chunk->base + chunk->size;
		if (ga_state_is_candidate(chunk->state))
		{
			left--;
			settle(heap, chunk, result);
		}
		(void) ga_chunk_merge_ready(heap, chunk);
	}
}

void
ga_sweep_finish(ga_heap *heap, ga_sweep_result *result)
{
	ga_counters *counters = &heap->counters;
	int64_t now;

	*result = (ga_sweep_result){
		.bytes_scanned = heap->sweep.scanned,
		.incomplete = heap->sweep.incomplete,
	};
	for (ga_heap_arena *heap_arena = heap->heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
		if (heap_arena->candidates > 0)
			settle_heap_arena(heap, heap_arena, result);

	heap->sweeping = false;
	ga_heap_flush_faults(heap);
	ga_heap_trim_excess(heap);
	now = heap->os->now();
	result->duration = now - heap->sweep.started;
	if (heap->sweep.due)
		adjust_pace(heap, result->duration, now);
	ga_sweep_schedule(heap);

	counters->sweeps++;
	counters->sweep_us += (uint64_t) result->duration;
	if ((uint64_t) result->duration > counters->max_sweep_us)
		counters->max_sweep_us = (uint64_t) result->duration;
	counters->chunks_freed += result->chunks_freed;
	counters->chunks_pinned += result->chunks_pinned;
}
