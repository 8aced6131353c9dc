/*-------------------------------------------------------------------------
 *
 * sweeps.c
 *	  When a process sweeps, and what it remembers of it.
 *
 * A sweep becomes due by the volume that came into quarantine.  It runs at the
 * next moment that is safe: where the allocation path is slow anyway, or just
 * before a transaction commits.  Commit proper holds off interrupts, so the
 * latter is XACT_EVENT_PRE_COMMIT; after an abort the next slow allocation
 * finds the sweep still due.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "backend/events.h"
#include "backend/fault_report.h"
#include "backend/limit_setting.h"
#include "backend/limits.h"
#include "backend/process.h"
#include "backend/registry.h"
#include "backend/requests.h"
#include "backend/roots.h"
#include "backend/showing.h"
#include "backend/snapshots.h"
#include "backend/sweeps.h"
#include "mcxt/arena_context.h"
#include "mcxt/free_history.h"
#include "mcxt/process_heap.h"

int goarena_trace = TRACE_OFF;

static SweepRecord history[SWEEP_HISTORY];
static uint64 num_sweeps = 0; /* ever, in this process */
static bool in_maintenance = false;
static bool told_incomplete = false;

bool
SafeToSweep(void)
{
	return process_heap_ready && !in_maintenance && !process_heap.sweeping &&
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
 * TraceSweep
 *		One log line a sweep, as Go's gctrace.
 */
static void
TraceSweep(const SweepRecord *record, size_t quarantined_before)
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

void
RunSweep(SweepReason reason, ga_sweep_result *result)
{
	SweepRecord *record = &history[num_sweeps % SWEEP_HISTORY];
	size_t before = process_heap.state_bytes[GA_QUARANTINED];

	Assert(SafeToSweep());
	in_maintenance = true;
	ga_sweep_begin(&process_heap);
	if (!ScanRoots(&process_heap))
		ga_sweep_give_up(&process_heap);
	ga_sweep_live(&process_heap);
	ga_sweep_finish(&process_heap, result);

	record->at = GetCurrentTimestamp();
	record->reason = reason;
	record->result = *result;
	num_sweeps++;

	/* Where /proc is hidden each sweep is so. */
	if (result->incomplete && !told_incomplete)
		ereport(LOG, (errmsg("goarena could not read all memory of this process"),
					  errdetail("No quarantined memory was freed.  Further sweeps of this process "
								"of which that is true are not logged.")));
	told_incomplete |= result->incomplete;
	if (goarena_trace >= TRACE_SWEEPS)
		TraceSweep(record, before);
	in_maintenance = false;
	RegistryPublish();
}

size_t
RunRelease(void)
{
	ga_sweep_result result;
	size_t released;

	ArenaContextsTrim();
	RunSweep(SWEEP_RELEASE, &result);
	released = ga_heap_release(&process_heap);
	RegistryPublish();
	if (goarena_trace >= TRACE_ALL)
		ereport(LOG_SERVER_ONLY, (errmsg("goarena: %zu kB released", released / 1024),
								  errhidestmt(true), errhidecontext(true)));
	return released;
}

/*
 * Maintain
 *		What the heap wants done, if now is a moment for it.
 */
static void
Maintain(SweepReason reason)
{
	ga_sweep_result result;

	if (ProcessHeapMoved())
	{
		RegistryPublish();
		SnapshotLeaveMoved();
	}
	RequestsSafePoint();
	if (!SafeToSweep())
		return;
	if (goarena_settings_changed)
	{
		ProcessHeapPrepare();
		ga_sweep_schedule(&process_heap);
	}
	if (ga_sweep_due(&process_heap))
		RunSweep(reason, &result);
	if (process_heap.num_events > 0)
	{
		in_maintenance = true;
		ReportEvents();
		in_maintenance = false;
	}
}

static void
MaintainOnSlowPath(void)
{
	Maintain(SWEEP_VOLUME);
}

bool
KeepExcessBegin(void)
{
	bool before = process_heap.keeps_excess;

	/* Others may need it more. */
	process_heap.keeps_excess = goarena_total_memory_limit_kb == NO_LIMIT;
	return before;
}

void
KeepExcessEnd(bool before)
{
	if (!before)
		ga_heap_keep_excess(&process_heap, false);
}

void
MaintainAtStatementEnd(void)
{
	if (unlikely(ProcessHeapWantsAttention()))
		Maintain(SWEEP_VOLUME);
}

/*
 * FindMemory
 *		Memory is used up.  Quarantine holds address space, mappings and pages:
 *		give them back, as far as this is a moment for it.
 */
static bool
FindMemory(void)
{
	ga_sweep_result result;

	if (!process_heap_ready || process_heap.sweeping)
		return false;
	if (process_heap.limit_refused)
		return LimitsFindRoom();
	ArenaContextsTrim();
	if (SafeToSweep())
		RunSweep(SWEEP_OUT_OF_MEMORY, &result);
	(void) ga_heap_release(&process_heap);
	return true;
}

/*
 * ShowMoved
 *		Much memory was taken or given back, perhaps after the transaction ended:
 *		others must count with it, or must not any longer.
 */
static void
ShowMoved(void)
{
	LimitsAfterShrinking();
	if (ProcessHeapMoved())
		RegistryPublish();
}

/*
 * TraceExit
 *		The life of a process in one line.
 */
static void
TraceExit(int code, Datum arg)
{
	const ga_counters *counters = &process_heap.counters;

	if (goarena_trace < TRACE_ALL || !process_heap_ready)
		return;
	ereport(LOG_SERVER_ONLY,
			(errmsg("goarena: exit after " UINT64_FORMAT " resets and " UINT64_FORMAT
					" sweeps of %.3f ms in all, %zu kB reserved",
					counters->resets, counters->sweeps, counters->sweep_us / 1000.0,
					process_heap.reserved / 1024),
			 errhidestmt(true), errhidecontext(true)));
}

void
SweepsTransactionEnd(void)
{
	static bool exit_registered = false;

	KeepExcessEnd(false);
	free_history_transactions++;
	LimitsAtTransactionEnd();
	ShowAtTransactionEnd(RequestsCanCome());
	if (unlikely(goarena_trace >= TRACE_ALL) && !exit_registered)
	{
		exit_registered = true;
		on_proc_exit(TraceExit, (Datum) 0);
	}
}

void
SweepsBeforeCommit(void)
{
	KeepExcessEnd(false);
	RequestsListen();
	if (!process_heap_ready)
		return;
	FaultReportLearnNames();
	if (ProcessHeapWantsAttention())
		Maintain(SWEEP_TRANSACTION_END);
}

void
SweepsInit(void)
{
	process_heap_maintenance = MaintainOnSlowPath;
	process_heap_emergency = FindMemory;
	process_heap_moved = ShowMoved;
}
