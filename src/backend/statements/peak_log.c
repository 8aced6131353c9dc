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
#include "backend/statements/peak_watch.h"
#include "mcxt/plain_contexts.h"

int goarena_log_peak = -1;

static PeakWatch peak_log_watch; /* over the statement at the top that ran last */

void
PeakLogResume(Size base, bool first)
{
	if (first)
		PeakWatchForget(&peak_log_watch);
	if (goarena_log_peak >= 0)
		PeakWatchEnter(&peak_log_watch, base, (Size) goarena_log_peak * 1024);
}

void
PeakLogPause(void)
{
	PeakWatchLeave(&peak_log_watch);
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
	if (peak_log_wants(peak))
		(void) PeakWatchLookIfWorth(&peak_log_watch, peak);
}

void
PeakLogStatement(Size peak, Size workers_peak)
{
	bool looked;

	if (!peak_log_wants(peak))
		return;
	looked = PeakWatchLookIfWorth(&peak_log_watch, peak);
	/* Identifiers of contexts can be texts that the client may not see. */
	ereport(
		LOG_SERVER_ONLY,
		(workers_peak == 0 ? errmsg("statement used %zu kB of memory at its peak", peak / 1024)
						   : errmsg("statement used %zu kB of memory at its peak, %zu kB of it in "
									"parallel workers",
									peak / 1024, workers_peak / 1024),
		 looked ? errdetail("Largest memory contexts of the process when the statement held %zu "
							"kB: %s.",
							peak_log_watch.largest_at / 1024,
							LargestContextsText(&peak_log_watch.largest, true))
				: errdetail("The process has so many memory contexts that they were not looked "
							"at.")));
}

void
PeakLogInit(void)
{
	PeakWatchInit();
	AssignLogPeak(goarena_log_peak, NULL);
}
