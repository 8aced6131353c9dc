/*-------------------------------------------------------------------------
 *
 * total_limit.c
 *	  goarena.total_memory_limit, and goarena.on_total_limit = cancel_largest.
 *
 * The sum over all processes is the registry's.  A process that would cross the
 * limit either fails or has the largest statement cancelled.
 *
 * Cancelling is a request in shared memory and a SIGUSR1, which is harmless by
 * itself.  The handler looks at the request before the server's own handler
 * does its work.  It is the process itself that decides whether it is still the
 * one that was meant: it must be in a statement, and still hold at least half
 * of what was seen.  If so it does what the statement timeout does: it sets
 * QueryCancelPending, and the next CHECK_FOR_INTERRUPTS() ends the statement.
 * The message is changed on its way, by an error context callback, which is
 * there while the executor or a utility command runs and there is a limit.
 *
 * Parallel workers count for their leader, which ends them with its statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "backend/limit_setting.h"
#include "backend/limits.h"
#include "backend/process.h"
#include "backend/registry.h"
#include "backend/shared_memory.h"
#include "backend/sweeps.h"
#include "backend/total_limit.h"
#include "mcxt/process_heap.h"

/* How long one waits who asked for a statement to be cancelled, in ms. */
#define CANCEL_WAIT	 5000
#define CANCEL_NAP	 10
#define CANCEL_GRACE 500 /* a statement that ended has given its memory back by then */
#define CANCEL_TRIES 3	 /* so many processes are asked in that time */

typedef enum RequestState
{
	REQUEST_NONE,
	REQUEST_MADE,	 /* the process has not seen it yet */
	REQUEST_TAKEN,	 /* it ends its statement */
	REQUEST_DECLINED /* it is not in a statement any more, or has become small */
} RequestState;

/* One for each slot of the registry. */
typedef struct CancelRequest
{
	pg_atomic_uint32 state;
	pg_atomic_uint32 pid; /* of the process that is meant; 0: it takes no requests */
	pg_atomic_uint64 held;
} CancelRequest;

static CancelRequest *requests = NULL;	  /* of all slots */
static CancelRequest *own_request = NULL; /* of this process */
static struct sigaction previous_action;  /* of SIGUSR1 */
static volatile sig_atomic_t cancelled = false;

Size
TotalLimit(void)
{
	if (goarena_total_memory_limit_kb == NO_LIMIT || !RegistryExists())
		return SIZE_MAX;
	return (Size) goarena_total_memory_limit_kb * 1024;
}

/*
 * AnswerRequest
 *		In a signal handler: somebody may want this process's statement cancelled.
 */
static void
AnswerRequest(void)
{
	uint32 made = REQUEST_MADE;
	bool meant;

	if (own_request == NULL || pg_atomic_read_u32(&own_request->state) != REQUEST_MADE)
		return;
	meant = debug_query_string != NULL && !proc_exit_inprogress &&
			UsageHeld() >= pg_atomic_read_u64(&own_request->held) / 2;
	if (!pg_atomic_compare_exchange_u32(&own_request->state, &made,
										meant ? REQUEST_TAKEN : REQUEST_DECLINED) ||
		!meant)
		return;
	cancelled = true;
	QueryCancelPending = true;
	InterruptPending = true;
}

static void
HandleSignal(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	if (ProcessIsOurs())
		AnswerRequest();
	errno = saved_errno;
	if ((previous_action.sa_flags & SA_SIGINFO) != 0)
		previous_action.sa_sigaction(signo, info, context);
	else if (previous_action.sa_handler != SIG_IGN && previous_action.sa_handler != SIG_DFL)
		previous_action.sa_handler(signo);
}

/*
 * ForgetRequest
 *		The process ends: it takes no requests any more.
 */
static void
ForgetRequest(int code, Datum arg)
{
	if (!ProcessIsOurs())
		return;
	pg_atomic_write_u32(&own_request->pid, 0);
	pg_atomic_write_u32(&own_request->state, REQUEST_NONE);
	own_request = NULL;
}

/*
 * Only backends: they have statements, and a handler that is in place for good
 * when they begin to allocate.
 */
void
TotalLimitJoin(void)
{
	struct sigaction action;
	int slot;

	if (own_request != NULL || TotalLimit() == SIZE_MAX || MyBackendType != B_BACKEND ||
		MyProc == NULL || !IsTransactionState())
		return;
	RegistryPublish();
	slot = RegistryFind(MyProcPid);
	if (slot < 0 || sigaction(SIGUSR1, NULL, &previous_action) != 0)
		return;
	own_request = &requests[slot];
	pg_atomic_write_u32(&own_request->state, REQUEST_NONE);
	action = previous_action;
	action.sa_sigaction = HandleSignal;
	action.sa_flags |= SA_SIGINFO;
	if (sigaction(SIGUSR1, &action, NULL) != 0)
	{
		own_request = NULL;
		return;
	}
	on_shmem_exit(ForgetRequest, (Datum) 0);
	pg_atomic_write_u32(&own_request->pid, (uint32) MyProcPid);
}

void
TotalLimitAmendCancel(void *arg)
{
	if (!cancelled || geterrcode() != ERRCODE_QUERY_CANCELED)
		return;
	cancelled = false;
	errmsg("canceling statement because of goarena.total_memory_limit");
	errdetail("It held %zu kB, more than any other statement, when memory of all processes "
			  "came to the limit of %d kB.",
			  UsageHeld() / 1024, goarena_total_memory_limit_kb);
	errhint("Have the statement use less memory, or raise goarena.total_memory_limit.");
}

/*
 * EndRequest
 *		A statement or a transaction ended; what was asked of it is done.
 */
static void
EndRequest(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (cancelled)
		QueryCancelPending = false; /* nor may the next statement be cancelled */
	cancelled = false;
	if (own_request != NULL && pg_atomic_read_u32(&own_request->state) != REQUEST_NONE &&
		ProcessIsOurs())
		pg_atomic_write_u32(&own_request->state, REQUEST_NONE);
}

/*
 * LargestStatement
 *		The slot of the backend that holds the most, with its workers, and what
 *		that is; -1 if there is none that takes requests and did not decline.
 */
static int
LargestStatement(uint64 *held)
{
	int largest = -1;

	*held = 0;
	for (int i = 0; i < RegistrySlots(); i++)
	{
		const PGPROC *proc = RegistryProc(i);
		RegistryFigures figures;
		uint64 sum;

		if (!RegistryRead(i, &figures) || figures.backend_type != B_BACKEND ||
			pg_atomic_read_u32(&requests[i].pid) != (uint32) figures.pid ||
			pg_atomic_read_u32(&requests[i].state) == REQUEST_DECLINED)
			continue;
		sum = proc->lockGroupLeader == NULL ? figures.held : RegistryGroupHeld(proc);
		if (sum > *held)
		{
			*held = sum;
			largest = i;
		}
	}
	return largest;
}

/*
 * ForgiveDeclined
 *		Those who declined before may be asked now.
 */
static void
ForgiveDeclined(void)
{
	for (int i = 0; i < RegistrySlots(); i++)
	{
		uint32 declined = REQUEST_DECLINED;

		(void) pg_atomic_compare_exchange_u32(&requests[i].state, &declined, REQUEST_NONE);
	}
}

/* Is the slot that of this process, or of the leader it works for? */
static bool
IsOwnGroup(int slot)
{
	PGPROC *leader = MyProc->lockGroupLeader == NULL ? MyProc : MyProc->lockGroupLeader;

	return RegistryProc(slot) == leader;
}

/*
 * Ask
 *		Ask a process to cancel its statement.  If somebody did, that will do.
 */
static void
Ask(int slot)
{
	CancelRequest *request = &requests[slot];
	RegistryFigures figures;
	uint32 none = REQUEST_NONE;

	if (!RegistryRead(slot, &figures))
		return;
	pg_atomic_write_u64(&request->held, figures.held);
	if (!pg_atomic_compare_exchange_u32(&request->state, &none, REQUEST_MADE))
		return;
	if (kill(figures.pid, SIGUSR1) != 0)
		pg_atomic_write_u32(&request->state, REQUEST_NONE);
	else if (SafeToSweep())
		ereport(LOG_SERVER_ONLY,
				(errmsg("goarena: process %d is to cancel its statement, which holds " UINT64_FORMAT
						" kB: all processes hold " UINT64_FORMAT " kB",
						figures.pid, figures.held / 1024, RegistryTotalHeld() / 1024),
				 errhidestmt(true), errhidecontext(true)));
}

/*
 * MayAskAnother
 *		The one that was asked at that time will not help, or has not helped.
 */
static bool
MayAskAnother(int slot, TimestampTz at)
{
	switch (pg_atomic_read_u32(&requests[slot].state))
	{
		case REQUEST_DECLINED:
			return true;
		case REQUEST_NONE:
			return TimestampDifferenceExceeds(at, GetCurrentTimestamp(), CANCEL_GRACE);
		default:
			return false;
	}
}

Crossed
TotalLimitCancelLargest(Size bytes, Crossed (*look)(Size bytes))
{
	TimestampTz started = GetCurrentTimestamp();
	TimestampTz asked_at = started;
	Crossed crossed = TOTAL_LIMIT;
	int asked = -1;
	int tries = 0;

	if (MyProc == NULL)
		return crossed;
	ForgiveDeclined();
	while (!QueryCancelPending && !ProcDiePending &&
		   !TimestampDifferenceExceeds(started, GetCurrentTimestamp(), CANCEL_WAIT))
	{
		if (asked < 0 || MayAskAnother(asked, asked_at))
		{
			uint64 held;

			asked = LargestStatement(&held);
			if (asked < 0 || IsOwnGroup(asked) || ++tries > CANCEL_TRIES)
				break;
			Ask(asked);
			asked_at = GetCurrentTimestamp();
		}
		pg_usleep(CANCEL_NAP * 1000L);
		crossed = look(bytes);
		if (crossed != TOTAL_LIMIT)
			break;
	}
	return crossed;
}

Size
TotalLimitSize(void)
{
	return mul_size(sizeof(CancelRequest), (Size) SharedMemoryProcesses());
}

void
TotalLimitAttach(void *memory, bool anew)
{
	requests = memory;
	if (!anew)
		return;
	for (int i = 0; i < SharedMemoryProcesses(); i++)
	{
		pg_atomic_init_u32(&requests[i].state, REQUEST_NONE);
		pg_atomic_init_u32(&requests[i].pid, 0);
		pg_atomic_init_u64(&requests[i].held, 0);
	}
}

void
TotalLimitInit(void)
{
	RegisterXactCallback(EndRequest, NULL);
}
