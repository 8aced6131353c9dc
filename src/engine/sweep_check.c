/*-------------------------------------------------------------------------
 *
 * sweep_check.c
 *	  Doing a sweep twice, and comparing the results.
 *
 * A sweep that misses a pointer is the worst error there is: memory is used again although there is
 * a pointer to it.  So a sweep can mark twice, and read memory in two ways: where it lies, and
 * through the system.  Nothing but the sweep runs meanwhile, so both readings must find the same.
 * What either of them found stays marked.
 *
 * After Go's checkmark mode (runtime, mcheckmark.go), which marks again with the
 * world stopped.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>

#include "sweep.h"

void
ga_sweep_check_begin(ga_heap *heap)
{
	assert(heap->sweeping && !heap->sweep.checking && !heap->sweep.incomplete);
	heap->sweep.checking = true;
	heap->sweep.scanned_first = heap->sweep.scanned;
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		segment->marked_first = segment->marked;
		segment->marked = 0;
	}
}

bool
ga_sweep_check_end(ga_heap *heap)
{
	ga_sweep *sweep = &heap->sweep;
	bool complete = !sweep->incomplete;

	assert(sweep->checking);
	sweep->checking = sweep->incomplete = false;
	sweep->scanned = sweep->scanned_first;
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		uint32_t missed = segment->marked_first & ~segment->marked;
		uint32_t added = segment->marked & ~segment->marked_first;

		sweep->missed += (size_t) __builtin_popcount(missed);
		sweep->added += (size_t) __builtin_popcount(added);
		segment->marked |= segment->marked_first;
	}
	sweep->checked = complete;
	return complete;
}
