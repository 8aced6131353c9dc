/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A use of freed memory in a background worker.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(bug_background_worker);

extern PGDLLEXPORT void goarena_bugs_worker_main(Datum handle);

#define ANSWER_SIZE 100

/*
 * ListDatabases
 *		In a transaction of its own, whose memory goes with it.
 */
static pg_noinline List *
ListDatabases(void)
{
	List *databases = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	MemoryContextSwitchTo(TopTransactionContext);
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		databases = lappend_oid(databases, ((Form_pg_database) GETSTRUCT(tuple))->oid);
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	return databases;
}

/*
 * goarena_bugs_worker_main
 *		Use the list in the next transaction, and answer what was seen.
 *
 * The review of timescale/timescaledb#723 is about such a list.
 */
void
goarena_bugs_worker_main(Datum handle)
{
	dsm_segment *segment;
	List *databases;
	Oid database;

	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(database));
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "goarena_bugs worker");
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		elog(ERROR, "could not attach to the answer");
	dsm_pin_mapping(segment);

	databases = ListDatabases();
	StartTransactionCommand();
	strlcpy(dsm_segment_address(segment),
			LookAtInt((const volatile int *) &databases->type, T_OidList), ANSWER_SIZE);
	CommitTransactionCommand();
}

/*
 * bug_background_worker() returns text
 *		A background worker uses a list of one transaction in the next one.
 */
Datum
bug_background_worker(PG_FUNCTION_ARGS)
{
	dsm_segment *segment = dsm_create(ANSWER_SIZE, 0);
	char *answer = dsm_segment_address(segment);
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;
	text *result;

	strlcpy(answer, "the worker gave no answer", ANSWER_SIZE);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	memcpy(worker.bgw_extra, &MyDatabaseId, sizeof(MyDatabaseId));
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "goarena_bugs", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "goarena_bugs_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "goarena_bugs worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "goarena_bugs worker", BGW_MAXLEN);

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("no background worker slot is free")));
	if (WaitForBackgroundWorkerShutdown(handle) != BGWH_STOPPED)
		ereport(ERROR, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the postmaster is gone")));
	result = cstring_to_text(answer);
	dsm_detach(segment);
	PG_RETURN_TEXT_P(result);
}
