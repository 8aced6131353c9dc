/*-------------------------------------------------------------------------
 *
 * quarantine.c
 *	  What becomes of chunks whose arena is done with them.
 *
 * A freed chunk must not be touched any more, and its addresses must not be
 * used again while a pointer into it may exist.  Setting it to fault costs a
 * system call, so freed chunks collect on the fault list; a batch is sorted,
 * and each run of neighbours is set to fault by one call.  During a sweep
 * nothing is set to fault: what is freed then waits for its end.
 *
 * Each isolated range is a mapping, of which a process may have only so many.
 * Above config.max_mappings chunks stay on the fault list, where a sweep can
 * free them all the same; the caller is told once.
 *
 * Pages of chunks not in use are kept up to config.retain bytes, the ones
 * used last being kept the longest.  Beyond that they can be kept for the time
 * of some work that is likely to want them again (ga_heap_keep_excess).
 *
 * After Go's runtime, arena.go: freeUserArenaChunk, setUserArenaChunkToFault;
 * batching and the budget are ours.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <errno.h>

#include "annotate.h"
#include "heap.h"

/* The fault list is set to fault when it has this many chunks or bytes. */
#define FAULT_BATCH_CHUNKS 64
#define FAULT_BATCH_BYTES  ((size_t) 4 << 20)

static ga_chunk *
chunk_of(ga_link *link)
{
	return ga_container(ga_chunk, link, link);
}

static bool
lower_base(const ga_link *a, const ga_link *b)
{
	return ga_container(ga_chunk, link, a)->base < ga_container(ga_chunk, link, b)->base;
}

/*
 * disown
 *		Forget the owner.  The owner's id stays for reports.
 */
static void
disown(ga_chunk *chunk)
{
	assert(ga_state_is_owned(chunk->state));
	GA_MAKE_NOACCESS(chunk->base, chunk->accessible);
	chunk->arena = NULL;
	chunk->large = false;
}

void
ga_chunk_make_ready(ga_heap *heap, ga_chunk *chunk)
{
	disown(chunk);
	ga_chunk_set_state(heap, chunk, GA_READY);

	/* The chunk used last is the warmest. */
	if (chunk->size > GA_HEAP_ARENA_SIZE)
		ga_list_push_head(&heap->ready_huge, &chunk->link);
	else
		ga_list_push_head(&heap->ready[chunk->order], &chunk->link);
	ga_heap_trim_excess(heap);
}

void
ga_chunk_hand_on(ga_heap *heap, ga_chunk *chunk)
{
	assert(chunk->order <= GA_HANDON_ORDER && !chunk->large);
	chunk->arena = NULL;
	chunk->freed = chunk->charged = 0;
	chunk->freed_note = heap->freed_note;
	ga_chunk_set_state(heap, chunk, GA_REUSE);
	ga_list_push_head(&heap->reuse[chunk->order], &chunk->link);
}

void
ga_chunk_quarantine(ga_heap *heap, ga_chunk *chunk)
{
	/* What was handed on has its note already. */
	if (chunk->state != GA_REUSE)
		chunk->freed_note = heap->freed_note;
	disown(chunk);
	ga_chunk_set_state(heap, chunk, GA_FAULT);
	ga_list_push_tail(&heap->fault, &chunk->link);
	chunk->late = heap->sweeping;
	/* What is held counts, and of a span whose pages moved on, its addresses. */
	heap->fresh_quarantine += ga_max_size(chunk->touched, chunk->used - chunk->base);
	heap->fault_bytes += chunk->touched;

	if (heap->fault.count >= FAULT_BATCH_CHUNKS || heap->fault_bytes >= FAULT_BATCH_BYTES)
		ga_heap_flush_faults(heap);
}

/*
 * fault_run
 *		Set the run of neighbours that begins with the given chunk to fault and
 *		move it to quarantine.  Returns the link after the run, or NULL if the
 *		operating system refused and the list is as it was.
 */
static ga_link *
fault_run(ga_heap *heap, ga_link *first)
{
	ga_chunk *chunk = chunk_of(first);
	uintptr_t from = chunk->base;
	uintptr_t to = from + chunk->accessible;
	ga_link *end = first->next;
	ga_link *link = first;

	/* What is accessible in part ends a run: the next chunk begins further on. */
	while (end != &heap->fault.head && chunk_of(end)->base == to)
	{
		chunk = chunk_of(end);
		to += chunk->accessible;
		end = end->next;
	}
	if (to > from)
	{
		if (heap->os->fault((void *) from, to - from) != 0)
			return NULL;
		heap->counters.fault_calls++;
	}

	while (link != end)
	{
		ga_link *next = link->next;

		chunk = chunk_of(link);
		ga_list_remove(&heap->fault, link);
		heap->fault_bytes -= chunk->touched;
		ga_chunk_note_access(heap, chunk, 0);
		ga_chunk_set_state(heap, chunk, GA_QUARANTINED);
		ga_list_push_tail(&heap->quarantined, link);
		if (chunk->touched > 0)
		{
			/* In order of address, for ga_heap_trim to find runs. */
			ga_list_remove(&heap->retained_lru, &chunk->retained);
			ga_list_push_tail(&heap->retained_lru, &chunk->retained);
		}
		link = next;
	}
	return end;
}

/*
 * may_isolate
 *		Is there room for more mappings?  One call can add two.  Once isolation
 *		has stopped, it goes on when a sixteenth of the room is free again.
 */
static bool
may_isolate(ga_heap *heap)
{
	size_t limit = heap->config.max_mappings;

	if (heap->isolation_stopped)
		limit -= limit / 16;
	if (heap->mappings + 2 <= limit)
	{
		heap->isolation_stopped = false;
		return true;
	}
	if (!heap->isolation_stopped)
	{
		ga_event event = {.kind = GA_EVENT_MAPPING_LIMIT, .size = heap->mappings};

		ga_heap_add_event(heap, &event);
		heap->isolation_stopped = true;
	}
	return false;
}

void
ga_chunk_close(ga_heap *heap, ga_chunk *chunk)
{
	if (heap->sweeping || chunk->accessible == 0 || !may_isolate(heap) ||
		heap->os->fault((void *) chunk->base, chunk->accessible) != 0)
		return;
	heap->counters.fault_calls++;
	ga_chunk_note_access(heap, chunk, 0);
}

void
ga_heap_flush_faults(ga_heap *heap)
{
	ga_link *link;

	if (heap->sweeping || ga_list_empty(&heap->fault) || !may_isolate(heap))
		return;

	ga_list_sort(&heap->fault, lower_base);
	link = heap->fault.head.next;
	while (link != &heap->fault.head && may_isolate(heap))
	{
		ga_link *next = fault_run(heap, link);

		if (next == NULL)
		{
			ga_event event = {.kind = GA_EVENT_FAULT_FAILED, .error = errno};

			if (!heap->fault_failure_told)
				ga_heap_add_event(heap, &event);
			heap->fault_failure_told = true;
			break;
		}
		heap->fault_failure_told = false;
		link = next;
	}
	ga_heap_trim_excess(heap);
}

/*
 * close_run
 *		Chunks without pages need no access either: memory that can be written
 *		counts against limits of the process even if it is not there.  If the
 *		operating system refuses, access stays.
 */
static void
close_run(ga_heap *heap, uintptr_t from, size_t count)
{
	ga_link *link = ga_list_first(&heap->retained_lru);
	const ga_chunk *chunk = NULL;
	uintptr_t to = from;
	bool open = false;

	for (size_t i = 0; i < count; i++, link = link->next)
	{
		chunk = ga_container(ga_chunk, retained, link);
		to = chunk->base + ga_max_size(chunk->touched, chunk->accessible);
		open = open || chunk->accessible > 0;
	}
	if (!open || !may_isolate(heap) || heap->os->fault((void *) from, to - from) != 0)
		return;
	heap->counters.fault_calls++;
	link = ga_list_first(&heap->retained_lru);
	for (size_t i = 0; i < count; i++, link = link->next)
		ga_chunk_note_access(heap, ga_container(ga_chunk, retained, link), 0);
}

/* What is kept in excess goes in steps of at least so many bytes. */
#define TRIM_STEP ((size_t) 256 << 10)

/* Of a chunk that keeps at least this much, only the end is given back. */
#define TRIM_KEEPS ((size_t) 1 << 20)

/*
 * give_back
 *		Give pages back, or have it told, once, that the system refuses.
 */
static bool
give_back(ga_heap *heap, uintptr_t from, uintptr_t to)
{
	ga_event event = {.kind = GA_EVENT_RELEASE_FAILED};

	if (heap->os->unuse((void *) from, to - from) == 0)
	{
		heap->release_failure_told = false;
		return true;
	}
	event.error = errno;
	if (!heap->release_failure_told)
		ga_heap_add_event(heap, &event);
	heap->release_failure_told = true;
	return false;
}

/*
 * note_given_back
 *		Only so many bytes of a chunk still have their pages.
 */
static void
note_given_back(ga_heap *heap, ga_chunk *chunk, size_t kept)
{
	if (chunk->state == GA_FAULT)
		heap->fault_bytes -= chunk->touched - kept;
	ga_chunk_touch(heap, chunk, kept);
}

/*
 * trim_run
 *		Give back the pages of the chunk that was used longest ago, and of
 *		neighbours that follow it in the list, up to so many bytes or a little
 *		more.
 */
static bool
trim_run(ga_heap *heap, size_t excess)
{
	ga_link *link = ga_list_first(&heap->retained_lru);
	ga_chunk *chunk = ga_container(ga_chunk, retained, link);
	uintptr_t from = chunk->base;
	size_t bytes = chunk->touched;
	size_t count = 1;

	if (bytes >= excess + TRIM_KEEPS)
	{
		size_t kept = ga_align_down(bytes - excess, GA_GRANULE_SIZE);

		if (!give_back(heap, from + kept, from + bytes))
			return false;
		note_given_back(heap, chunk, kept);
		return true;
	}

	while (chunk->touched == chunk->size && bytes < excess &&
		   (link = ga_list_next(&heap->retained_lru, link)) != NULL)
	{
		chunk = ga_container(ga_chunk, retained, link);
		if (chunk->base != from + bytes)
			break;
		bytes += chunk->touched;
		count++;
	}
	if (!give_back(heap, from, from + bytes))
		return false;
	close_run(heap, from, count);
	for (; count > 0; count--)
		note_given_back(heap, ga_container(ga_chunk, retained, ga_list_first(&heap->retained_lru)),
						0);
	return true;
}

/*
 * trim_to
 *		Chunks come to the list in order of their last use, and batches in order
 *		of address, so runs of neighbours are again one system call.
 */
static void
trim_to(ga_heap *heap, size_t target)
{
	while (heap->retained > target && !ga_list_empty(&heap->retained_lru))
		if (!trim_run(heap, heap->retained - target))
			break;
}

/*
 * ga_heap_trim
 *		Goes an eighth below, not to be called again for each chunk.
 */
void
ga_heap_trim(ga_heap *heap, size_t retain)
{
	trim_to(heap, retain - retain / 8);
}

void
ga_heap_trim_excess(ga_heap *heap)
{
	if (heap->retained > heap->config.retain && !heap->keeps_excess)
		ga_heap_trim(heap, heap->config.retain);
}

void
ga_heap_keep_excess(ga_heap *heap, bool keep)
{
	heap->keeps_excess = keep;
	heap->to_trim = 0;
	ga_heap_trim_excess(heap);
}

void
ga_heap_note_touched(ga_heap *heap, size_t bytes)
{
	heap->touched += bytes;
	if (GA_LIKELY(!heap->keeps_excess || heap->retained <= heap->config.retain))
		return;
	heap->to_trim += bytes;
	if (heap->to_trim >= TRIM_STEP)
	{
		trim_to(heap, ga_max_size(heap->config.retain,
								  heap->retained - ga_min_size(heap->retained, heap->to_trim)));
		heap->to_trim = 0;
	}
}

size_t
ga_heap_release(ga_heap *heap)
{
	size_t before = heap->retained;

	ga_heap_flush_faults(heap);
	ga_heap_trim(heap, 0);
	return before - heap->retained;
}
