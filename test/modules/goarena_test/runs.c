/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  What the server itself says of the memory of each plan that was run.
 *
 * With goarena_test.log_runs, each ExecutorRun is logged when it returns, with
 * the query's identifier, the number of the parallel worker or -1, and the bytes
 * of the executor's memory: what MemoryContextMemAllocated() says.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "utils/guc.h"

#include "goarena_test.h"

extern PGDLLEXPORT void _PG_init(void);

static bool log_runs = false;
static ExecutorRun_hook_type next_run = NULL;

static void
LogRun(const QueryDesc *query)
{
	if (log_runs)
		ereport(LOG_SERVER_ONLY,
				(errmsg("goarena_test: run " INT64_FORMAT " %d %zu",
						(int64) query->plannedstmt->queryId, ParallelWorkerNumber,
						MemoryContextMemAllocated(query->estate->es_query_cxt, true)),
				 errhidestmt(true), errhidecontext(true)));
}

/* Up to 17 the hook is told whether the plan will be run once only. */
#if PG_VERSION_NUM < 180000
static void
RunAndLog(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
{
	if (next_run)
		next_run(query, direction, count, once);
	else
		standard_ExecutorRun(query, direction, count, once);
	LogRun(query);
}
#else
static void
RunAndLog(QueryDesc *query, ScanDirection direction, uint64 count)
{
	if (next_run)
		next_run(query, direction, count);
	else
		standard_ExecutorRun(query, direction, count);
	LogRun(query);
}
#endif

void
_PG_init(void)
{
	DefineCustomBoolVariable("goarena_test.log_runs", "Logs the memory of each plan that was run.",
							 NULL, &log_runs, false, PGC_SUSET, 0, NULL, NULL, NULL);
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = RunAndLog;
}
