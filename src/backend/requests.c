/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  Asking another process to sweep, to release, for its contexts, or to show
 *	  what it holds.
 *
 * PostgreSQL 18 was to have pg_get_process_memory_contexts(), which was taken
 * back before its release: the process that was asked allocated shared memory
 * while it checked for interrupts, which can happen anywhere.  Here the memory
 * for answers is there from the start of the server on.
 *
 * To wait for an answer holds nothing that others could need.  It is the
 * process that answers which takes one of a few answers, writes it, and wakes
 * those who wait for it up; they copy it.  An answer can be written again as soon
 * as it was read, or was not for a second, since who asked for it may be gone.
 * So nobody has to give anything back.  Readers see by its version whether
 * an answer was written again while they copied it, and then go on to wait.
 *
 * Some answers are kept for those who may see all processes, and no role has more
 * than a few at a time that were not read.  A process that finds none for it
 * answers when it is next asked.
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
#include "backend/interrupts.h"
#include "backend/proc_compat.h"
#include "backend/process.h"
#include "backend/registry.h"
#include "backend/requests.h"
#include "backend/showing.h"
#include "backend/slot.h"
#include "backend/snapshots.h"
#include "backend/sweeps.h"

/* So many can be written and wait to be read at a time. */
#define NUM_ANSWERS	 8
#define NUM_RESERVED 2 /* of them for those who may see all processes */
#define ROLES_SHARE	 3 /* of them one role can have */
#define UNREAD_MS	 1000

/* Bytes of an answer: room for some 1,000 contexts with short identifiers. */
#define ANSWER_SIZE (128 * 1024)

/* While waiting, see so often whether the other process is still there, and ask again. */
#define POLL_MS	  20
#define REMIND_MS 100

/* In milliseconds: readers of figures wait no longer, and do not ask for newer ones. */
#define FIGURES_PATIENCE 200
#define FIGURES_AGE		 10

/* One that was asked for its unused pages longer ago does not give them. */
#define TRIM_PATIENCE 1000

/* What an idle process left is not all of its contexts: it is asked, and waited for so long. */
#define IDLE_PATIENCE 500

typedef enum AnswerState
{
	ANSWER_FREE,	/* read, or never written */
	ANSWER_WRITING, /* belongs to the process that writes it */
	ANSWER_UNREAD
} AnswerState;

typedef struct Answer
{
	pg_atomic_uint32 state;	  /* AnswerState */
	pg_atomic_uint64 version; /* odd while it is written */
	int slot;				  /* of the process whose contexts it has */
	int pid;
	Oid role;	   /* whose share it is of */
	uint64 number; /* of the last request that it answers */
	TimestampTz at;
	union
	{
		char bytes[ANSWER_SIZE];
		uint64 alignment;
	} rows;
} Answer;

/* Of each slot: what is wanted of its process, and whom it waits for. */
typedef struct Mailbox
{
	pg_atomic_uint32 wanted;
	pg_atomic_uint64 figures_asked; /* when somebody last wanted figures, a TimestampTz */
	pg_atomic_uint64 trim_asked;	/* the same for pages that are not in use */
	pg_atomic_uint32 listens;		/* it takes interrupts */
	pg_atomic_uint64 asked;			/* so many requests for contexts were made, ever */
	pg_atomic_uint32 waits_for;		/* the slot whose contexts it asked for, plus 1, or 0 */
	Oid role;						/* that asks */
	bool privileged;
} Mailbox;

typedef struct Requests
{
	Answer answers[NUM_ANSWERS];
	Mailbox mailboxes[FLEXIBLE_ARRAY_MEMBER];
} Requests;

static Requests *requests = NULL;
static Mailbox *own = NULL;
static bool listening = false; /* to interrupts */

Size
RequestsSize(void)
{
	return add_size(offsetof(Requests, mailboxes), mul_size(sizeof(Mailbox), (Size) SlotCount()));
}

void
RequestsAttach(void *memory, bool anew)
{
	requests = memory;
	if (!anew)
		return;
	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		pg_atomic_init_u32(&requests->answers[i].state, ANSWER_FREE);
		pg_atomic_init_u64(&requests->answers[i].version, 0);
		requests->answers[i].number = 0;
	}
	for (int i = 0; i < SlotCount(); i++)
	{
		pg_atomic_init_u32(&requests->mailboxes[i].wanted, 0);
		pg_atomic_init_u64(&requests->mailboxes[i].figures_asked, 0);
		pg_atomic_init_u64(&requests->mailboxes[i].trim_asked, 0);
		pg_atomic_init_u32(&requests->mailboxes[i].listens, 0);
		pg_atomic_init_u64(&requests->mailboxes[i].asked, 0);
		pg_atomic_init_u32(&requests->mailboxes[i].waits_for, 0);
	}
}

/*
 * RequestsBegin
 *		Requests for an earlier process are not for this one.
 */
void
RequestsBegin(int slot)
{
	own = &requests->mailboxes[slot];
	pg_atomic_write_u32(&own->wanted, 0);
	pg_atomic_write_u32(&own->listens, listening);
	process_heap_wanted = &own->wanted.value;
}

void
RequestsEnd(void)
{
	pg_atomic_write_u32(&own->listens, 0);
	pg_atomic_write_u32(&own->waits_for, 0);
}

/*
 * answer_change_state
 *		False if the state is not what it was seen to be.
 */
static bool
answer_change_state(Answer *answer, AnswerState from, AnswerState to)
{
	uint32 expected = from;

	return pg_atomic_compare_exchange_u32(&answer->state, &expected, to);
}

/*
 * answer_may_overwrite
 *		Is nobody to be expected to read an answer any more?  That holds also for
 *		this process's own one, since those who wait get another one.
 */
static bool
answer_may_overwrite(const Answer *answer, uint32 state, TimestampTz now)
{
	if (state != ANSWER_UNREAD)
		return state == ANSWER_FREE;
	return answer->slot == SlotOwn() || TimestampDifferenceExceeds(answer->at, now, UNREAD_MS);
}

/*
 * answer_claim
 *		One to write for a role, or NULL.  Its own one before others.
 */
static Answer *
answer_claim(Oid role, bool privileged, TimestampTz now)
{
	Answer *found = NULL;
	uint32 found_state = ANSWER_FREE;
	int share = 0;

	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		Answer *answer = &requests->answers[i];
		uint32 state = pg_atomic_read_u32(&answer->state);

		if (!answer_may_overwrite(answer, state, now))
			share += answer->role == role ? 1 : 0;
		else if ((i >= NUM_RESERVED || privileged) &&
				 (found == NULL || (state == ANSWER_UNREAD && answer->slot == SlotOwn())))
		{
			found = answer;
			found_state = state;
		}
	}
	if (found == NULL || share >= ROLES_SHARE ||
		!answer_change_state(found, (AnswerState) found_state, ANSWER_WRITING))
		return NULL;
	return found;
}

/*
 * answer_find_asker
 *		Somebody who waits for the contexts of this process, a privileged one
 *		before others; NULL if there is nobody.
 */
static const Mailbox *
answer_find_asker(void)
{
	const Mailbox *found = NULL;

	for (int i = 0; i < SlotCount(); i++)
	{
		Mailbox *asker = &requests->mailboxes[i];

		if (pg_atomic_read_u32(&asker->waits_for) != (uint32) SlotOwn() + 1)
			continue;
		pg_read_barrier();
		if (found == NULL || asker->privileged)
			found = asker;
	}
	return found;
}

static void
answer_wake_askers(void)
{
	for (int i = 0; i < SlotCount(); i++)
		if (pg_atomic_read_u32(&requests->mailboxes[i].waits_for) == (uint32) SlotOwn() + 1)
			SetLatch(&SlotProc(i)->procLatch);
}

/*
 * answer_all
 *		Answer all who wait for the contexts of this process.  False if no answer
 *		can be had now.
 */
static bool
answer_all(void)
{
	TimestampTz now = GetCurrentTimestamp();
	const Mailbox *asker = answer_find_asker();
	Answer *answer;

	if (asker == NULL)
		return true;
	answer = answer_claim(asker->role, asker->privileged, now);
	if (answer == NULL)
		return false;
	pg_atomic_fetch_add_u64(&answer->version, 1);
	answer->slot = SlotOwn();
	answer->pid = MyProcPid;
	answer->role = asker->role;
	answer->number = pg_atomic_read_u64(&own->asked);
	answer->at = now;
	ContextsPack(answer->rows.bytes, ANSWER_SIZE);
	pg_atomic_fetch_add_u64(&answer->version, 1);
	pg_atomic_write_u32(&answer->state, ANSWER_UNREAD);
	answer_wake_askers();
	return true;
}

/*
 * requests_serve_readers
 *		Do what only reads the memory of this process.
 */
static void
requests_serve_readers(uint32 wanted)
{
	if ((wanted & WANT_CONTEXTS) != 0 && !answer_all())
		pg_atomic_fetch_or_u32(&own->wanted, WANT_CONTEXTS);
	if ((wanted & WANT_FIGURES) != 0)
		ShowNow();
}

/*
 * requests_give_unused
 *		Give back pages that are not in use, and show it.  Who asked waits until the
 *		flag is gone, so it goes last.
 */
static void
requests_give_unused(void)
{
	if (process_heap_ready)
		(void) ga_heap_release(&process_heap);
	ShowNow();
	pg_atomic_fetch_and_u32(&own->wanted, ~(uint32) WANT_TRIM);
}

/*
 * requests_serve_interrupt
 *		Called where this process checks for interrupts.
 */
static void
requests_serve_interrupt(void)
{
	uint32 wanted;

	if (own == NULL || process_heap.sweeping || !ProcessIsOurs())
		return;
	wanted = pg_atomic_fetch_and_u32(&own->wanted, ~(uint32) (WANT_CONTEXTS | WANT_FIGURES));
	requests_serve_readers(wanted);
	if ((wanted & WANT_TRIM) != 0)
		requests_give_unused();
}

/*
 * RequestsListen
 *		Only processes of types that check for interrupts wherever they wait.
 */
void
RequestsListen(void)
{
	if (listening || requests == NULL || !IsUnderPostmaster ||
		(MyBackendType != B_BACKEND && MyBackendType != B_WAL_SENDER &&
		 MyBackendType != B_BG_WORKER && MyBackendType != B_AUTOVAC_WORKER))
		return;
	listening = InterruptsListen(requests_serve_interrupt);
	if (own != NULL)
		pg_atomic_write_u32(&own->listens, listening);
}

bool
RequestsCanCome(void)
{
	return listening;
}

void
RequestsServe(void)
{
	uint32 wanted;
	ga_sweep_result result;

	if (!SafeToSweep())
		return;
	wanted = pg_atomic_fetch_and_u32(&own->wanted, WANT_TRIM);
	requests_serve_readers(wanted);
	if ((wanted & WANT_TRIM) != 0)
		requests_give_unused();
	if ((wanted & (WANT_RELEASE | WANT_SWEEP)) == 0)
		return;
	if ((wanted & WANT_RELEASE) != 0)
		(void) RunRelease();
	else
		RunSweep(SWEEP_REQUEST, &result);
	RegistryPublish();
}

static bool
requests_is_there(int slot, int pid)
{
	RegistryFigures figures;

	return RegistryRead(slot, &figures) && figures.pid == pid;
}

static bool
requests_listens(int slot)
{
	return pg_atomic_read_u32(&requests->mailboxes[slot].listens) != 0;
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

	pg_atomic_fetch_or_u32(&requests->mailboxes[slot].wanted, want);
	if (RegistryRead(slot, &figures) && figures.pid == pid && figures.backend_type == B_BACKEND)
		(void) SendProcSignal(pid, PROCSIG_CATCHUP_INTERRUPT, ProcSignalNumber(SlotProc(slot)));
}

bool
RequestTrim(int slot, int pid)
{
	Mailbox *mailbox = &requests->mailboxes[slot];
	TimestampTz now = GetCurrentTimestamp();

	if (!requests_listens(slot))
		return false;
	if ((pg_atomic_fetch_or_u32(&mailbox->wanted, WANT_TRIM) & WANT_TRIM) != 0)
		return !TimestampDifferenceExceeds((TimestampTz) pg_atomic_read_u64(&mailbox->trim_asked),
										   now, TRIM_PATIENCE);
	pg_atomic_write_u64(&mailbox->trim_asked, (uint64) now);
	InterruptsSend(slot, pid);
	return true;
}

void
RequestOwnTrim(void)
{
	if (own == NULL || !ProcessIsOurs())
		return;
	pg_atomic_write_u64(&own->trim_asked, (uint64) GetCurrentTimestamp());
	pg_atomic_fetch_or_u32(&own->wanted, WANT_TRIM);
	InterruptsSendSelf();
}

bool
RequestsTrimming(void)
{
	for (int i = 0; i < RegistrySlots(); i++)
		if ((pg_atomic_read_u32(&requests->mailboxes[i].wanted) & WANT_TRIM) != 0 &&
			requests_listens(i))
			return true;
	return false;
}

/*
 * figures_may_be_old
 *		Can there be more to tell of a process than it published?  Only backends do
 *		all their work in transactions.
 */
static bool
figures_may_be_old(int slot, const RegistryFigures *figures, TimestampTz now)
{
	bool at_work = figures->backend_type != B_BACKEND || ProcessInTransaction(SlotProc(slot));

	if (!RegistryIsDeferred(slot) && !at_work)
		return false;
	return !at_work || TimestampDifferenceExceeds(figures->at, now, FIGURES_AGE);
}

/*
 * figures_ask
 *		Ask a process to publish its figures.  False if there is nothing to wait
 *		for: they are new, or somebody asked before and waited in vain.
 */
static bool
figures_ask(int slot, const RegistryFigures *figures, TimestampTz now)
{
	Mailbox *mailbox = &requests->mailboxes[slot];

	if (!requests_listens(slot) || !figures_may_be_old(slot, figures, now))
		return false;
	if ((pg_atomic_fetch_or_u32(&mailbox->wanted, WANT_FIGURES) & WANT_FIGURES) != 0)
		return !TimestampDifferenceExceeds(
			(TimestampTz) pg_atomic_read_u64(&mailbox->figures_asked), now, FIGURES_PATIENCE);
	pg_atomic_write_u64(&mailbox->figures_asked, (uint64) now);
	InterruptsSend(slot, figures->pid);
	return true;
}

/*
 * figures_await
 *		Wait until a process has published since then.
 */
static void
figures_await(int slot, int pid, TimestampTz since, TimestampTz deadline)
{
	RegistryFigures figures;

	while (RegistryRead(slot, &figures) && figures.pid == pid &&
		   (figures.at < since ||
			(RegistryIsDeferred(slot) && !ProcessInTransaction(SlotProc(slot)))) &&
		   GetCurrentTimestamp() < deadline)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(500);
	}
}

void
RequestFigures(bool (*may_read)(const RegistryFigures *process))
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline = TimestampTzPlusMilliseconds(now, FIGURES_PATIENCE);
	int *asked = palloc0(sizeof(int) * (Size) Max(RegistrySlots(), 1));
	RegistryFigures figures;

	for (int i = 0; i < RegistrySlots(); i++)
		if (i != SlotOwn() && RegistryRead(i, &figures) && may_read(&figures) &&
			figures_ask(i, &figures, now))
			asked[i] = figures.pid;
	for (int i = 0; i < RegistrySlots(); i++)
		if (asked[i] != 0)
			figures_await(i, asked[i], now, deadline);
	pfree(asked);
}

/*
 * contexts_wait
 *		False once the time is over.  To wait is a safe point, too: two processes
 *		may ask each other.
 */
static bool
contexts_wait(TimestampTz deadline)
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
 * contexts_copy_snapshot
 *		What a process left when it was last seen; NULL if it left nothing.
 */
static void *
contexts_copy_snapshot(int slot, TimestampTz *at)
{
	void *memory = palloc(SNAPSHOT_SIZE);

	if (SnapshotRead(slot, memory, at))
		return memory;
	pfree(memory);
	return NULL;
}

/*
 * contexts_copy_idle
 *		All contexts of a process outside of a transaction, as it left them; NULL
 *		if it is in one, has left nothing, or more than there was room for.
 */
static void *
contexts_copy_idle(int slot, int pid, TimestampTz *at)
{
	TimestampTz now = GetCurrentTimestamp();
	RegistryFigures figures;
	void *memory;

	if (ProcessInTransaction(SlotProc(slot)))
		return NULL;
	if (RegistryRead(slot, &figures) && figures.pid == pid && figures_ask(slot, &figures, now))
		figures_await(slot, pid, now, TimestampTzPlusMilliseconds(now, FIGURES_PATIENCE));
	if (RegistryIsDeferred(slot) || (memory = contexts_copy_snapshot(slot, at)) == NULL)
		return NULL;
	if (ContextsAreAll(memory) || !requests_listens(slot))
		return memory;
	pfree(memory);
	return NULL;
}

/*
 * contexts_copy_answer
 *		The answer of a process to a request with a number, if it is there, and when
 *		it was given.
 */
static void *
contexts_copy_answer(int slot, int pid, uint64 number, TimestampTz *at)
{
	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		Answer *answer = &requests->answers[i];
		uint64 version = pg_atomic_read_u64(&answer->version);
		void *copy;

		pg_read_barrier();
		if (version % 2 != 0 || answer->slot != slot || answer->pid != pid ||
			answer->number < number)
			continue;
		copy = palloc(ANSWER_SIZE);
		memcpy(copy, answer->rows.bytes, ANSWER_SIZE);
		*at = answer->at;
		pg_read_barrier();
		if (pg_atomic_read_u64(&answer->version) == version)
		{
			(void) answer_change_state(answer, ANSWER_UNREAD, ANSWER_FREE);
			return copy;
		}
		pfree(copy);
	}
	return NULL;
}

/*
 * contexts_ask
 *		Returns the number of the request.
 */
static uint64
contexts_ask(int slot, bool privileged)
{
	own->role = GetUserId();
	own->privileged = privileged;
	pg_write_barrier();
	pg_atomic_write_u32(&own->waits_for, (uint32) slot + 1);
	return pg_atomic_fetch_add_u64(&requests->mailboxes[slot].asked, 1) + 1;
}

static void
contexts_remind(int slot, int pid)
{
	pg_atomic_fetch_or_u32(&requests->mailboxes[slot].wanted, WANT_CONTEXTS);
	if (requests_listens(slot))
		InterruptsSend(slot, pid);
}

/*
 * contexts_await
 *		Wait for the answer to a request with a number.
 */
static RequestResult
contexts_await(int slot, int pid, uint64 number, TimestampTz deadline, void **copy, TimestampTz *at)
{
	TimestampTz reminded = 0;

	do
	{
		TimestampTz now = GetCurrentTimestamp();

		if ((*copy = contexts_copy_answer(slot, pid, number, at)) != NULL)
			return REQUEST_ANSWERED;
		if (!requests_is_there(slot, pid))
			return REQUEST_GONE;
		if (TimestampDifferenceExceeds(reminded, now, REMIND_MS))
		{
			contexts_remind(slot, pid);
			reminded = now;
		}
	} while (contexts_wait(deadline));
	return REQUEST_TIMEOUT;
}

RequestResult
RequestContexts(int slot, int pid, bool privileged, int64 timeout_ms, void **copy, TimestampTz *at)
{
	const PGPROC *proc = SlotProc(slot);
	bool idle = !ProcessInTransaction(proc);
	TimestampTz deadline;
	RequestResult result = REQUEST_TIMEOUT;

	if ((*copy = contexts_copy_idle(slot, pid, at)) != NULL)
		return requests_is_there(slot, pid) ? REQUEST_ANSWERED : REQUEST_GONE;
	if (own == NULL)
		RegistryPublish();

	/* One that waits for its client has nothing else to do. */
	if (idle || ProcessAwaitsClient(proc))
		timeout_ms = Min(timeout_ms, IDLE_PATIENCE);
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	PG_TRY();
	{
		result = contexts_await(slot, pid, contexts_ask(slot, privileged), deadline, copy, at);
	}
	PG_FINALLY();
	{
		pg_atomic_write_u32(&own->waits_for, 0);
	}
	PG_END_TRY();
	if (!idle)
		*at = 0;
	if (result != REQUEST_TIMEOUT)
		return result;

	*copy = contexts_copy_snapshot(slot, at);
	if (!requests_is_there(slot, pid))
		return REQUEST_GONE;
	return idle && *copy != NULL && !RegistryIsDeferred(slot) ? REQUEST_ANSWERED : REQUEST_TIMEOUT;
}
