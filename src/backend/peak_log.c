/*-------------------------------------------------------------------------
 *
 * peak_log.c
 *	  goarena.log_peak: log statements that use much memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/largest.h"
#include "backend/peak_log.h"
#include "mcxt/process_heap.h"

/* Smaller statements are looked at once, when they have run. */
#define WATCH_LEAST ((Size) 64 << 10)

int goarena_log_peak = -1;

static LargestContexts largest; /* of the statement that ran last */
static Size largest_at = 0;		/* bytes that the statement had added then; 0 if it was not yet */
static Size watch_base = 0;

/*
 * Look
 *		Remember the largest contexts, and wait for the next quarter.
 */
static void
Look(void)
{
	largest_at = process_heap.in_use > watch_base ? process_heap.in_use - watch_base : 1;
	FindLargestContexts(&largest);
}

static void
WatchedSizeReached(void)
{
	Look();
	process_heap_watch = process_heap.in_use + Max(largest_at / 4, WATCH_LEAST);
}

void
PeakLogResume(Size base, bool first)
{
	Size threshold;

	if (first)
		largest_at = 0;
	if (goarena_log_peak < 0)
		return;
	threshold = Max((Size) goarena_log_peak * 1024, WATCH_LEAST);
	watch_base = base;
	process_heap_watch = base + Max(threshold, largest_at + largest_at / 4);
}

void
PeakLogPause(void)
{
	process_heap_watch = SIZE_MAX;
}

static bool
IsToBeLogged(Size peak)
{
	return goarena_log_peak >= 0 && peak / 1024 >= (Size) goarena_log_peak;
}

void
PeakLogAtEnd(Size peak)
{
	if (IsToBeLogged(peak) && largest_at == 0)
		Look();
}

void
PeakLogStatement(Size peak, Size workers_peak)
{
	if (!IsToBeLogged(peak))
		return;
	if (largest_at == 0)
		Look();
	/* Identifiers of contexts can be texts that the client may not see. */
	ereport(LOG_SERVER_ONLY,
			(workers_peak == 0
				 ? errmsg("statement used %zu kB of memory at its peak", peak / 1024)
				 : errmsg("statement used %zu kB of memory at its peak, %zu kB of it in "
						  "parallel workers",
						  peak / 1024, workers_peak / 1024),
			 errdetail("Largest memory contexts of the process when %zu kB were in use: %s.",
					   largest_at / 1024, LargestContextsText(&largest, true))));
}

void
PeakLogInit(void)
{
	process_heap_watched = WatchedSizeReached;
}
