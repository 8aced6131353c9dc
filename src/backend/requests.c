/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  Asking another process to sweep, to release, or for its contexts.
 *
 * PostgreSQL 18 was to have pg_get_process_memory_contexts(), which was taken
 * back before its release: the process that was asked allocated shared memory
 * while it checked for interrupts, which can happen anywhere.  Here the memory
 * for answers is there from the start of the server on, and a process looks
 * for requests only where it could just as well run a sweep.
 *
 * An answer goes through these states, each change being one atomic exchange:
 *
 *	FREE       nobody's
 *	CLAIMED    of one who is about to ask
 *	ASKED      waits for the process that is asked
 *	FILLING    that process writes it
 *	DONE       can be read
 *	ABANDONED  nobody waits any more for what is being written
 *
 * ASKED and DONE are ended by the one who asked, FILLING and ABANDONED only by
 * the one who writes, however long it may be stopped.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "backend/contexts.h"
#include "backend/proc_compat.h"
#include "backend/process.h"
#include "backend/registry.h"
#include "backend/requests.h"
#include "backend/shared_memory.h"
#include "backend/showing.h"
#include "backend/snapshots.h"
#include "backend/sweeps.h"

/* So many can wait for an answer at a time; others wait for their turn. */
#define NUM_ANSWERS 8

/* Bytes of an answer: room for some 1,000 contexts with short identifiers. */
#define ANSWER_SIZE (128 * 1024)

/* While waiting, see so often whether the other process is still there. */
#define POLL_MS 20

typedef enum AnswerState
{
	ANSWER_FREE,
	ANSWER_CLAIMED,
	ANSWER_ASKED,
	ANSWER_FILLING,
	ANSWER_DONE,
	ANSWER_ABANDONED
} AnswerState;

typedef struct Answer
{
	pg_atomic_uint32 state; /* AnswerState */
	int slot;				/* of the process that is asked */
	int pid;
	int asker; /* slot of the one to wake up */
	union
	{
		char bytes[ANSWER_SIZE];
		uint64 alignment;
	} rows;
} Answer;

typedef struct Requests
{
	Answer answers[NUM_ANSWERS];
	pg_atomic_uint32 wanted[FLEXIBLE_ARRAY_MEMBER]; /* of each slot */
} Requests;

static Requests *requests = NULL;
static int own_number = -1; /* of this process's slot */

Size
RequestsSize(void)
{
	return add_size(offsetof(Requests, wanted),
					mul_size(sizeof(pg_atomic_uint32), (Size) SharedMemoryProcesses()));
}

void
RequestsAttach(void *memory, bool anew)
{
	requests = memory;
	if (!anew)
		return;
	for (int i = 0; i < NUM_ANSWERS; i++)
		pg_atomic_init_u32(&requests->answers[i].state, ANSWER_FREE);
	for (int i = 0; i < SharedMemoryProcesses(); i++)
		pg_atomic_init_u32(&requests->wanted[i], 0);
}

/*
 * RequestsBegin
 *		Requests for an earlier process are not for this one.
 */
void
RequestsBegin(int slot)
{
	own_number = slot;
	pg_atomic_write_u32(&requests->wanted[slot], 0);
	process_heap_wanted = &requests->wanted[slot].value;
}

static bool
Exchange(Answer *answer, AnswerState from, AnswerState to)
{
	uint32 expected = from;

	return pg_atomic_compare_exchange_u32(&answer->state, &expected, to);
}

/*
 * Fill
 *		Write an answer that somebody waits for.
 */
static void
Fill(Answer *answer)
{
	ContextsPack(answer->rows.bytes, ANSWER_SIZE);
	if (Exchange(answer, ANSWER_FILLING, ANSWER_DONE))
		SetLatch(&RegistryProc(answer->asker)->procLatch);
	else
		pg_atomic_write_u32(&answer->state, ANSWER_FREE);
}

static void
FillAll(void)
{
	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		Answer *answer = &requests->answers[i];

		if (pg_atomic_read_u32(&answer->state) == ANSWER_ASKED && answer->slot == own_number &&
			answer->pid == MyProcPid && Exchange(answer, ANSWER_ASKED, ANSWER_FILLING))
			Fill(answer);
	}
}

void
RequestsServe(void)
{
	pg_atomic_uint32 *flags = &requests->wanted[own_number];
	uint32 wanted = pg_atomic_read_u32(flags);
	ga_sweep_result result;

	if (!SafeToSweep())
		return;
	pg_atomic_fetch_and_u32(flags, ~wanted);
	if (wanted & WANT_CONTEXTS)
		FillAll();
	if (wanted & WANT_RELEASE)
		(void) RunRelease();
	else if (wanted & WANT_SWEEP)
		RunSweep(SWEEP_REQUEST, &result);
}

static bool
IsThere(int slot, int pid)
{
	RegistryFigures figures;

	return RegistryRead(slot, &figures) && figures.pid == pid;
}

/*
 * RequestWork
 *		A backend that waits for its client, or is about to, would not see the
 *		flag before the client says something.  The signal that makes backends
 *		catch up with invalidation messages lets it run an empty transaction then,
 *		at the end of which it does.
 */
void
RequestWork(int slot, int pid, uint32 want)
{
	RegistryFigures figures;

	pg_atomic_fetch_or_u32(&requests->wanted[slot], want);
	if (RegistryRead(slot, &figures) && figures.pid == pid && figures.backend_type == B_BACKEND)
		(void) SendProcSignal(pid, PROCSIG_CATCHUP_INTERRUPT, ProcSignalNumber(RegistryProc(slot)));
}

/*
 * Claim
 *		NULL if all answers are taken.
 */
static Answer *
Claim(void)
{
	for (int i = 0; i < NUM_ANSWERS; i++)
		if (Exchange(&requests->answers[i], ANSWER_FREE, ANSWER_CLAIMED))
			return &requests->answers[i];
	return NULL;
}

static void
Ask(Answer *answer, int slot, int pid)
{
	answer->slot = slot;
	answer->pid = pid;
	answer->asker = own_number;
	(void) Exchange(answer, ANSWER_CLAIMED, ANSWER_ASKED);
	pg_atomic_fetch_or_u32(&requests->wanted[slot], WANT_CONTEXTS);
}

/*
 * GiveBack
 *		The one who asked is ready, or will wait no more.
 */
static void
GiveBack(Answer *answer)
{
	while (!Exchange(answer, ANSWER_CLAIMED, ANSWER_FREE) &&
		   !Exchange(answer, ANSWER_ASKED, ANSWER_FREE) &&
		   !Exchange(answer, ANSWER_FILLING, ANSWER_ABANDONED) &&
		   !Exchange(answer, ANSWER_DONE, ANSWER_FREE))
		;
}

static void
GiveBackAtExit(int code, Datum arg)
{
	if (ProcessIsOurs())
		GiveBack((Answer *) DatumGetPointer(arg));
}

/*
 * WaitAWhile
 *		False once the time is over.  To wait is a safe point, too: two processes
 *		may ask each other.
 */
static bool
WaitAWhile(TimestampTz deadline)
{
	long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

	if (left <= 0)
		return false;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, POLL_MS),
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	RequestsSafePoint();
	return true;
}

/*
 * CopySnapshot
 *		What a process left that is idle; NULL if it is not, or left nothing.
 */
static void *
CopySnapshot(int slot, TimestampTz *at)
{
	int patience = SHOWING_PATIENCE;
	void *memory;

	ShowingAwait(slot, &patience);
	if (!ProcessIsIdle(RegistryProc(slot)))
		return NULL;
	memory = palloc(SNAPSHOT_SIZE);

	if (SnapshotRead(slot, memory, at))
		return memory;
	pfree(memory);
	return NULL;
}

static void *
CopyAnswer(const Answer *answer)
{
	void *memory = palloc(ANSWER_SIZE);

	memcpy(memory, answer->rows.bytes, ANSWER_SIZE);
	return memory;
}

/*
 * Await
 *		Wait for an answer that was asked for.
 */
static RequestResult
Await(Answer *answer, TimestampTz deadline, void **copy, TimestampTz *at)
{
	int slot = answer->slot;
	int pid = answer->pid;

	for (;;)
	{
		if (pg_atomic_read_u32(&answer->state) == ANSWER_DONE)
		{
			pg_read_barrier();
			*copy = CopyAnswer(answer);
			*at = 0;
			return REQUEST_ANSWERED;
		}
		if ((*copy = CopySnapshot(slot, at)) != NULL && IsThere(slot, pid))
			return REQUEST_ANSWERED;
		if (!IsThere(slot, pid))
			return REQUEST_GONE;
		if (!WaitAWhile(deadline))
			return REQUEST_TIMEOUT;
	}
}

RequestResult
RequestContexts(int slot, int pid, int64 timeout_ms, void **copy, TimestampTz *at)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	RequestResult result;
	Answer *answer;

	/* Idle processes need not be asked, and so no answer has to be free. */
	if ((*copy = CopySnapshot(slot, at)) != NULL)
		return IsThere(slot, pid) ? REQUEST_ANSWERED : REQUEST_GONE;

	while ((answer = Claim()) == NULL)
		if (!WaitAWhile(deadline))
			return REQUEST_TIMEOUT;

	PG_ENSURE_ERROR_CLEANUP(GiveBackAtExit, PointerGetDatum(answer));
	{
		Ask(answer, slot, pid);
		result = Await(answer, deadline, copy, at);
	}
	PG_END_ENSURE_ERROR_CLEANUP(GiveBackAtExit, PointerGetDatum(answer));
	GiveBack(answer);
	return result;
}
