/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  What the process holds now, and what it has allocated so far.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/process/counters.h"
#include "backend/usage/usage.h"
#include "mcxt/process_heap.h"

/* Look again at contexts that are no arenas once they took this much, or an eighth of what they hold. */
#define PLAIN_STEP ((Size) 256 << 10)

static Size plain = 0;		 /* bytes of contexts that are no arenas, as last found */
static Size plain_grown = 0; /* what they took since */

Size
UsageContexts(void)
{
	return process_heap.in_use + plain;
}

Size
UsagePlain(void)
{
	return plain;
}

Size
UsageHeldSurely(void)
{
	return (process_heap_ready ? ga_heap_held(&process_heap) : 0) + plain;
}

Size
UsageHeld(void)
{
	return UsageHeldSurely() + plain_grown;
}

bool
UsagePlainGrew(Size bytes)
{
	plain_grown += bytes;
	return plain_grown >= Max(PLAIN_STEP, plain / 8);
}

void
UsagePlainFound(Size bytes)
{
	plain = bytes;
	plain_grown = 0;
}

void
UsageReadCounters(UsageCounters *counters)
{
	ga_allocated allocated;

	ga_counters_allocated(&process_heap.counters, &allocated);
	counters->objects = allocated.objects;
	counters->bytes = allocated.bytes;
	counters->large_allocs = process_heap.counters.large_allocs;
	counters->limit_hits = CountersOfProcess(COUNT_LIMIT_HITS);
}

static inline uint64
usage_difference(uint64 from, uint64 to)
{
	return to >= from ? to - from : to;
}

void
UsageAddDifference(UsageCounters *sum, const UsageCounters *from, const UsageCounters *to)
{
	sum->objects += usage_difference(from->objects, to->objects);
	sum->bytes += usage_difference(from->bytes, to->bytes);
	sum->large_allocs += usage_difference(from->large_allocs, to->large_allocs);
	sum->limit_hits += usage_difference(from->limit_hits, to->limit_hits);
}

void
UsageAdd(UsageCounters *sum, const UsageCounters *more)
{
	sum->objects += more->objects;
	sum->bytes += more->bytes;
	sum->large_allocs += more->large_allocs;
	sum->limit_hits += more->limit_hits;
}
