/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  goarena in processes that are not client backends.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_in_arena);
PG_FUNCTION_INFO_V1(test_in_worker);
PG_FUNCTION_INFO_V1(test_launch_worker);

extern PGDLLEXPORT void goarena_test_worker_main(Datum database);

/*
 * test_in_arena() returns boolean
 *		A context is decided on when something is first allocated in it.
 */
Datum
test_in_arena(PG_FUNCTION_ARGS)
{
	pfree(palloc(1));
	PG_RETURN_BOOL(GoarenaIsArena(CurrentMemoryContext));
}

Datum
test_in_worker(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(IsParallelWorker());
}

/*
 * goarena_test_worker_main
 *		Run one statement.
 */
void
goarena_test_worker_main(Datum database)
{
	const char *sql = MyBgworkerEntry->bgw_extra;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);

	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, sql);
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not execute: %s", sql);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * test_launch_worker(sql text) returns integer
 */
Datum
test_launch_worker(PG_FUNCTION_ARGS)
{
	const char *sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	pid_t pid;

	if (strlcpy(worker.bgw_extra, sql, BGW_EXTRALEN) >= BGW_EXTRALEN)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the statement may have at most %d bytes", BGW_EXTRALEN - 1)));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "goarena_test", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "goarena_test_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "goarena test worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "goarena test worker", BGW_MAXLEN);

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("no background worker slot is free")));
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not start the background worker")));
	PG_RETURN_INT32((int32) pid);
}
