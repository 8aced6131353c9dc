/*-------------------------------------------------------------------------
 *
 * maintenance.c
 *	  What a process does for its memory besides its work, and when.
 *
 * A sweep becomes due by the volume that came into quarantine.  It runs at the
 * next moment that is safe: where the allocation path is slow anyway, or just
 * before a transaction commits.  Commit proper holds off interrupts, so the
 * latter is XACT_EVENT_PRE_COMMIT; after an abort the next slow allocation
 * finds the sweep still due.  At the same moments this process does what others
 * asked of it, shows what it holds, and reports what the engine noted down.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"

#include "backend/limits/limit_setting.h"
#include "backend/limits/limits.h"
#include "backend/maintenance/events.h"
#include "backend/maintenance/idle.h"
#include "backend/maintenance/maintenance.h"
#include "backend/process/names.h"
#include "backend/registry/registry.h"
#include "backend/registry/requests.h"
#include "backend/registry/showing.h"
#include "backend/registry/snapshots.h"
#include "backend/sweeps/sweeps.h"
#include "backend/usage/usage_marks.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/arena_context.h"
#include "mcxt/free_history.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"

/* From so many bytes on it does not matter what it takes to publish them. */
#define MUCH_TO_SHOW ((Size) 1 << 20)

/*
 * maintain_show_moved
 *		Show that what this process holds has moved.  Where there are limits, others add up what is
 *		published, and look there for unused pages.
 */
static inline void
maintain_show_moved(void)
{
	ShowMoved(RequestsCanCome() && !LimitSettingAny());
}

/*
 * maintain
 *		Do what the heap needs, if this is a moment for it.
 */
static void
maintain(SweepReason reason)
{
	ga_sweep_result result;

	if (ProcessHeapMoved())
	{
		maintain_show_moved();
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
	{
		RunSweep(reason, &result);
		RegistryPublish();
	}
	if (process_heap.num_events > 0)
	{
		sweeps_paused = true;
		ReportEvents();
		sweeps_paused = false;
	}
}

void
MaintainOnSlowPath(void)
{
	maintain(SWEEP_VOLUME);
}

/*
 * maintain_end_keeping
 *		Give back what is beyond goarena.retain.  That does not move in_use, but what the process
 *		holds.
 */
static inline void
maintain_end_keeping(void)
{
	size_t touched = process_heap.touched;

	if (!process_heap.keeps_excess)
		return;
	ga_heap_keep_excess(&process_heap, false);
	if (unlikely(process_heap.touched < touched))
		maintain_show_moved();
}

/*
 * MaintainStatementBegun
 *		A statement is likely to want again what it gives up while it runs.  So the heap keeps that,
 *		even beyond goarena.retain, unless that is 0.  Not with a shared limit: then other processes
 *		may need it more.
 */
void
MaintainStatementBegun(void)
{
	UsageStatementBegin();
	if (!process_heap_ready)
		return;
	maintain_end_keeping();
	LimitsStatementBegun();
	process_heap.keeps_excess = !LimitSettingShared() && goarena_retain_kb > 0;
}

/*
 * MaintainFindMemory
 *		Find memory, since it is used up.  Quarantine holds address space, mappings and pages: give
 *		them back, as far as this is a moment for it.
 *
 * Where little is left, a statement can come here for each of its rows.  So memory that is mapped and
 * not used goes back first, without a sweep.  That is enough for a row; if it was not, the second call
 * finds nothing of that kind left, and sweeps.
 */
bool
MaintainFindMemory(void)
{
	ga_sweep_result result;
	size_t mapped;

	if (!process_heap_ready || process_heap.sweeping)
		return false;
	if (process_heap.refused > 0)
		return LimitsFindRoom();
	ArenaContextsTrim();
	mapped = process_heap.mapped;
	(void) ga_heap_release(&process_heap);
	if (mapped - process_heap.mapped < GA_SLOT_SIZE && SafeToSweep())
	{
		RunSweep(SWEEP_OUT_OF_MEMORY, &result);
		(void) ga_heap_release(&process_heap);
	}
	RegistryPublish();
	return true;
}

/*
 * MaintainShowMoved
 *		Publish, since much memory was taken or given back, perhaps after the end of the
 *		transaction: other processes compare the sum with limits.
 */
void
MaintainShowMoved(void)
{
	LimitsAfterShrinking();
	IdleAfterStatement();
	if (ProcessHeapMoved())
		maintain_show_moved();
}

/*
 * MaintainPlainLeave
 *		Publish likewise when a context that is no arena is about to give back much.
 */
void
MaintainPlainLeave(Size bytes, bool listed)
{
	UsagePlainLeave(bytes, listed);
	if (bytes >= MUCH_TO_SHOW && IsUnderPostmaster)
		RegistryPublish();
}

/*
 * maintain_trace_exit
 *		Log the life of this process in one line.
 */
static void
maintain_trace_exit(int code, Datum arg)
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

pg_attribute_hot void
MaintainAtTransactionEnd(void)
{
	static bool exit_registered = false;

	maintain_end_keeping();
	free_history_transactions++;
	LimitsAtTransactionEnd();
	IdleAfterStatement();
	ShowAtTransactionEnd(RequestsCanCome());
	if (unlikely(goarena_trace >= TRACE_ALL) && !exit_registered)
	{
		exit_registered = true;
		on_proc_exit(maintain_trace_exit, (Datum) 0);
	}
}

/*
 * maintain_before_first_commit
 *		Do what has to be done once in a process, and in a transaction.
 */
static pg_noinline void
maintain_before_first_commit(void)
{
	RequestsListen();
	ProcessLearnNames();
}

pg_attribute_hot void
MaintainBeforeCommit(void)
{
	static HOT_DATA bool begun = false;

	if (unlikely(!begun))
	{
		begun = true;
		maintain_before_first_commit();
	}
	if (!process_heap_ready)
		return;
	maintain_end_keeping();
	if (ProcessHeapWantsAttention())
		maintain(SWEEP_TRANSACTION_END);
}
