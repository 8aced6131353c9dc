/*-------------------------------------------------------------------------
 *
 * total_value.c
 *	  The value of goarena.total_memory_limit: a size, or a share of what the machine has.
 *
 * A share is one of the memory that the cgroup allows the server, or that the host has if that is
 * less.  The server's shared memory is subtracted, and the rest is for processes.  So "80%" means
 * that a fifth of the machine stays free for the kernel and other programs.  The model is
 * ClickHouse's max_server_memory_usage_to_ram_ratio.
 *
 * The memory of a container can change while it runs.  So when a process looks at the limit, and
 * the last answer of the machine is a second old, it asks again, and leaves the answer in shared
 * memory for all.  If the system does not answer with a number, a lower value that was known stays.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/pg_shmem.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "backend/limits/total_value.h"
#include "backend/process/process.h"
#include "backend/registry/machine_memory.h"
#include "backend/sweeps/sweeps.h"

/* How long an answer is good for, in milliseconds. */
#define ASK_AGAIN 1000

typedef struct MachineAnswer
{
	pg_atomic_uint64 asked_at; /* a TimestampTz */
	pg_atomic_uint64 memory;   /* in bytes; the lowest bit is set if it is the cgroup's */
} MachineAnswer;

static MachineAnswer *machine_answer = NULL;

/*
 * value_machine_ask
 *		Ask the machine for its memory, and return that in the form that is kept.
 */
static uint64
value_machine_ask(void)
{
	MachineMemory memory;
	uint64 before = pg_atomic_read_u64(&machine_answer->memory);
	uint64 now;

	MachineMemoryRead(&memory);
	if (memory.cgroup_limit < memory.host_total)
		now = memory.cgroup_limit | 1;
	else
		now = memory.host_total & ~(uint64) 1;
	return memory.complete || before == 0 ? now : Min(before, now);
}

/*
 * value_machine_tell_change
 *		Log that a container was resized or moved.  Only the process that asked does so.
 */
static void
value_machine_tell_change(uint64 before, uint64 now)
{
	if (IsUnderPostmaster && ProcessIsOurs() && SafeToSweep())
		ereport(LOG_SERVER_ONLY,
				(errmsg("goarena: the server has " UINT64_FORMAT " kB of memory from its %s, and "
						"not " UINT64_FORMAT " kB any more",
						now / 1024, (now & 1) != 0 ? "cgroup" : "host", before / 1024),
				 errhidestmt(true), errhidecontext(true)));
}

/*
 * value_machine_memory_kept
 *		Return the answer, and ask again if it is too old.  While one process asks, others go on
 *		with the old answer.
 */
static uint64
value_machine_memory_kept(void)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64 asked_at = pg_atomic_read_u64(&machine_answer->asked_at);
	uint64 before;
	uint64 answer;

	if ((TimestampTz) asked_at <= now &&
		!TimestampDifferenceExceeds((TimestampTz) asked_at, now, ASK_AGAIN))
		return pg_atomic_read_u64(&machine_answer->memory);
	if (!pg_atomic_compare_exchange_u64(&machine_answer->asked_at, &asked_at, (uint64) now))
		return pg_atomic_read_u64(&machine_answer->memory);
	answer = value_machine_ask();
	before = pg_atomic_exchange_u64(&machine_answer->memory, answer);
	if (before != answer)
		value_machine_tell_change(before, answer);
	return answer;
}

/*
 * value_shared_memory_bytes
 *		The size of the server's main segment of shared memory.
 */
static uint64
value_shared_memory_bytes(void)
{
	const PGShmemHeader *header = UsedShmemSegAddr;

	return header == NULL ? 0 : header->totalsize;
}

/*
 * value_share_bytes
 *		How many bytes a share leaves for processes: at least the least limit, so that sessions can
 *		begin.
 */
static Size
value_share_bytes(double share, uint64 memory, uint64 shared_memory)
{
	uint64 least = (uint64) MIN_TOTAL_LIMIT_KB * 1024;
	uint64 bytes = (uint64) ((double) memory * (share / 100));

	bytes -= Min(bytes, shared_memory);
	return (Size) Max(bytes, least);
}

void
TotalValueExplain(const TotalValue *value, TotalOrigin *origin)
{
	uint64 kept;

	*origin = (TotalOrigin){SIZE_MAX, NULL, UINT64_MAX, UINT64_MAX};
	if (value->share > 0)
	{
		if (machine_answer == NULL)
			return;
		kept = value_machine_memory_kept();
		origin->source = (kept & 1) != 0 ? "cgroup" : "host";
		origin->memory = kept & ~(uint64) 1;
		origin->shared_memory = value_shared_memory_bytes();
		origin->limit = value_share_bytes(value->share, origin->memory, origin->shared_memory);
	}
	else if (value->kb != NO_LIMIT)
	{
		origin->source = "setting";
		origin->limit = (Size) value->kb * 1024;
	}
}

Size
TotalValueBytes(const TotalValue *value)
{
	TotalOrigin origin;

	TotalValueExplain(value, &origin);
	return origin.limit;
}

/*
 * value_share_parse
 *		"80%", "72.5 %".  Only digits: strtod() would also take an exponent and other things.
 */
static bool
value_share_parse(const char *text, double *share)
{
	char *end;

	while (isspace((unsigned char) *text))
		text++;
	if (strspn(text, "0123456789.") == 0 || *text == '.')
		return false;
	*share = strtod(text, &end);
	if (end != text + strspn(text, "0123456789."))
		return false;
	while (isspace((unsigned char) *end))
		end++;
	if (*end++ != '%')
		return false;
	while (isspace((unsigned char) *end))
		end++;
	return *end == '\0';
}

bool
TotalValueParse(const char *text, TotalValue *value)
{
	const char *hint = NULL;

	*value = (TotalValue){.share = 0, .kb = NO_LIMIT};
	if (strchr(text, '%') != NULL)
	{
		if (!value_share_parse(text, &value->share))
		{
			GUC_check_errdetail("A share must be a number that is followed by one %% sign.");
			GUC_check_errhint("For example \"80%%\", or \"72.5%%\".");
			return false;
		}
		if (!(value->share > 0 && value->share <= 100))
		{
			GUC_check_errdetail("A share must be more than 0%% and at most 100%%.");
			GUC_check_errhint("Use -1 for no limit.");
			return false;
		}
		return true;
	}
	if (!parse_int(text, &value->kb, GUC_UNIT_KB, &hint))
	{
		GUC_check_errdetail(
			"It must be a size, or a share of the machine's memory such as \"80%%\".");
		if (hint != NULL)
			GUC_check_errhint("%s", hint);
		return false;
	}
	if (value->kb != NO_LIMIT && value->kb < MIN_TOTAL_LIMIT_KB)
	{
		GUC_check_errdetail(
			"goarena.total_memory_limit must be at least 64MB, or -1 for no limit.");
		return false;
	}
	return true;
}

Size
TotalValueSize(void)
{
	return sizeof(MachineAnswer);
}

void
TotalValueAttach(void *memory, bool anew)
{
	machine_answer = memory;
	if (!anew)
		return;
	MachineMemoryInit();
	pg_atomic_init_u64(&machine_answer->memory, 0);
	pg_atomic_write_u64(&machine_answer->memory, value_machine_ask());
	pg_atomic_init_u64(&machine_answer->asked_at, (uint64) GetCurrentTimestamp());
}
