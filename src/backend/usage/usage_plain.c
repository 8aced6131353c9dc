/*-------------------------------------------------------------------------
 *
 * usage_plain.c
 *	  What contexts that are no arenas hold.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/usage/malloced.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "mcxt/process_heap.h"

/* To add them up may take one part in this many of the time. */
#define MEASUREMENT_SHARE 50

/*
 * If it takes at most this many microseconds, it is done besides for each of these contexts that ends
 * with much memory.
 */
#define CHEAP_MEASUREMENT 200

/* To give back this many bytes takes longer than to add up what is left. */
#define LARGE_MEASUREMENT ((Size) 4 << 20)

void (*usage_plain_changed)(void) = NULL;
Size usage_undecided = 0;

/*
 * plain_note
 *		They hold this many bytes.  What they held until now makes a peak, too.
 */
static void
plain_note(Size bytes)
{
	bool same;

	ProcessHeapNoteStatement();
	same = bytes == UsagePlain();
	if (!same)
		UsageMarksFold();
	UsagePlainFound(bytes);
	if (same)
		return;
	UsageMarksFold();
	if (usage_plain_changed != NULL)
		usage_plain_changed();
}

/*
 * plain_sum
 *		Add up the bytes that do not come from the heap.
 */
static Size
plain_sum(void)
{
	Size sum = 0;

	context_walk_foreach (walk, TopMemoryContext)
		sum += ContextIsArena(walk.context) ? ArenaSetElsewhere(ArenaSetOfContext(walk.context))
											: walk.context->mem_allocated;
	return sum + MallocedBytes() - usage_undecided;
}

void
UsageMeasurePlain(void)
{
	plain_note(plain_sum());
}

/* How many microseconds it took the last time, and when it may be done again. */
static int64 measurement_time = 0;
static TimestampTz measure_again = 0;

static void
plain_note_time(TimestampTz began)
{
	measurement_time = GetCurrentTimestamp() - began;
	measure_again = began + MEASUREMENT_SHARE * measurement_time;
}

void
UsageMeasurePlainIfCheap(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < measure_again)
		return;
	UsageMeasurePlain();
	plain_note_time(now);
}

/*
 * UsagePlainLeave
 *		What such a context held at most shows when it ends, so nothing need be done while it grows.
 *		Not in the postmaster, whose children would inherit the peaks.
 */
void
UsagePlainLeave(Size bytes, bool listed)
{
	TimestampTz now = GetCurrentTimestamp();
	Size rest;

	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		return;
	if (now < measure_again && measurement_time > CHEAP_MEASUREMENT && bytes < LARGE_MEASUREMENT)
		return;
	rest = plain_sum();
	if (listed)
		rest -= Min(bytes, rest);
	plain_note(rest + bytes);
	plain_note(rest);
	plain_note_time(now);
}
