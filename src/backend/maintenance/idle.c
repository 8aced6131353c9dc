/*-------------------------------------------------------------------------
 *
 * idle.c
 *	  What a session does about its memory while it waits for its client.
 *
 * A process keeps pages that it is likely to want again.  A session that has
 * waited for its client for a while wants them less than the machine does: it sweeps
 * if a sweep will soon be due, and gives back all but goarena.idle_retain, as Go's
 * scavenger does (mgcscavenge.go).  With a total limit what is not used counts
 * against others, so the wait is short, and nothing is kept.
 *
 * By default there are two steps: the session soon gives all of it back, and, where every arena is
 * quarantined, sweeps much later.  Other libraries can see the timer; goarena.idle_release = -1
 * does without it.
 *
 * A timer runs from the end of a statement on, if there is something to give back.  If the session
 * has done something by the time that it fires, it begins again.  So a session at work is
 * interrupted once in that time, and an idle one at most twice.
 *
 * A sweep needs a safe moment.  So the timer wakes the process as if it had to catch up with
 * invalidation messages.  It then runs an empty transaction, and sweeps at the end of that.  In a
 * transaction, it only gives memory back, where it checks for interrupts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timeout.h"

#include "backend/limits/limit_setting.h"
#include "backend/maintenance/idle.h"
#include "backend/process/slot.h"
#include "backend/registry/requests.h"
#include "backend/sweeps/sweeps.h"
#include "backend/usage/malloced.h"
#include "engine/sweep.h"
#include "mcxt/arena_context.h"
#include "mcxt/free_history.h"

/* The longest wait with a total limit, and the usual ones, in milliseconds. */
#define LONGEST_WAIT   500
#define USUAL_WAIT	   500
#define WAIT_FOR_SWEEP 10000

int goarena_idle_release;
int goarena_idle_retain_kb;

static TimeoutId idle_timeout = MAX_TIMEOUTS;
static uint64 idle_work_seen;
static bool idle_sweeps_next = false; /* what is not used was given back */
static uint64 idle_transactions_seen; /* by then */

/*
 * idle_work_done
 *		A number that changes whenever the process has done something.
 */
static uint64
idle_work_done(void)
{
	return process_heap.next_arena_id + process_heap.counters.resets;
}

/*
 * idle_wait
 *		How long to wait, in milliseconds; -1 for ever.
 */
static int
idle_wait(void)
{
	int wait = goarena_idle_release == 0 ? USUAL_WAIT : goarena_idle_release;

	if (!LimitSettingShared())
		return wait;
	return wait < 0 ? LONGEST_WAIT : Min(wait, LONGEST_WAIT);
}

static void
idle_watch_on(void)
{
	idle_work_seen = idle_work_done();
	idle_sweeps_next = false;
	enable_timeout_after(idle_timeout, idle_wait());
}

/*
 * idle_first_step
 *		The first step of the default: give all back.
 */
static void
idle_first_step(void)
{
	RequestOwnUnused();
	if (goarena_quarantine == GA_QUARANTINE_OFF || goarena_sample_rate < 1)
		return;
	idle_sweeps_next = true;
	idle_transactions_seen = free_history_transactions;
	enable_timeout_after(idle_timeout, WAIT_FOR_SWEEP);
}

/*
 * idle_handle_timeout
 *		Called in a signal handler.  Does nothing in a process that exits: its timers go on after it
 *		has given up MyProc.
 */
static void
idle_handle_timeout(void)
{
	if (proc_exit_inprogress || MyProc == NULL || idle_wait() < 0)
		return;
	if (!ProcessAwaitsClient(MyProc) ||
		(idle_sweeps_next ? free_history_transactions != idle_transactions_seen
						  : idle_work_done() != idle_work_seen))
		idle_watch_on();
	else if (goarena_idle_release == 0 && !idle_sweeps_next)
		idle_first_step();
	else
	{
		idle_sweeps_next = false;
		RequestOwnIdle();
	}
}

/*
 * idle_release
 *		Called by requests.c, in the process itself.
 */
static void
idle_release(bool may_sweep)
{
	bool limited = LimitSettingShared();
	ga_sweep_result result;

	if (!process_heap_ready)
		return;
	if (may_sweep)
	{
		ArenaContextsTrim();
		if (ga_sweep_nearly_due(&process_heap))
			RunSweep(SWEEP_IDLE, &result);
	}
	ga_heap_flush_faults(&process_heap);
	ga_heap_trim(&process_heap, limited ? 0 : (size_t) goarena_idle_retain_kb * 1024);
	ga_heap_trim_metadata(&process_heap);
	ga_chunk_reserve_ahead(&process_heap);
	MallocedTrim();
}

void
IdleWatch(void)
{
	if (MyBackendType != B_BACKEND || !RequestsCanCome() || idle_wait() < 0)
		return;
	if (idle_timeout == MAX_TIMEOUTS)
	{
		requests_serve_idle = idle_release;
		idle_timeout = RegisterTimeout(USER_TIMEOUT, idle_handle_timeout);
	}
	if (!get_timeout_active(idle_timeout) || idle_sweeps_next)
		idle_watch_on();
}
