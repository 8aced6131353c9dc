/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  The number of this process in arrays of shared memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/wait_event.h"

#include "backend/process/proc_compat.h"
#include "backend/process/process.h"
#include "backend/process/slot.h"

static int own = -1;
static bool closed = false; /* this process is on its way out, or declined */
static void (*on_take)(int slot) = NULL;
static void (*on_give_up)(void) = NULL;

/*
 * SlotCount
 *		Prepared transactions have a PGPROC, too, but come after those of processes.
 */
int
SlotCount(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS;
}

void
SlotInit(void (*taken)(int slot), void (*given_up)(void))
{
	on_take = taken;
	on_give_up = given_up;
}

/*
 * slot_give_up
 *		Give up the slot.  The server gives up the PGPROC after this, since that was taken before
 *		the slot.
 */
static void
slot_give_up(int code, Datum arg)
{
	if (!ProcessIsOurs() || own < 0)
		return;
	on_give_up();
	own = -1;
	closed = true;
}

bool
SlotTake(void)
{
	int number;

	if (likely(own >= 0))
		return true;
	if (on_take == NULL || closed || MyProc == NULL)
		return false;
	number = (int) (MyProc - ProcGlobal->allProcs);
	if (number >= SlotCount())
		return false;
	own = number;
	on_take(number);
	on_shmem_exit(slot_give_up, (Datum) 0);
	return true;
}

void
SlotDecline(void)
{
	slot_give_up(0, (Datum) 0);
	closed = true;
}

int
SlotOwn(void)
{
	return own;
}

bool
ProcessInTransaction(const PGPROC *proc)
{
	return *(const volatile LocalTransactionId *) &ProcLocalTransactionId(proc) !=
		   InvalidLocalTransactionId;
}

bool
ProcessAwaitsClient(const PGPROC *proc)
{
	return *(const volatile uint32 *) &proc->wait_event_info == WAIT_EVENT_CLIENT_READ;
}
