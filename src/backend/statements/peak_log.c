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

#include "backend/process/statement_hooks.h"
#include "backend/statements/peak_log.h"
#include "backend/usage/largest.h"
#include "backend/usage/usage.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/process_heap.h"

/* Contexts of statements that stay below this are looked at when these end. */
#define WATCH_LEAST ((Size) 64 << 10)

int goarena_log_peak = -1;

static LargestContexts largest; /* of the statement that ran last */
static Size largest_at = 0;		/* bytes that the statement had added then; 0 if it was not yet */
static Size watch_base = 0;
static Size watch_at = SIZE_MAX; /* look when contexts hold so much; SIZE_MAX: never */

/*
 * peak_log_look
 *		Remember the largest contexts.
 */
static void
peak_log_look(void)
{
	largest_at = UsageContexts() > watch_base ? UsageContexts() - watch_base : 1;
	FindLargestContexts(&largest);
}

/*
 * peak_log_watch
 *		Look when contexts hold so much: arenas, with what others were last found to
 *		hold.
 */
static void
peak_log_watch(Size at)
{
	Size others = UsageContexts() - process_heap.in_use;

	watch_at = at;
	process_heap_watch = at == SIZE_MAX ? SIZE_MAX : at - Min(at, others);
}

void
PeakLogReached(void)
{
	peak_log_look();
	peak_log_watch(UsageContexts() + Max(largest_at / 4, WATCH_LEAST));
}

/*
 * peak_log_plain_changed
 *		Contexts that are no arenas can reach it, too.
 */
static void
peak_log_plain_changed(void)
{
	if (watch_at == SIZE_MAX)
		return;
	if (UsageContexts() >= watch_at)
		PeakLogReached();
	else
		peak_log_watch(watch_at);
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
	peak_log_watch(base + Max(threshold, largest_at + largest_at / 4));
}

void
PeakLogPause(void)
{
	peak_log_watch(SIZE_MAX);
}

void
AssignLogPeak(int newval, void *extra)
{
	if (newval < 0)
		return;
	PlainContextsWatch();
	StatementHooksWant();
}

static bool
peak_log_wants(Size peak)
{
	return goarena_log_peak >= 0 && peak / 1024 >= (Size) goarena_log_peak;
}

void
PeakLogAtEnd(Size peak)
{
	if (peak_log_wants(peak) && largest_at == 0)
		peak_log_look();
}

void
PeakLogStatement(Size peak, Size workers_peak)
{
	if (!peak_log_wants(peak))
		return;
	if (largest_at == 0)
		peak_log_look();
	/* Identifiers of contexts can be texts that the client may not see. */
	ereport(LOG_SERVER_ONLY,
			(workers_peak == 0
				 ? errmsg("statement used %zu kB of memory at its peak", peak / 1024)
				 : errmsg("statement used %zu kB of memory at its peak, %zu kB of it in "
						  "parallel workers",
						  peak / 1024, workers_peak / 1024),
			 errdetail("Largest memory contexts of the process when the statement held %zu kB: %s.",
					   largest_at / 1024, LargestContextsText(&largest, true))));
}

void
PeakLogInit(void)
{
	usage_plain_changed = peak_log_plain_changed;
	AssignLogPeak(goarena_log_peak, NULL);
}
