/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  Asking another process to sweep, to release, to write a heap dump, or to show what it holds.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "storage/sinval.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "backend/dump/dump.h"
#include "backend/process/proc_compat.h"
#include "backend/process/process.h"
#include "backend/process/slot.h"
#include "backend/profile/profile_table.h"
#include "backend/registry/answers.h"
#include "backend/registry/interrupts.h"
#include "backend/registry/registry.h"
#include "backend/registry/requests.h"
#include "backend/registry/showing.h"
#include "backend/sweeps/sweeps.h"
#include "backend/usage/malloced.h"
#include "mcxt/hot.h"

/* In milliseconds: readers of figures wait no longer, and do not ask for newer ones. */
#define FIGURES_PATIENCE 200
#define FIGURES_AGE		 10

/* A process that has not added to the profile is asked again after this many looks. */
#define PROFILE_TURNS 50

/*
 * A process that was asked for unused pages longer ago than this, in milliseconds, does not give
 * them.
 */
#define UNUSED_PATIENCE 1000

/* Numbers of dumps are times, so that no two of a process are alike; errors are errnos. */
#define DUMP_ERROR_BITS 12
#define DUMP_ERROR_MASK ((UINT64CONST(1) << DUMP_ERROR_BITS) - 1)

/* For each slot: what other processes want of the one that has it. */
typedef struct Mailbox
{
	pg_atomic_uint32 wanted;
	pg_atomic_uint64 figures_asked; /* when figures were last wanted, a TimestampTz */
	pg_atomic_uint64 unused_asked;	/* the same for pages that are not in use */
	pg_atomic_uint32 listens;		/* it takes interrupts */
	pg_atomic_uint64 dump_asked;	/* the number of the last dump that was wanted */
	pg_atomic_uint64 dump_done; /* and of the last one that was tried, with its error: see below */
} Mailbox;

static Mailbox *mailboxes = NULL;
static Mailbox *own = NULL;
HOT_DATA bool requests_can_come = false;

void (*requests_serve_idle)(bool may_sweep) = NULL;

Size
RequestsSize(void)
{
	return mul_size(sizeof(Mailbox), (Size) SlotCount());
}

void
RequestsAttach(void *memory, bool anew)
{
	mailboxes = memory;
	if (!anew)
		return;
	for (int i = 0; i < SlotCount(); i++)
	{
		pg_atomic_init_u32(&mailboxes[i].wanted, 0);
		pg_atomic_init_u64(&mailboxes[i].figures_asked, 0);
		pg_atomic_init_u64(&mailboxes[i].unused_asked, 0);
		pg_atomic_init_u32(&mailboxes[i].listens, 0);
		pg_atomic_init_u64(&mailboxes[i].dump_asked, 0);
		pg_atomic_init_u64(&mailboxes[i].dump_done, 0);
	}
}

/*
 * RequestsBegin
 *		Clears the mailbox: requests to the process that had the slot before are not for this one.
 */
void
RequestsBegin(int slot)
{
	own = &mailboxes[slot];
	pg_atomic_write_u32(&own->wanted, 0);
	pg_atomic_write_u32(&own->listens, requests_can_come);
	process_heap_wanted = &own->wanted.value;
}

void
RequestsEnd(void)
{
	pg_atomic_write_u32(&own->listens, 0);
}

/*
 * requests_serve_readers
 *		Do what only reads the memory of this process.
 */
static void
requests_serve_readers(uint32 wanted)
{
	if ((wanted & WANT_CONTEXTS) != 0 && !AnswersWrite())
		pg_atomic_fetch_or_u32(&own->wanted, WANT_CONTEXTS);
	if ((wanted & WANT_FIGURES) != 0)
		ShowNow();
	if ((wanted & WANT_PROFILE) != 0 && !ProfileTablePublish())
		pg_atomic_fetch_or_u32(&own->wanted, WANT_PROFILE);
}

/*
 * requests_give_unused
 *		Give back pages that are not in use, and publish that.  The flag is cleared last, since the
 *		process that asked waits for that.
 */
static void
requests_give_unused(void)
{
	if (process_heap_ready)
		(void) ga_heap_release(&process_heap);
	MallocedTrim();
	ShowNow();
	pg_atomic_fetch_and_u32(&own->wanted, ~(uint32) WANT_UNUSED);
}

/*
 * requests_serve_idle_work
 *		Give back what is not needed while this process is idle.
 */
static void
requests_serve_idle_work(bool may_sweep)
{
	pg_atomic_fetch_and_u32(&own->wanted, ~(uint32) WANT_IDLE);
	requests_serve_idle(may_sweep);
	ShowNow();
}

/*
 * requests_write_dump
 *		Write a heap dump, and leave the result for all processes that wait for it.
 */
static void
requests_write_dump(void)
{
	uint64 number = pg_atomic_read_u64(&own->dump_asked);
	int error = DumpWrite((int64) number);

	pg_atomic_write_u64(&own->dump_done,
						number << DUMP_ERROR_BITS | ((uint64) error & DUMP_ERROR_MASK));
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
	wanted = pg_atomic_fetch_and_u32(&own->wanted,
									 ~(uint32) (WANT_CONTEXTS | WANT_FIGURES | WANT_PROFILE));
	requests_serve_readers(wanted);
	if ((wanted & WANT_UNUSED) != 0)
		requests_give_unused();
	else if ((wanted & WANT_IDLE) != 0 && IsTransactionOrTransactionBlock())
		requests_serve_idle_work(false);
}

/*
 * RequestsListen
 *		Only for types of processes that check for interrupts wherever they wait.
 */
void
RequestsListen(void)
{
	if (requests_can_come || mailboxes == NULL || !IsUnderPostmaster ||
		(MyBackendType != B_BACKEND && MyBackendType != B_WAL_SENDER &&
		 MyBackendType != B_BG_WORKER && MyBackendType != B_AUTOVAC_WORKER))
		return;
	requests_can_come = InterruptsListen(requests_serve_interrupt);
	if (own != NULL)
		pg_atomic_write_u32(&own->listens, requests_can_come);
}

void
RequestsServe(void)
{
	uint32 wanted;
	ga_sweep_result result;

	if (!SafeToSweep())
		return;
	wanted = pg_atomic_fetch_and_u32(&own->wanted, WANT_UNUSED | WANT_IDLE);
	requests_serve_readers(wanted);
	if ((wanted & WANT_UNUSED) != 0)
		requests_give_unused();
	if ((wanted & WANT_IDLE) != 0)
		requests_serve_idle_work(true);
	if ((wanted & WANT_DUMP) != 0)
		requests_write_dump();
	if ((wanted & (WANT_RELEASE | WANT_SWEEP)) == 0)
		return;
	if ((wanted & WANT_RELEASE) != 0)
		(void) RunRelease();
	else
		RunSweep(SWEEP_REQUEST, &result);
	RegistryPublish();
}

bool
RequestsWait(TimestampTz deadline)
{
	long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

	if (left <= 0)
		return false;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(left, REQUEST_POLL_MS), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	RequestsSafePoint();
	return true;
}

bool
RequestsIsThere(int slot, int pid)
{
	RegistryFigures figures;

	return RegistryRead(slot, &figures) && figures.pid == pid;
}

bool
RequestsListens(int slot)
{
	return pg_atomic_read_u32(&mailboxes[slot].listens) != 0;
}

/*
 * RequestWork
 *		A backend that waits for its client, or is about to, would not see the flag before the
 *		client sends something.  So it also gets the signal that makes backends catch up with
 *		invalidation messages.  It then runs an empty transaction, and sees the flag at its end.
 */
void
RequestWork(int slot, int pid, uint32 want)
{
	RegistryFigures figures;

	pg_atomic_fetch_or_u32(&mailboxes[slot].wanted, want);
	if (RegistryRead(slot, &figures) && figures.pid == pid && figures.backend_type == B_BACKEND)
		(void) SendProcSignal(pid, PROCSIG_CATCHUP_INTERRUPT, ProcSignalNumber(SlotProc(slot)));
}

/*
 * requests_dump_number
 *		Make a number for a dump, larger than all before.
 */
static uint64
requests_dump_number(Mailbox *mailbox)
{
	uint64 before = pg_atomic_read_u64(&mailbox->dump_asked);
	uint64 number;

	do
		number = Max((uint64) GetCurrentTimestamp(), before + 1);
	while (!pg_atomic_compare_exchange_u64(&mailbox->dump_asked, &before, number));
	return number;
}

bool
RequestDumpIsDone(int slot, int64 number)
{
	return pg_atomic_read_u64(&mailboxes[slot].dump_done) >> DUMP_ERROR_BITS >= (uint64) number;
}

bool
RequestDump(int slot, int pid, int64 *number, int *error)
{
	Mailbox *mailbox = &mailboxes[slot];

	if (*number == 0)
		*number = (int64) requests_dump_number(mailbox);
	else if (RequestDumpIsDone(slot, *number))
	{
		uint64 done = pg_atomic_read_u64(&mailbox->dump_done);

		*number = (int64) (done >> DUMP_ERROR_BITS);
		*error = (int) (done & DUMP_ERROR_MASK);
		return true;
	}
	RequestWork(slot, pid, WANT_DUMP);
	return false;
}

void
RequestDumpGiveUp(int slot)
{
	pg_atomic_fetch_and_u32(&mailboxes[slot].wanted, ~(uint32) WANT_DUMP);
}

bool
RequestUnused(int slot, int pid)
{
	Mailbox *mailbox = &mailboxes[slot];
	TimestampTz now = GetCurrentTimestamp();

	if (!RequestsListens(slot))
		return false;
	if ((pg_atomic_fetch_or_u32(&mailbox->wanted, WANT_UNUSED) & WANT_UNUSED) != 0)
		return !TimestampDifferenceExceeds((TimestampTz) pg_atomic_read_u64(&mailbox->unused_asked),
										   now, UNUSED_PATIENCE);
	pg_atomic_write_u64(&mailbox->unused_asked, (uint64) now);
	InterruptsSend(slot, pid);
	return true;
}

void
RequestOwnUnused(void)
{
	if (own == NULL || !ProcessIsOurs())
		return;
	pg_atomic_write_u64(&own->unused_asked, (uint64) GetCurrentTimestamp());
	pg_atomic_fetch_or_u32(&own->wanted, WANT_UNUSED);
	InterruptsSendSelf();
}

void
RequestOwnIdle(void)
{
	if (own == NULL || !ProcessIsOurs())
		return;
	pg_atomic_fetch_or_u32(&own->wanted, WANT_IDLE);
	if (IsTransactionOrTransactionBlock())
		InterruptsSendSelf();
	else
		HandleCatchupInterrupt();
}

bool
RequestsUnusedAwaited(void)
{
	for (int i = 0; i < RegistrySlots(); i++)
		if ((pg_atomic_read_u32(&mailboxes[i].wanted) & WANT_UNUSED) != 0 && RequestsListens(i))
			return true;
	return false;
}

/*
 * requests_figures_may_be_old
 *		Can the figures that a process published be out of date?  Only backends do all their work in
 *		transactions.
 */
static bool
requests_figures_may_be_old(int slot, const RegistryFigures *figures, TimestampTz now)
{
	bool at_work = figures->backend_type != B_BACKEND || ProcessInTransaction(SlotProc(slot));

	if (RegistryIsDeferred(slot))
		return true;
	return at_work && TimestampDifferenceExceeds(figures->at, now, FIGURES_AGE);
}

/*
 * requests_figures_ask
 *		Ask a process to publish its figures.  False if there is nothing to wait
 *		for: they are new, or another process asked before and waited in vain.
 */
static bool
requests_figures_ask(int slot, const RegistryFigures *figures, TimestampTz now)
{
	Mailbox *mailbox = &mailboxes[slot];

	if (!RequestsListens(slot) || !requests_figures_may_be_old(slot, figures, now))
		return false;
	if ((pg_atomic_fetch_or_u32(&mailbox->wanted, WANT_FIGURES) & WANT_FIGURES) != 0)
		return !TimestampDifferenceExceeds(
			(TimestampTz) pg_atomic_read_u64(&mailbox->figures_asked), now, FIGURES_PATIENCE);
	pg_atomic_write_u64(&mailbox->figures_asked, (uint64) now);
	InterruptsSend(slot, figures->pid);
	return true;
}

/*
 * requests_figures_await
 *		Wait until a process has published since a time.  A process that is no backend begins a
 *		transaction because the request wakes it, and does not publish at the end of that.  What it
 *		held when it was asked is enough.
 */
static void
requests_figures_await(int slot, int pid, TimestampTz since, TimestampTz deadline)
{
	RegistryFigures figures;

	while (RegistryRead(slot, &figures) && figures.pid == pid &&
		   (figures.at < since || (figures.backend_type == B_BACKEND && RegistryIsDeferred(slot) &&
								   !ProcessInTransaction(SlotProc(slot)))) &&
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
			requests_figures_ask(i, &figures, now))
			asked[i] = figures.pid;
	for (int i = 0; i < RegistrySlots(); i++)
		if (asked[i] != 0)
			requests_figures_await(i, asked[i], now, deadline);
	pfree(asked);
}

void
RequestAllFigures(void)
{
	TimestampTz now = GetCurrentTimestamp();
	RegistryFigures figures;

	for (int i = 0; i < RegistrySlots(); i++)
		if (i != SlotOwn() && RegistryRead(i, &figures))
			(void) requests_figures_ask(i, &figures, now);
}

void
RequestFiguresOf(int slot, int pid)
{
	TimestampTz now = GetCurrentTimestamp();
	RegistryFigures figures;

	if (RegistryRead(slot, &figures) && figures.pid == pid &&
		requests_figures_ask(slot, &figures, now))
		requests_figures_await(slot, pid, now, TimestampTzPlusMilliseconds(now, FIGURES_PATIENCE));
}

void
RequestContextsOf(int slot, int pid)
{
	pg_atomic_fetch_or_u32(&mailboxes[slot].wanted, WANT_CONTEXTS);
	if (RequestsListens(slot))
		InterruptsSend(slot, pid);
}

/*
 * requests_profiles_behind
 *		Count the processes that have something to add to the profile, and, if ask is true, ask them
 *		to.
 */
static int
requests_profiles_behind(bool ask)
{
	RegistryFigures figures;
	int behind = 0;

	for (int i = 0; i < RegistrySlots(); i++)
	{
		if (i == SlotOwn() || !ProfileTableIsBehind(i) || !RegistryRead(i, &figures))
			continue;
		behind++;
		if (!ask)
			continue;
		pg_atomic_fetch_or_u32(&mailboxes[i].wanted, WANT_PROFILE);
		if (RequestsListens(i))
			InterruptsSend(i, figures.pid);
	}
	return behind;
}

/*
 * RequestProfiles
 *		A process that finds the table locked does nothing, so it is asked again.
 */
int
RequestProfiles(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), FIGURES_PATIENCE);
	int behind;

	while (!ProfileTablePublish() && GetCurrentTimestamp() < deadline)
		pg_usleep(500);
	for (int turn = 0; (behind = requests_profiles_behind(turn % PROFILE_TURNS == 0)) > 0 &&
					   GetCurrentTimestamp() < deadline;
		 turn++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(500);
	}
	return behind;
}
