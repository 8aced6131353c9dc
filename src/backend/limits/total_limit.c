/*-------------------------------------------------------------------------
 *
 * total_limit.c
 *	  goarena.total_memory_limit, and what goarena.on_total_limit says.
 *
 * The registry has the sum over all processes.  A process that would cross the limit fails, or asks
 * for the largest statement to be cancelled.
 *
 * To cancel a statement, a process leaves a request in shared memory and sends SIGUSR1, which by
 * itself is harmless.  In the other process, a handler looks at the request before the server's own
 * handler runs.  That process decides itself whether it is still the one that was meant: it must be
 * in a statement, and hold at least half of what was seen.  If so, it does what the statement
 * timeout does: it sets QueryCancelPending, and the next CHECK_FOR_INTERRUPTS() ends the statement.
 * An error context callback changes the message.  It is there while the executor or a utility
 * command runs, if there is a limit.
 *
 * One process is asked at a time.  The next one is asked only when the outcome of the last request
 * is known: the memory has come back, or did not in time; or the process declined, or caught the
 * error and went on.  A process that caught the error is asked once more before the next one.
 *
 * A session that waits for its client in a transaction has no statement to cancel.  With
 * cancel_or_terminate such a session is ended, and also one that catches the error.
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

#include "backend/limits/limit_setting.h"
#include "backend/limits/limits.h"
#include "backend/limits/total_limit.h"
#include "backend/limits/unused.h"
#include "backend/process/counters.h"
#include "backend/process/process.h"
#include "backend/process/slot.h"
#include "backend/registry/registry.h"
#include "backend/sweeps/sweeps.h"
#include "backend/usage/usage.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"

/* How long a process waits that asked another one to cancel its statement, in ms. */
#define CANCEL_WAIT	  5000
#define CANCEL_NAP	  10
#define CANCEL_GRACE  500  /* by then, a process that catches the error has given its memory back */
#define CANCEL_FORGET 1000 /* after this, a process that declined can be asked again */
#define CANCEL_TRIES  2	   /* to one process in a transaction, since it may catch the error */

/* What to ask of a process. */
typedef enum RequestAction
{
	ACTION_CANCEL,
	ACTION_TERMINATE
} RequestAction;

typedef enum RequestState
{
	REQUEST_NONE,	  /* or done: the transaction has ended */
	REQUEST_MADE,	  /* the process has not seen it yet */
	REQUEST_TAKEN,	  /* it ends its statement, or itself */
	REQUEST_CAUGHT,	  /* a subtransaction ended, and it may go on */
	REQUEST_DECLINED, /* it is not what was meant any more */
} RequestState;

/* One for each slot of the registry. */
typedef struct CancelRequest
{
	pg_atomic_uint32 state;
	pg_atomic_uint32 pid;	/* of the process that has the slot; 0: it takes no requests */
	pg_atomic_uint32 tries; /* that it took in this transaction */
	pg_atomic_uint32 action;
	pg_atomic_uint64 held;	/* what it was seen to hold */
	pg_atomic_uint64 since; /* when the state was entered, a TimestampTz */
} CancelRequest;

typedef struct CancelRequests
{
	pg_atomic_uint64 asked; /* slot and pid of the process that was asked last */
	CancelRequest of_slot[FLEXIBLE_ARRAY_MEMBER];
} CancelRequests;

static CancelRequests *cancel_requests = NULL;
static CancelRequest *own_request = NULL; /* of this process */
static struct sigaction previous_action;  /* of SIGUSR1 */
HOT_DATA bool total_limit_joined = false;

static volatile sig_atomic_t cancelled = false;
static volatile sig_atomic_t terminated = false;

Size
TotalLimit(void)
{
	return RegistryExists() ? TotalValueBytes(&total_value) : SIZE_MAX;
}

/*
 * asked_pack, asked_slot, asked_pid
 *		Pack a slot and the pid of the process that has it into one word, and unpack them.
 */
static uint64
asked_pack(int slot, int pid)
{
	return (uint64) (uint32) slot << 32 | (uint32) pid;
}

static int
asked_slot(uint64 asked)
{
	return (int) (asked >> 32);
}

static int
asked_pid(uint64 asked)
{
	return (int) (uint32) asked;
}

static RequestState
cancel_request_state(CancelRequest *request)
{
	return (RequestState) pg_atomic_read_u32(&request->state);
}

/*
 * cancel_request_enter
 *		Take a request from one state to another.  False if it is no longer in the first one.
 */
static bool
cancel_request_enter(CancelRequest *request, RequestState from, RequestState to)
{
	uint32 expected = from;

	/* The time first: a process that sees the new state must also see since when it holds. */
	pg_atomic_write_u64(&request->since, (uint64) GetCurrentTimestamp());
	return pg_atomic_compare_exchange_u32(&request->state, &expected, to);
}

static bool
cancel_request_is_older(CancelRequest *request, int ms)
{
	return TimestampDifferenceExceeds((TimestampTz) pg_atomic_read_u64(&request->since),
									  GetCurrentTimestamp(), ms);
}

/*
 * victim_is_meant
 *		Is this process still the one that was meant?
 */
static bool
victim_is_meant(RequestAction action)
{
	if (proc_exit_inprogress || UsageHeld() < pg_atomic_read_u64(&own_request->held) / 2)
		return false;
	if (debug_query_string != NULL)
		return true;
	return action == ACTION_TERMINATE && ProcessInTransaction(MyProc) &&
		   ProcessAwaitsClient(MyProc);
}

/*
 * victim_end_session
 *		End the session, as pg_terminate_backend() does.  A session that waits for its client has no
 *		error context callbacks, so put the one there that gives the reason.
 */
static void
victim_end_session(void)
{
	static ErrorContextCallback amend = {.callback = TotalLimitAmendCancel};

	terminated = true;
	if (error_context_stack == NULL)
		error_context_stack = &amend;
	ProcDiePending = true;
	InterruptPending = true;
	CountersAdd(COUNT_TERMINATIONS);
}

static void
victim_cancel_statement(void)
{
	cancelled = true;
	QueryCancelPending = true;
	InterruptPending = true;
	CountersAdd(COUNT_CANCELS);
}

/*
 * victim_answer
 *		Called in the signal handler: answer the request, if another process made one.
 */
static void
victim_answer(void)
{
	RequestAction action;
	uint32 tries;
	bool meant;

	if (own_request == NULL || cancel_request_state(own_request) != REQUEST_MADE)
		return;
	action = (RequestAction) pg_atomic_read_u32(&own_request->action);
	meant = victim_is_meant(action);
	if (!cancel_request_enter(own_request, REQUEST_MADE,
							  meant ? REQUEST_TAKEN : REQUEST_DECLINED) ||
		!meant)
		return;
	tries = pg_atomic_fetch_add_u32(&own_request->tries, 1);
	if (action == ACTION_TERMINATE && (debug_query_string == NULL || tries >= CANCEL_TRIES))
		victim_end_session();
	else
		victim_cancel_statement();
}

static void
victim_handle_signal(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	if (ProcessIsOurs())
		victim_answer();
	errno = saved_errno;
	if ((previous_action.sa_flags & SA_SIGINFO) != 0)
		previous_action.sa_sigaction(signo, info, context);
	else if (previous_action.sa_handler != SIG_IGN && previous_action.sa_handler != SIG_DFL)
		previous_action.sa_handler(signo);
}

/*
 * victim_forget
 *		At the end of the process: take no more requests.
 */
static void
victim_forget(int code, Datum arg)
{
	if (!ProcessIsOurs())
		return;
	pg_atomic_write_u32(&own_request->pid, 0);
	pg_atomic_write_u64(&own_request->since, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u32(&own_request->state, REQUEST_NONE);
	own_request = NULL;
}

/*
 * Only backends take requests: they have statements, and their handler of SIGUSR1 is in place when
 * they begin to allocate.
 */
void
TotalLimitJoin(void)
{
	struct sigaction action;
	int slot;

	if (own_request != NULL)
	{
		/* The memory of the last transaction has been given back by now. */
		if (cancel_request_state(own_request) == REQUEST_NONE)
			pg_atomic_write_u64(&own_request->since, 0);
		return;
	}
	if (TotalLimit() == SIZE_MAX || MyBackendType != B_BACKEND || MyProc == NULL ||
		!IsTransactionState())
		return;
	RegistryPublish();
	slot = SlotOwn();
	if (slot < 0 || sigaction(SIGUSR1, NULL, &previous_action) != 0)
		return;
	own_request = &cancel_requests->of_slot[slot];
	pg_atomic_write_u32(&own_request->state, REQUEST_NONE);
	pg_atomic_write_u32(&own_request->tries, 0);
	action = previous_action;
	action.sa_sigaction = victim_handle_signal;
	action.sa_flags |= SA_SIGINFO;
	if (sigaction(SIGUSR1, &action, NULL) != 0)
	{
		own_request = NULL;
		return;
	}
	on_shmem_exit(victim_forget, (Datum) 0);
	total_limit_joined = true;
	pg_atomic_write_u32(&own_request->pid, (uint32) MyProcPid);
}

void
TotalLimitAmendCancel(void *arg)
{
	if (cancelled && geterrcode() == ERRCODE_QUERY_CANCELED)
		errmsg("canceling statement because of goarena.total_memory_limit");
	else if (terminated && geterrcode() == ERRCODE_ADMIN_SHUTDOWN)
		errmsg("terminating connection because of goarena.total_memory_limit");
	else
		return;
	errdetail("It held %zu kB, more than any other %s, when memory of all processes came to the "
			  "limit of %zu kB.",
			  UsageHeld() / 1024, terminated ? "session" : "statement", TotalLimit() / 1024);
	cancelled = terminated = false;
	errhint("Have the statement use less memory, or raise goarena.total_memory_limit.");
}

void
TotalLimitSettleRequest(void)
{
	if (cancelled)
		QueryCancelPending = false; /* the next statement must not be cancelled */
	cancelled = false;
	if (own_request == NULL || !ProcessIsOurs())
		return;
	pg_atomic_write_u32(&own_request->tries, 0);
	if (cancel_request_state(own_request) == REQUEST_NONE)
		return;
	pg_atomic_write_u64(&own_request->since, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u32(&own_request->state, REQUEST_NONE);
}

void
TotalLimitErrorCaught(void)
{
	if (own_request != NULL && !QueryCancelPending &&
		cancel_request_state(own_request) == REQUEST_TAKEN && ProcessIsOurs())
		(void) cancel_request_enter(own_request, REQUEST_TAKEN, REQUEST_CAUGHT);
}

/* A session that could be asked to cancel or to end. */
typedef struct Candidate
{
	int slot; /* -1: none */
	int pid;
	uint64 held; /* with its workers */
	RequestAction action;
} Candidate;

/*
 * candidate_action
 *		Decide what to ask of the session in a slot.  False if nothing would help, or if it was
 *		asked for that in vain.
 */
static bool
candidate_action(int slot, RequestAction *action)
{
	CancelRequest *request = &cancel_requests->of_slot[slot];
	const PGPROC *proc = SlotProc(slot);
	bool may_end = goarena_on_total_limit == ON_TOTAL_CANCEL_OR_TERMINATE;
	bool catches = pg_atomic_read_u32(&request->tries) >= CANCEL_TRIES;

	if (!ProcessInTransaction(proc) || (catches && !may_end))
		return false;

	/*
	 * A session that waits for its client in a statement, such as COPY, has its statement
	 * cancelled.
	 */
	*action = may_end && (catches || ProcessAwaitsClient(proc)) ? ACTION_TERMINATE : ACTION_CANCEL;
	switch (cancel_request_state(request))
	{
		case REQUEST_MADE:
		case REQUEST_TAKEN:
			return false;
		case REQUEST_DECLINED:
			return cancel_request_is_older(request, CANCEL_FORGET) ||
				   pg_atomic_read_u32(&request->action) != (uint32) *action;
		default:
			return true;
	}
}

/*
 * candidate_largest
 *		Find the backend that holds the most, together with its workers, among those that can be
 *		asked.
 */
static Candidate
candidate_largest(void)
{
	Candidate largest = {.slot = -1};

	for (int i = 0; i < RegistrySlots(); i++)
	{
		const PGPROC *proc = SlotProc(i);
		RegistryFigures figures;
		RequestAction action;
		uint64 sum;

		if (!RegistryRead(i, &figures) || figures.backend_type != B_BACKEND ||
			pg_atomic_read_u32(&cancel_requests->of_slot[i].pid) != (uint32) figures.pid ||
			!candidate_action(i, &action))
			continue;
		sum = proc->lockGroupLeader == NULL ? figures.held : RegistryGroupHeld(proc);
		if (sum > largest.held)
			largest = (Candidate){i, figures.pid, sum, action};
	}
	return largest;
}

/*
 * Is the candidate this process, or the leader it works for?  A process that exits and has given up
 * MyProc asks nobody.
 */
static bool
candidate_is_own_group(const Candidate *candidate)
{
	PGPROC *leader;

	if (MyProc == NULL)
		return true;
	leader = MyProc->lockGroupLeader == NULL ? MyProc : MyProc->lockGroupLeader;
	return SlotProc(candidate->slot) == leader;
}

/*
 * candidate_ask
 *		False if another process was faster.
 */
static bool
candidate_ask(const Candidate *candidate, uint64 asked_before)
{
	CancelRequest *request = &cancel_requests->of_slot[candidate->slot];
	RequestState state = cancel_request_state(request);
	RegistryFigures figures;

	if (!pg_atomic_compare_exchange_u64(&cancel_requests->asked, &asked_before,
										asked_pack(candidate->slot, candidate->pid)))
		return false;
	if (!RegistryRead(candidate->slot, &figures))
		return true;
	pg_atomic_write_u64(&request->held, figures.held);
	pg_atomic_write_u32(&request->action, candidate->action);
	if (!cancel_request_enter(request, state, REQUEST_MADE))
		return true;
	if (kill(candidate->pid, SIGUSR1) != 0)
		(void) cancel_request_enter(request, REQUEST_MADE, REQUEST_DECLINED);
	else if (SafeToSweep())
		ereport(LOG_SERVER_ONLY, (errmsg("goarena: process %d is to %s, which holds " UINT64_FORMAT
										 " kB: all processes hold " UINT64_FORMAT " kB",
										 candidate->pid,
										 candidate->action == ACTION_CANCEL ? "cancel its statement"
																			: "end its session",
										 candidate->held / 1024, RegistryTotalHeld() / 1024),
								  errhidestmt(true), errhidecontext(true)));
	return true;
}

/*
 * asked_is_settled
 *		Is the outcome of the last request known?  After a while, it counts as known: if the process
 *		does not answer, or if its transaction has ended but it keeps its memory for the session.
 */
static bool
asked_is_settled(uint64 asked)
{
	CancelRequest *request = &cancel_requests->of_slot[asked_slot(asked)];
	RegistryFigures figures;

	if (!RegistryRead(asked_slot(asked), &figures) || figures.pid != asked_pid(asked))
		return true;
	switch (cancel_request_state(request))
	{
		case REQUEST_DECLINED:
			return true;
		case REQUEST_CAUGHT:
			return cancel_request_is_older(request, CANCEL_GRACE);
		case REQUEST_NONE:
			if (figures.held < pg_atomic_read_u64(&request->held) / 2)
				return true;
			break;
		default:
			break;
	}
	return cancel_request_is_older(request, CANCEL_WAIT);
}

/*
 * cancel_next
 *		Ask the largest session, once the last request is settled.  False if there is none, or if it
 *		is this process's own.
 */
static bool
cancel_next(uint64 asked)
{
	Candidate largest = candidate_largest();

	if (largest.slot < 0 || candidate_is_own_group(&largest))
		return false;
	(void) candidate_ask(&largest, asked);
	return true;
}

Crossed
TotalLimitCancelLargest(Size bytes, Crossed (*look)(Size bytes))
{
	TimestampTz started = GetCurrentTimestamp();
	Crossed crossed = TOTAL_LIMIT;

	if (MyProc == NULL)
		return crossed;
	while (!QueryCancelPending && !ProcDiePending &&
		   !TimestampDifferenceExceeds(started, GetCurrentTimestamp(), CANCEL_WAIT))
	{
		uint64 asked = pg_atomic_read_u64(&cancel_requests->asked);
		bool settled = asked_is_settled(asked);

		/*
		 * That process gave memory back, and may keep pages that it does not use: both together may
		 * do.
		 */
		crossed = look(bytes);
		if (crossed == TOTAL_LIMIT)
			crossed = UnusedReclaim(TOTAL_LIMIT, bytes, look);
		if (crossed != TOTAL_LIMIT || (settled && !cancel_next(asked)))
			break;
		pg_usleep(CANCEL_NAP * 1000L);
	}
	return crossed;
}

/*
 * holder_does
 *		Say what a process does, as the end of a sentence.
 */
static const char *
holder_does(const PGPROC *proc)
{
	if (!ProcessAwaitsClient(proc))
		return "active";
	return ProcessInTransaction(proc) ? "idle in transaction" : "idle";
}

const char *
SharedLimitHolders(Crossed limit, bool *waits_for_client)
{
	static char text[200];
	RegistryFigures figures;
	uint64 most = 0;
	int pid = 0;
	const char *does = "";

	*waits_for_client = false;
	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures) && figures.held > most && LimitCovers(limit, &figures))
		{
			most = figures.held;
			pid = figures.pid;
			does = figures.backend_type == B_BACKEND ? holder_does(SlotProc(i))
													 : GetBackendTypeDesc(figures.backend_type);
			*waits_for_client =
				figures.backend_type == B_BACKEND && ProcessAwaitsClient(SlotProc(i));
		}
	snprintf(text, sizeof(text),
			 "  Of that, " UINT64_FORMAT
			 " kB are not in use.  Process %d (%s) holds the most, " UINT64_FORMAT " kB.",
			 UnusedTotal(limit) / 1024, pid, does, most / 1024);
	return text;
}

Size
TotalLimitSize(void)
{
	return add_size(offsetof(CancelRequests, of_slot),
					mul_size(sizeof(CancelRequest), (Size) SlotCount()));
}

void
TotalLimitAttach(void *memory, bool anew)
{
	cancel_requests = memory;
	if (!anew)
		return;
	pg_atomic_init_u64(&cancel_requests->asked, 0);
	for (int i = 0; i < SlotCount(); i++)
	{
		CancelRequest *request = &cancel_requests->of_slot[i];

		pg_atomic_init_u32(&request->state, REQUEST_NONE);
		pg_atomic_init_u32(&request->pid, 0);
		pg_atomic_init_u32(&request->tries, 0);
		pg_atomic_init_u32(&request->action, ACTION_CANCEL);
		pg_atomic_init_u64(&request->held, 0);
		pg_atomic_init_u64(&request->since, 0);
	}
}
