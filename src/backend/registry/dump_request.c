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

#include "utils/timestamp.h"

#include "backend/registry/dump_request.h"
#include "backend/registry/requests.h"

static DumpResult
dump_await(int slot, int pid, TimestampTz deadline, int64 *number, int *error)
{
	do
	{
		if (RequestDump(slot, pid, number, error))
			return DUMP_TRIED;
		if (!RequestsIsThere(slot, pid))
			return DUMP_GONE;
		for (int waited = 0; waited < REQUEST_REMIND_MS; waited += REQUEST_POLL_MS)
		{
			if (RequestDumpIsDone(slot, *number))
				break;
			if (!RequestsWait(deadline))
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
