/*-------------------------------------------------------------------------
 *
 * situations.c
 *	  Where a process is when it touches freed memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/guc.h"

#include "fault_test.h"

PG_FUNCTION_INFO_V1(fault_in);
PG_FUNCTION_INFO_V1(fault_in_worker);

/* goarena_fault_test.in_process: the type of process that faults when it logs something */
static char *in_process = NULL;
static emit_log_hook_type previous_emit_log = NULL;

/* The moment of a transaction to fault at, or -1. */
static int fault_event = -1;

static void
TouchAtExit(int code, Datum arg)
{
	FaultTouch();
}

static void
TouchAtEvent(XactEvent event, void *arg)
{
	if ((int) event == fault_event)
	{
		fault_event = -1;
		FaultTouch();
	}
}

static void
TouchWhenLogging(ErrorData *edata)
{
	if (previous_emit_log != NULL)
		previous_emit_log(edata);
	if (in_process != NULL && in_process[0] != '\0' && CritSectionCount == 0 &&
		strcmp(GetBackendTypeDesc(MyBackendType), in_process) == 0)
	{
		in_process = NULL;
		FaultTouch();
	}
}

void
FaultSituationsInit(void)
{
	DefineCustomStringVariable("goarena_fault_test.in_process",
							   "Names the type of process that faults when it logs something.",
							   NULL, &in_process, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	previous_emit_log = emit_log_hook;
	emit_log_hook = TouchWhenLogging;
	RegisterXactCallback(TouchAtEvent, NULL);
}

/*
 * fault_in(situation text) returns void
 *		Returns only where the fault comes later.
 */
Datum
fault_in(PG_FUNCTION_ARGS)
{
	const char *situation = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strcmp(situation, "plainly") == 0)
		FaultTouch();
	else if (strcmp(situation, "critical section") == 0)
	{
		volatile uint64 *dangling = FaultDangling(); /* no allocation in there */

		START_CRIT_SECTION();
		(void) dangling[8];
		END_CRIT_SECTION();
	}
	else if (strcmp(situation, "lock") == 0)
	{
		LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
		FaultTouch();
		LWLockRelease(AddinShmemInitLock);
	}
	else if (strcmp(situation, "interrupts held") == 0)
	{
		HOLD_INTERRUPTS();
		FaultTouch();
		RESUME_INTERRUPTS();
	}
	else if (strcmp(situation, "hold interrupts for good") == 0)
		HOLD_INTERRUPTS();
	else if (strcmp(situation, "exit callback") == 0)
		before_shmem_exit(TouchAtExit, (Datum) 0);
	else if (strcmp(situation, "late exit callback") == 0)
		on_proc_exit(TouchAtExit, (Datum) 0);
	else if (strcmp(situation, "twice") == 0)
	{
		before_shmem_exit(TouchAtExit, (Datum) 0);
		FaultTouch();
	}
	else if (strcmp(situation, "pre-commit") == 0)
		fault_event = XACT_EVENT_PRE_COMMIT;
	else if (strcmp(situation, "commit") == 0)
		fault_event = XACT_EVENT_COMMIT;
	else if (strcmp(situation, "abort") == 0)
		fault_event = XACT_EVENT_ABORT;
	else
		elog(ERROR, "no such situation: \"%s\"", situation);
	PG_RETURN_VOID();
}

Datum
fault_in_worker(PG_FUNCTION_ARGS)
{
	if (IsParallelWorker())
		FaultTouch();
	PG_RETURN_BOOL(false);
}
