/*-------------------------------------------------------------------------
 *
 * dump_request.c
 *	  Asking another process for a heap dump, and waiting for it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "backend/registry/dump_request.h"
#include "backend/registry/requests.h"

/* Look so often whether it was done, and ask again if not. */
#define POLL_MS	  20
#define REMIND_MS 100

/*
 * dump_wait
 *		False once the time is over.  Two processes may ask each other.
 */
static bool
dump_wait(TimestampTz deadline)
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

static DumpResult
dump_await(int slot, int pid, TimestampTz deadline, int64 *number, int *error)
{
	do
	{
		if (RequestDump(slot, pid, number, error))
			return DUMP_TRIED;
		if (!RequestsIsThere(slot, pid))
			return DUMP_GONE;
		for (int waited = 0; waited < REMIND_MS; waited += POLL_MS)
		{
			if (RequestDumpIsDone(slot, *number))
				break;
			if (!dump_wait(deadline))
				return DUMP_TIMEOUT;
		}
	} while (true);
}

DumpResult
AwaitDump(int slot, int pid, int64 timeout_ms, int64 *number, int *error)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	volatile DumpResult result = DUMP_TIMEOUT;

	*number = 0;
	PG_TRY();
	{
		result = dump_await(slot, pid, deadline, number, error);
	}
	PG_FINALLY();
	{
		if (result != DUMP_TRIED)
			RequestDumpGiveUp(slot);
	}
	PG_END_TRY();
	return result;
}
