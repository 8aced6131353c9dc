/*-------------------------------------------------------------------------
 *
 * tracking.c
 *	  Which memory belongs to which statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "backend/process/hooks.h"
#include "backend/process/statement_hooks.h"
#include "backend/statements/peak_log.h"
#include "backend/statements/peak_watch.h"
#include "backend/statements/planning.h"
#include "backend/statements/statements.h"
#include "backend/statements/tracking.h"
#include "backend/statements/workers.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/context_walk.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/patterns.h"

/* A statement that failed and is yet to be recorded. */
typedef struct Failure
{
	StatementKey key;
	StatementUse use;
	Size workers_peak;
	bool at_top;
} Failure;

#define MAX_FAILURES 16 /* more at a time are not recorded */

int goarena_track_statements = TRACK_STATEMENTS_OFF;
#if PG_VERSION_NUM >= 180000
bool goarena_explaining = false;
#endif

static Level outermost;
static Level *level = &outermost;

static Statement *alive = NULL; /* the executor's, the innermost first */
static Statement *spare = NULL;

static Failure failures[MAX_FAILURES];
static int num_failures = 0;

static UsageCounters workers_counters; /* of all parallel workers of this leader */
static bool had_workers = false;	   /* else they are zero */
static Size worker_base = 0;		   /* what contexts held when this parallel worker began */

/*
 * AssignTrackStatements
 *		With compute_query_id = auto, the server computes identifiers of queries if it
 *		is asked to.  The table is there only if the library was preloaded.
 */
void
AssignTrackStatements(int newval, void *extra)
{
	bool may_track = process_shared_preload_libraries_in_progress || StatementsReady();

	/* What is allocated is counted in arenas. */
	ContextPatternsNameAll(NAME_ALL_FOR_STATEMENTS, may_track && newval != TRACK_STATEMENTS_OFF);
	if (newval == TRACK_STATEMENTS_OFF)
		return;
	if (may_track)
		EnableQueryId();
	PlainContextsWatch();
	StatementHooksWant();
}

#if PG_VERSION_NUM >= 180000
void
AssignExplaining(bool newval, void *extra)
{
	ContextPatternsNameAll(NAME_ALL_FOR_EXPLAIN, newval);
	if (!newval)
		return;
	PlainContextsWatch();
	StatementHooksWant();
}
#endif

/*
 * tracking_take_reports
 *		Take the reports of parallel workers, and add them to all statements that run.
 */
static pg_noinline void
tracking_take_reports(void)
{
	UsageCounters counters;
	Size peak;

	WorkersTake(&peak, &counters);
	UsageAdd(&workers_counters, &counters);
	had_workers = true;
	for (Level *l = level; l != NULL; l = l->outer)
		if (l->running != NULL)
			l->running->workers_peak = Max(l->running->workers_peak, peak);
}

static inline void
tracking_take_workers(void)
{
	if (WorkersReported())
		tracking_take_reports();
}

/*
 * tracking_read_counters
 *		Read the counters of this process and of its parallel workers.
 */
static inline void
tracking_read_counters(UsageCounters *counters)
{
	UsageReadCounters(counters);
	if (unlikely(had_workers))
		UsageAdd(counters, &workers_counters);
}

static inline bool
tracking_counts(const Statement *statement)
{
	return statement->key.queryid != 0 || statement->watch != NULL;
}

/*
 * tracking_pause
 *		Pause the statement that runs on a level.
 */
static void
tracking_pause(Level *at)
{
	Statement *statement = at->running;
	UsageCounters now;
	Size peak;

	tracking_take_workers();
	statement->running_on = NULL;
	UsageMarkClose(&statement->mark);
	peak = statement->held + statement->mark.peak - statement->contexts;
	statement->peak = Max(statement->peak, peak);
	if (statement->watch != NULL)
		PeakWatchLeave(statement->watch);
	if (tracking_counts(statement))
	{
		tracking_read_counters(&now);
		UsageAddDifference(&statement->counters, &statement->from, &now);
	}
	at->running = NULL;
	if (at->outer == NULL)
		PeakLogPause();
}

/*
 * TrackingResume
 *		Measures each time what the statement holds: rows that a cursor returned are allocated while
 *		it runs, and freed while it is paused.
 */
void
TrackingResume(Statement *statement)
{
	if (level->running == statement)
		return;
	if (level->running != NULL)
		tracking_pause(level);
	tracking_take_workers(); /* what failed statements left */
	level->running = statement;
	statement->running_on = level;
	UsageMeasurePlainIfCheap();
	if (statement->state != STATEMENT_NEW && statement->query != NULL)
		statement->held = ContextWalkBytes(statement->query->estate->es_query_cxt);
	else if (statement->state == STATEMENT_NEW && statement->at_top)
		statement->held = PlanningHeld(
			statement->query == NULL ? 0 : (uint64) statement->query->plannedstmt->queryId,
			&statement->peak);
	statement->contexts = UsageContexts();
	UsageMarkOpen(&statement->mark);
	if (tracking_counts(statement))
		tracking_read_counters(&statement->from);
	if (statement->watch != NULL)
		PeakWatchEnter(statement->watch,
					   statement->contexts - Min(statement->held, statement->contexts), 0);
	if (level->outer == NULL)
		PeakLogResume(statement->contexts - Min(statement->held, statement->contexts),
					  statement->state == STATEMENT_NEW);
	if (statement->state == STATEMENT_NEW)
		statement->state = STATEMENT_BEGUN;
}

/*
 * tracking_stop
 *		Pause a statement if it runs, on whichever level.
 */
static void
tracking_stop(Statement *statement)
{
	if (statement->running_on != NULL)
		tracking_pause(statement->running_on);
}

bool
TrackingIsOutermost(void)
{
	return level == &outermost;
}

bool
TrackingUnwatched(void)
{
	return goarena_track_statements == TRACK_STATEMENTS_OFF && goarena_log_peak < 0 &&
		   !goarena_explaining && alive == NULL && level == &outermost;
}

void
TrackingEnterLevel(Level *inner)
{
	inner->outer = level;
	inner->running = NULL;
	level = inner;
}

void
TrackingLeaveLevel(Level *inner)
{
	Assert(level == inner);
	if (inner->running != NULL)
		tracking_pause(inner);
	level = inner->outer;
}

bool
TrackingRecords(bool at_top)
{
	if (goarena_track_statements == TRACK_STATEMENTS_OFF || !StatementsReady() ||
		IsParallelWorker())
		return false;
	return goarena_track_statements == TRACK_STATEMENTS_ALL || at_top;
}

/*
 * tracking_set_up
 *		Set a statement up and let it run.
 */
static void
tracking_set_up(Statement *statement, QueryDesc *query, int64 queryid, bool at_top,
				PeakWatch *watch)
{
	memset(statement, 0, offsetof(Statement, forget));
	statement->watch = watch;
	statement->query = query;
	statement->at_top = at_top;
	if (at_top)
		UsageStatementEnd(); /* what came before it in its message */
	if (queryid != 0 && TrackingRecords(at_top))
	{
		statement->key.userid = GetUserId();
		statement->key.dbid = MyDatabaseId;
		statement->key.queryid = queryid;
		statement->key.toplevel = at_top;
	}
	TrackingResume(statement);
}

void
TrackingBegin(Statement *statement, int64 queryid, bool at_top)
{
	tracking_set_up(statement, NULL, queryid, at_top, NULL);
}

static StatementUse
tracking_total(const Statement *statement)
{
	StatementUse use = {
		.peak = statement->peak + statement->workers_peak,
		.counters = statement->counters,
	};

	return use;
}

static void
tracking_record(const StatementKey *key, const StatementUse *use, Size workers_peak, bool at_top)
{
	if (key->queryid != 0)
		StatementsRecord(key, use);
	if (at_top && !IsParallelWorker())
		PeakLogStatement(use->peak, workers_peak);
}

void
TrackingFlush(void)
{
	int count = num_failures;

	num_failures = 0;
	for (int i = 0; i < count; i++)
	{
		Failure *failure = &failures[i];
		UsageCounters counters;
		Size peak;

		/* The last is the outermost. */
		if (i == count - 1 && WorkersReported())
		{
			WorkersTake(&peak, &counters);
			failure->use.peak += peak;
			failure->workers_peak += peak;
			UsageAdd(&failure->use.counters, &counters);
		}
		tracking_record(&failure->key, &failure->use, failure->workers_peak, failure->at_top);
	}
}

void
TrackingComplete(Statement *statement)
{
	StatementUse use;

	tracking_stop(statement);
	if (statement->state == STATEMENT_OVER)
		return;
	statement->state = STATEMENT_OVER;
	if (unlikely(num_failures > 0))
		TrackingFlush();
	use = tracking_total(statement);
	tracking_record(&statement->key, &use, statement->workers_peak, statement->at_top);
}

void
TrackingFail(Statement *statement)
{
	tracking_stop(statement);
	if (statement->state == STATEMENT_OVER)
		return;
	statement->state = STATEMENT_OVER;
	if (num_failures == MAX_FAILURES)
		return;
	failures[num_failures].key = statement->key;
	failures[num_failures].use = tracking_total(statement);
	failures[num_failures].workers_peak = statement->workers_peak;
	failures[num_failures].at_top = statement->at_top;
	num_failures++;
}

/*
 * tracking_watch_explained
 *		A watch over a statement that EXPLAIN ANALYZE executes; NULL if it does not, if nobody
 *		asked for its memory, or if there is no memory.
 */
static PeakWatch *
tracking_watch_explained(const QueryDesc *query)
{
	if (!goarena_explaining || query->instrument_options == 0 || IsParallelWorker())
		return NULL;
	return MemoryContextAllocExtended(TopMemoryContext, sizeof(PeakWatch),
									  MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
}

/*
 * TrackingBeginQuery
 *		Not to be inlined into callers that use setjmp.
 */
pg_noinline Statement *
TrackingBeginQuery(QueryDesc *query, bool at_top)
{
	Statement *statement = spare;
	PeakWatch *watch = tracking_watch_explained(query);

	if (!at_top && watch == NULL && !TrackingRecords(false))
		return NULL;
	if (statement != NULL)
		spare = statement->next;
	else
		statement =
			MemoryContextAllocExtended(TopMemoryContext, sizeof(Statement), MCXT_ALLOC_NO_OOM);
	if (statement == NULL)
	{
		if (watch != NULL)
			pfree(watch);
		return NULL;
	}
	tracking_set_up(statement, query, (int64) query->plannedstmt->queryId, at_top, watch);
	statement->next = alive;
	statement->link = &alive;
	if (alive != NULL)
		alive->link = &statement->next;
	alive = statement;
	return statement;
}

void
TrackingForget(Statement *statement)
{
	tracking_stop(statement);
	*statement->link = statement->next;
	if (statement->next != NULL)
		statement->next->link = statement->link;
	statement->next = spare;
	spare = statement;
	if (statement->watch != NULL)
		pfree(statement->watch);
	statement->watch = NULL;
}

/*
 * tracking_memory_goes
 *		Callback for when the executor's memory goes: forget the statement, unless ExecutorEnd still
 *		needs it.
 */
static void
tracking_memory_goes(void *arg)
{
	Statement *statement = arg;

	if (statement->state == STATEMENT_ENDING)
		statement->state = STATEMENT_GONE;
	else
		TrackingForget(statement);
}

void
TrackingForgetLater(Statement *statement)
{
	statement->forget.func = tracking_memory_goes;
	statement->forget.arg = statement;
	MemoryContextRegisterResetCallback(statement->query->estate->es_query_cxt, &statement->forget);
}

/*
 * tracking_peak_so_far
 *		The peak, so far, of a statement that runs.
 */
static Size
tracking_peak_so_far(const Statement *statement)
{
	Size now = statement->held + UsageMarkPeak(&statement->mark) - statement->contexts;

	return Max(statement->peak, now) + statement->workers_peak;
}

/*
 * TrackingFind
 *		Finds the statement through its reset callback, so it takes no longer with ten thousand
 *		cursors.
 */
pg_noinline Statement *
TrackingFind(const QueryDesc *query)
{
	const MemoryContextCallback *callback = NULL;

	if (alive != NULL && query->estate != NULL)
		callback = query->estate->es_query_cxt->reset_cbs;
	for (; callback != NULL; callback = callback->next)
		if (callback->func == tracking_memory_goes)
			return callback->arg;
	return NULL;
}

void
TrackingLookBeforeEnd(void)
{
	tracking_take_workers();
	UsageMeasurePlainIfCheap();
	if (level == &outermost && level->running != NULL)
		PeakLogAtEnd(tracking_peak_so_far(level->running));
}

void
TrackingAfterRun(Statement *statement)
{
	if (statement == NULL || statement->watch == NULL || statement->running_on == NULL)
		return;
	UsageMeasurePlain();
	PeakWatchLookOnce(statement->watch);
	tracking_pause(statement->running_on);
}

bool
TrackingExplained(const PlannedStmt *planned, ExplainedUse *explained)
{
	const Statement *statement = alive;

	while (statement != NULL &&
		   (statement->watch == NULL || statement->query->plannedstmt != planned))
		statement = statement->next;
	if (statement == NULL)
		return false;
	explained->use = (StatementUse){.peak = statement->peak, .counters = statement->counters};
	explained->workers_peak = statement->workers_peak;
	explained->watch = statement->watch;
	return true;
}

/*
 * TrackingAfterError
 *		Closes the levels of statements that failed, at the top or inside.
 */
void
TrackingAfterError(void)
{
	if (num_failures > 0)
		TrackingFlush();
}

void
TrackingBeginWorker(void)
{
	if (worker_base != 0)
		return;
	UsageMeasurePlain();
	worker_base = UsageContexts();
}

void
TrackingReportToLeader(void)
{
	UsageCounters counters;

	UsageReadCounters(&counters);
	WorkersReport(UsageContextsPeak() - Min(worker_base, UsageContextsPeak()), &counters);
}
