/*-------------------------------------------------------------------------
 *
 * sweeps.c
 *	  Running a sweep, and what a process remembers of its sweeps.
 *
 * maintenance.c decides when.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "backend/process/process.h"
#include "backend/sweeps/roots.h"
#include "backend/sweeps/sweeps.h"
#include "mcxt/arena_context.h"
#include "mcxt/debug.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"

HOT_DATA int goarena_trace = TRACE_OFF;

bool sweeps_paused = false;

static SweepRecord history[SWEEP_HISTORY];
static uint64 num_sweeps = 0; /* ever, in this process */
static bool logged_incomplete = false;

bool
SafeToSweep(void)
{
	return process_heap_ready && !sweeps_paused && !process_heap.sweeping &&
		   CritSectionCount == 0 && InterruptHoldoffCount == 0 && !proc_exit_inprogress &&
		   ProcessIsOurs();
}

const char *
SweepReasonName(SweepReason reason)
{
	switch (reason)
	{
		case SWEEP_VOLUME:
			return "volume";
		case SWEEP_TRANSACTION_END:
			return "transaction end";
		case SWEEP_SQL:
			return "sql";
		case SWEEP_RELEASE:
			return "release";
		case SWEEP_OUT_OF_MEMORY:
			return "out of memory";
		case SWEEP_LIMIT:
			return "limit";
		case SWEEP_REQUEST:
			return "request";
		case SWEEP_IDLE:
			return "idle";
	}
	return "unknown";
}

const SweepRecord *
SweepHistory(int i)
{
	if (i < 0 || i >= SWEEP_HISTORY || (uint64) i >= num_sweeps)
		return NULL;
	return &history[(num_sweeps - 1 - i) % SWEEP_HISTORY];
}

/*
 * sweeps_trace
 *		One log line a sweep, as Go's gctrace.
 */
static void
sweeps_trace(const SweepRecord *record, size_t quarantined_before)
{
	const ga_sweep_result *result = &record->result;

	ereport(LOG_SERVER_ONLY,
			(errmsg("goarena: sweep " UINT64_FORMAT " (%s): %zu kB scanned, %zu chunks freed, "
					"%zu pinned, quarantine %zu -> %zu kB, %zu kB in use, %.3f ms",
					num_sweeps, SweepReasonName(record->reason), result->bytes_scanned / 1024,
					result->chunks_freed, result->chunks_pinned, quarantined_before / 1024,
					process_heap.state_bytes[GA_QUARANTINED] / 1024, process_heap.in_use / 1024,
					result->duration / 1000.0),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * sweeps_check
 *		Mark a second time, and read through the kernel.  Not if there are other threads, which may
 *		change memory meanwhile.
 */
static void
sweeps_check(void)
{
	static bool logged_failure = false;

	if (process_heap.sweep.incomplete || RootsMayChange())
		return;
	ga_sweep_check_begin(&process_heap);
	if (!ScanRoots(&process_heap, NULL))
		ga_sweep_give_up(&process_heap);
	ga_sweep_live(&process_heap);
	if (!ga_sweep_check_end(&process_heap) && !logged_failure)
	{
		logged_failure = true;
		ereport(LOG, (errmsg("goarena could not check its sweeps in this process"),
					  errdetail("The memory of this process cannot be read through the kernel.")));
	}
}

/*
 * sweeps_report_check
 *		Both readings must find the same, or one of them misses pointers.
 */
static void
sweeps_report_check(const ga_sweep_result *result)
{
	if (result->missed + result->added == 0)
		return;
	ereport(
		WARNING,
		(errcode(ERRCODE_INTERNAL_ERROR),
		 errmsg("two readings of memory by sweep " UINT64_FORMAT " of goarena differ", num_sweeps),
		 errdetail("%zu slots have a pointer to them that only the direct reading found, and "
				   "%zu one that only the reading through the kernel found.",
				   result->missed, result->added),
		 errhint("No memory was freed that either of them found a pointer to.  Please report "
				 "this as a bug of goarena.")));
}

void
RunSweep(SweepReason reason, ga_sweep_result *result)
{
	SweepRecord *record = &history[num_sweeps % SWEEP_HISTORY];
	size_t before = process_heap.state_bytes[GA_QUARANTINED];

	Assert(SafeToSweep());
	sweeps_paused = true;
	ga_sweep_begin(&process_heap);
	if (!ScanRoots(&process_heap, NULL))
		ga_sweep_give_up(&process_heap);
	ga_sweep_live(&process_heap);
	if (unlikely((debug_checks & DEBUG_CHECKMARK) != 0))
		sweeps_check();
	ga_sweep_finish(&process_heap, result);

	record->at = GetCurrentTimestamp();
	record->reason = reason;
	record->result = *result;
	num_sweeps++;

	/* Without /proc every sweep is incomplete, so say it once. */
	if (result->incomplete && !logged_incomplete)
		ereport(LOG, (errmsg("goarena could not read all memory of this process"),
					  errdetail("No quarantined memory was freed.  Further sweeps of this process "
								"of which that is true are not logged.")));
	logged_incomplete |= result->incomplete;
	sweeps_report_check(result);
	if (goarena_trace >= TRACE_SWEEPS)
		sweeps_trace(record, before);
	sweeps_paused = false;
}

size_t
RunRelease(void)
{
	ga_sweep_result result;
	size_t released;

	ArenaContextsTrim();
	RunSweep(SWEEP_RELEASE, &result);
	released = ga_heap_release(&process_heap);
	if (goarena_trace >= TRACE_ALL)
		ereport(LOG_SERVER_ONLY, (errmsg("goarena: %zu kB released", released / 1024),
								  errhidestmt(true), errhidecontext(true)));
	return released;
}
