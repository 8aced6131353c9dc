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

#include "backend/requests.h"
#include "backend/sweeps.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_sweep);
SQL_FUNCTION(goarena_sweeps);
SQL_FUNCTION(goarena_release);
SQL_FUNCTION(goarena_sweep_process);
SQL_FUNCTION(goarena_release_process);

#define SWEEP_COLUMNS  4
#define SWEEPS_COLUMNS 6

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
 */
Datum
goarena_sweep(PG_FUNCTION_ARGS)
{
	ga_sweep_result result;
	Datum values[SWEEP_COLUMNS];
	bool nulls[SWEEP_COLUMNS] = {false};

	sweep_require_safe();
	RunSweep(SWEEP_SQL, &result);
	RegistryPublish();
	values[0] = BytesDatum(result.chunks_freed);
	values[1] = BytesDatum(result.chunks_pinned);
	values[2] = BytesDatum(result.bytes_scanned);
	values[3] = MillisecondsDatum(result.duration);
	PG_RETURN_DATUM(MakeRow(fcinfo, values, nulls));
}

/*
 * goarena_release() returns bigint
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
	rows = BeginRows(fcinfo);
	for (int i = 0; (record = SweepHistory(i)) != NULL; i++)
	{
		Datum values[SWEEPS_COLUMNS];
		bool nulls[SWEEPS_COLUMNS] = {false};

		values[0] = TimestampTzGetDatum(record->at);
		values[1] = CStringGetTextDatum(SweepReasonName(record->reason));
		values[2] = BytesDatum(record->result.bytes_scanned);
		values[3] = BytesDatum(record->result.chunks_freed);
		values[4] = BytesDatum(record->result.chunks_pinned);
		values[5] = MillisecondsDatum(record->result.duration);
		PutRow(rows, values, nulls);
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
 */
Datum
goarena_sweep_process(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sweep_ask(PG_GETARG_INT32(0), WANT_SWEEP));
}

/*
 * goarena_release(pid integer) returns boolean
 */
Datum
goarena_release_process(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sweep_ask(PG_GETARG_INT32(0), WANT_RELEASE));
}
