/*-------------------------------------------------------------------------
 *
 * showing.c
 *	  When the others are shown what this process holds.
 *
 * The handler of the timeout publishes by itself where it finds the process
 * waiting for its client: nothing that it reads is being changed then, since the
 * process is in the system call by which it waits.  Anywhere else it leaves that
 * to the end of the transaction, and comes back later in case that was just
 * over.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "backend/proc_compat.h"
#include "backend/registry.h"
#include "backend/showing.h"
#include "backend/snapshots.h"

/* In milliseconds: a transaction that ends sooner after another was shown waits. */
#define SHOW_INTERVAL 10

/* Later and later the handler comes back to a process that is at work. */
#define LONGEST_DELAY 1000

typedef enum ShowState
{
	SHOWN,	  /* what was at the end of the last transaction */
	DEFERRED, /* the timeout will see to it */
	OVERDUE	  /* the timeout came while the process was at work */
} ShowState;

static volatile sig_atomic_t state = SHOWN;
static TimestampTz last_shown = 0;
static TimeoutId timeout;
static bool timeout_registered = false;
static int delay;

/*
 * Show
 *		Readers who find that nothing is deferred find all of it.
 */
static void
Show(TimestampTz now)
{
	state = SHOWN;
	last_shown = now;
	RegistryPublishAt(now);
	SnapshotLeave(now);
	RegistrySetDeferred(false);
}

static bool
WaitsForClient(uint32 wait_event_info)
{
	return wait_event_info == WAIT_EVENT_CLIENT_READ;
}

/*
 * HandleTimeout
 *		In a signal handler.
 */
static void
HandleTimeout(void)
{
	if (state == SHOWN)
		return;
	if (WaitsForClient(*(volatile uint32 *) my_wait_event_info))
	{
		Show(GetCurrentTimestamp());
		return;
	}
	state = OVERDUE;
	delay = Min(delay * 2, LONGEST_DELAY);
	enable_timeout_after(timeout, delay);
}

static void
Defer(void)
{
	if (!timeout_registered)
		timeout = RegisterTimeout(USER_TIMEOUT, HandleTimeout);
	timeout_registered = true;
	delay = SHOW_INTERVAL;
	state = DEFERRED;
	RegistrySetDeferred(true);
	enable_timeout_after(timeout, delay);
}

/*
 * MayDefer
 *		Only backends: they have timeouts, and wait for clients.
 */
static bool
MayDefer(TimestampTz now)
{
	return MyBackendType == B_BACKEND && now >= last_shown &&
		   now < TimestampTzPlusMilliseconds(last_shown, SHOW_INTERVAL);
}

/*
 * ShowAtTransactionEnd
 *		An error cancels timeouts.
 */
void
ShowAtTransactionEnd(void)
{
	TimestampTz now;

	if (!RegistryExists() || !IsUnderPostmaster ||
		(state == DEFERRED && get_timeout_active(timeout)))
		return;
	now = GetCurrentTransactionStopTimestamp();
	if (state == SHOWN && MayDefer(now))
		Defer();
	else
		Show(now);
}

static bool
InTransaction(const PGPROC *proc)
{
	return *(const volatile LocalTransactionId *) &ProcLocalTransactionId(proc) !=
		   InvalidLocalTransactionId;
}

bool
ProcessIsIdle(const PGPROC *proc)
{
	return !InTransaction(proc) ||
		   WaitsForClient(*(const volatile uint32 *) &proc->wait_event_info);
}

void
ShowingAwait(int slot, int *patience)
{
	while (*patience > 0 && RegistryIsDeferred(slot) && ProcessIsIdle(RegistryProc(slot)))
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
		(*patience)--;
	}
}
