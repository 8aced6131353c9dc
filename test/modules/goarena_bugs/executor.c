/*-------------------------------------------------------------------------
 *
 * executor.c
 *	  What the executor and the caches made, used after they freed it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(bug_cached_plan);
PG_FUNCTION_INFO_V1(bug_executor_end);
PG_FUNCTION_INFO_V1(bug_cleared_slot);
PG_FUNCTION_INFO_V1(bug_expr_callback);
PG_FUNCTION_INFO_V1(plant_trigger_tuple);
PG_FUNCTION_INFO_V1(bug_trigger_tuple);
PG_FUNCTION_INFO_V1(plant_index_info);
PG_FUNCTION_INFO_V1(bug_index_info);
PG_FUNCTION_INFO_V1(bug_array_state);

static const char *const three_rows = "SELECT i FROM generate_series(1, 3) AS i";

static HeapTuple kept_tuple = NULL;
static int kept_length;
static Oid *kept_types = NULL;

static pg_noinline void
ReleasePlan(SPIPlanPtr plan, CachedPlan *cached)
{
	SPI_freeplan(plan);
	ReleaseCachedPlan(cached, NULL);
}

/*
 * bug_cached_plan() returns text
 *		A statement of a cached plan is used after ReleaseCachedPlan().
 */
Datum
bug_cached_plan(PG_FUNCTION_ARGS)
{
	const char *saw;
	SPIPlanPtr plan;
	CachedPlan *cached;
	PlannedStmt *statement;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	plan = SPI_prepare(three_rows, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	cached = SPI_plan_get_cached_plan(plan);
	statement = linitial_node(PlannedStmt, cached->stmt_list);
	ReleasePlan(plan, cached);
	saw = LookAtInt((const volatile int *) &statement->type, T_PlannedStmt);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}

static QueryDesc *
StartQuery(const char *sql)
{
	RawStmt *raw = linitial_node(RawStmt, pg_parse_query(sql));
	List *queries = pg_analyze_and_rewrite_fixedparams(raw, sql, NULL, 0, NULL);
#if PG_VERSION_NUM >= 190000
	PlannedStmt *statement = pg_plan_query(linitial_node(Query, queries), sql, 0, NULL, NULL);
#else
	PlannedStmt *statement = pg_plan_query(linitial_node(Query, queries), sql, 0, NULL);
#endif
	QueryDesc *query = CreateQueryDesc(statement, sql, GetActiveSnapshot(), InvalidSnapshot,
									   None_Receiver, NULL, NULL, 0);

	ExecutorStart(query, 0);
	return query;
}

static void
RunQuery(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(query, ForwardScanDirection, 0);
#else
	ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

static pg_noinline void
EndQuery(QueryDesc *query)
{
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}

/*
 * bug_executor_end() returns text
 *		What a query has counted is read after the end of its execution.
 *
 * As in percona/pg_stat_monitor#651.
 */
Datum
bug_executor_end(PG_FUNCTION_ARGS)
{
	QueryDesc *query = StartQuery(three_rows);
	const volatile EState *state = query->estate;
	volatile int rows;

	RunQuery(query);
	EndQuery(query);
	GoOn();
	Meanwhile();
	rows = (int) state->es_processed;
	PG_RETURN_TEXT_P(cstring_to_text(LookAtInt(&rows, 3)));
}

static pg_noinline void
ClearSlot(TupleTableSlot *slot)
{
	ExecClearTuple(slot);
}

/*
 * bug_cleared_slot() returns text
 *		A value of a tuple is used after the slot that owned the tuple was cleared.
 *
 * Slots that were freed too early: greenplum-db/gpdb#15611, orioledb/orioledb#516.
 */
Datum
bug_cleared_slot(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs slot");
	MemoryContext caller = MemoryContextSwitchTo(context);
	TupleDesc desc = CreateTemplateTupleDesc(1);
	TupleTableSlot *slot;
	Datum value;
	bool isnull = false;
	const char *saw;

	TupleDescInitEntry(desc, 1, "value", TEXTOID, -1, 0);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	value = CStringGetTextDatum(MakeString(context, 480));
	ExecStoreHeapTuple(heap_form_tuple(desc, &value, &isnull), slot, true);
	value = slot_getattr(slot, 1, &isnull);
	(void) MakeObject(context, 64);
	ClearSlot(slot);
	saw = Look(VARDATA_ANY(DatumGetPointer(value)));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}

static const char *shutdown_saw;

static void
ShutdownInsert(Datum arg)
{
	shutdown_saw = Look(DatumGetPointer(arg));
}

static pg_noinline void
DropInsertState(MemoryContext context)
{
	MemoryContextDelete(context);
}

/*
 * bug_expr_callback() returns text
 *		The state of an insertion is gone when the expression context that refers
 *		to it is freed.
 *
 * As in timescale/timescaledb#646.
 */
Datum
bug_expr_callback(PG_FUNCTION_ARGS)
{
	ExprContext *expressions = CreateStandaloneExprContext();
	MemoryContext context = MakeContext("goarena_bugs insert");

	RegisterExprContextCallback(expressions, ShutdownInsert,
								PointerGetDatum(MakeObject(context, 400)));
	DropInsertState(context);
	GoOn();
	FreeExprContext(expressions, true);
	PG_RETURN_TEXT_P(cstring_to_text(shutdown_saw));
}

/*
 * plant_trigger_tuple() returns trigger
 */
Datum
plant_trigger_tuple(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = (const TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event))
		elog(ERROR, "not called by a trigger before an event");
	kept_tuple = trigger->tg_trigtuple;
	kept_length = (int) kept_tuple->t_len;
	return PointerGetDatum(kept_tuple);
}

/*
 * bug_trigger_tuple() returns text
 *		The row that a trigger was called for is used in the next statement.
 */
Datum
bug_trigger_tuple(PG_FUNCTION_ARGS)
{
	volatile int length;

	if (kept_tuple == NULL)
		elog(ERROR, "no trigger was called");
	Meanwhile();
	length = (int) ((volatile HeapTupleData *) kept_tuple)->t_len;
	PG_RETURN_TEXT_P(cstring_to_text(LookAtInt(&length, kept_length)));
}

/*
 * plant_index_info(regclass) returns void
 */
Datum
plant_index_info(PG_FUNCTION_ARGS)
{
	Relation index = index_open(PG_GETARG_OID(0), AccessShareLock);

	kept_types = index->rd_opcintype;
	index_close(index, AccessShareLock);
	PG_RETURN_VOID();
}

/*
 * bug_index_info() returns text
 *		What the relation cache knew of an index is used after the index was
 *		changed.
 *
 * Entries of the relation cache used after they were closed: postgrespro/rum#177,
 * citusdata/citus#8477, greenplum-db/gpdb#5224.
 */
Datum
bug_index_info(PG_FUNCTION_ARGS)
{
	if (kept_types == NULL)
		elog(ERROR, "nothing was planted in this session");
	PG_RETURN_TEXT_P(cstring_to_text(LookAtInt((const volatile int *) kept_types, INT4OID)));
}

static pg_noinline Datum
FinishArray(ArrayBuildState *state)
{
	return makeArrayResult(state, CurrentMemoryContext);
}

/*
 * bug_array_state() returns text
 *		The state of an array is asked how many elements it has after the array
 *		was made.
 */
Datum
bug_array_state(PG_FUNCTION_ARGS)
{
	ArrayBuildState *state = NULL;

	for (int i = 0; i < 3; i++)
		state = accumArrayResult(state, CStringGetTextDatum("element"), false, TEXTOID,
								 CurrentMemoryContext);
	(void) FinishArray(state);
	GoOn();
	PG_RETURN_TEXT_P(cstring_to_text(LookAtInt((const volatile int *) &state->nelems, 3)));
}
