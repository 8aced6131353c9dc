/*-------------------------------------------------------------------------
 *
 * sweep.c
 *	  goarena_sweep(), goarena_sweeps() and goarena_release(), for this process
 *	  and for others.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "backend/registry/requests.h"
#include "backend/sweeps/sweeps.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_sweep);
SQL_FUNCTION(goarena_sweeps);
SQL_FUNCTION(goarena_release);
SQL_FUNCTION(goarena_sweep_process);
SQL_FUNCTION(goarena_release_process);

static const Column result_columns[] = {
	{"chunks_freed", COLUMN_COUNT, offsetof(ga_sweep_result, chunks_freed)},
	{"chunks_pinned", COLUMN_COUNT, offsetof(ga_sweep_result, chunks_pinned)},
	{"bytes_scanned", COLUMN_COUNT, offsetof(ga_sweep_result, bytes_scanned)},
	{"duration_ms", COLUMN_MILLISECONDS, offsetof(ga_sweep_result, duration)},
};

typedef struct SweepRow
{
	SweepRecord record;
	const char *reason;
	uint64 check_differences;
} SweepRow;

static const Column columns[] = {
	{"at", COLUMN_TIME, offsetof(SweepRow, record.at)},
	{"reason", COLUMN_TEXT, offsetof(SweepRow, reason)},
	{"bytes_scanned", COLUMN_COUNT, offsetof(SweepRow, record.result.bytes_scanned)},
	{"chunks_freed", COLUMN_COUNT, offsetof(SweepRow, record.result.chunks_freed)},
	{"chunks_pinned", COLUMN_COUNT, offsetof(SweepRow, record.result.chunks_pinned)},
	{"duration_ms", COLUMN_MILLISECONDS, offsetof(SweepRow, record.result.duration)},
	{"check_differences", COLUMN_COUNT, offsetof(SweepRow, check_differences)},
};

/*
 * sweep_require_safe
 *		A query is normally a safe moment; a function called from within
 *		something that holds off interrupts is not.
 */
static void
sweep_require_safe(void)
{
	RequireActive();
	if (!SafeToSweep())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("cannot sweep now"),
				 errdetail("Interrupts are held off, or a sweep is under way.")));
}

/*
 * goarena_sweep() returns record
 *		Sweep in this session, and say what was found.
 */
Datum
goarena_sweep(PG_FUNCTION_ARGS)
{
	ga_sweep_result result;

	sweep_require_safe();
	RunSweep(SWEEP_SQL, &result);
	RegistryPublish();
	PG_RETURN_DATUM(ColumnsMake(fcinfo, result_columns, lengthof(result_columns), &result));
}

/*
 * goarena_release() returns bigint
 *		Give back all memory that this session does not use; returns how many bytes these were.
 */
Datum
goarena_release(PG_FUNCTION_ARGS)
{
	size_t released;

	sweep_require_safe();
	released = RunRelease();
	RegistryPublish();
	PG_RETURN_INT64((int64) released);
}

/*
 * goarena_sweeps() returns setof record
 *		The last sweeps of this process, the newest first.
 */
Datum
goarena_sweeps(PG_FUNCTION_ARGS)
{
	const SweepRecord *record;
	ReturnSetInfo *rows;

	RequireActive();
	rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	for (int i = 0; (record = SweepHistory(i)) != NULL; i++)
	{
		const ga_sweep_result *result = &record->result;
		SweepRow row = {*record, SweepReasonName(record->reason),
						result->checked ? result->missed + result->added : PG_UINT64_MAX};

		ColumnsPut(rows, columns, &row, lengthof(columns));
	}
	return (Datum) 0;
}

/*
 * sweep_ask
 *		Have a process do something, and say whether it was asked or has done it.
 */
static bool
sweep_ask(int pid, uint32 want)
{
	RegistryFigures target;
	int slot;

	RequireActive();
	if (pid == MyProcPid)
	{
		ga_sweep_result result;

		sweep_require_safe();
		if (want == WANT_RELEASE)
			(void) RunRelease();
		else
			RunSweep(SWEEP_SQL, &result);
		RegistryPublish();
		return true;
	}
	slot = FindProcess(pid, &target);
	if (slot < 0)
		return false;
	RequireMaySignal(&target);
	RequestWork(slot, pid, want);
	return true;
}

/*
 * goarena_sweep(pid integer) returns boolean
 *		Ask a process to sweep; true if it was asked.
 */
Datum
goarena_sweep_process(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sweep_ask(PG_GETARG_INT32(0), WANT_SWEEP));
}

/*
 * goarena_release(pid integer) returns boolean
 *		Ask a process to give back what it does not use; true if it was asked.
 */
Datum
goarena_release_process(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sweep_ask(PG_GETARG_INT32(0), WANT_RELEASE));
}
