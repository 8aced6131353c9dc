/*-------------------------------------------------------------------------
 *
 * tracking.c
 *	  Which memory belongs to which statement.
 *
 * A statement is what goes through the executor or ProcessUtility.  Its memory
 * is what the process has in use beyond what was in use when it began, and its
 * allocations are the differences of the process's counters.
 *
 * Statements nest: the executor calls functions that run statements.  A hook
 * that may do so opens a level, and on each level one statement at most is
 * running.  It runs from the first hook that is called for it until it is over,
 * or until the level ends or a hook is called for another statement: so does
 * that of a cursor, whose calls of the executor other statements come between.
 * Then it is paused.  The marks of usage.h are opened and closed with that, so
 * statements on outer levels take in those on inner ones.
 *
 * A statement of the executor is found again by its QueryDesc.  It is forgotten
 * when the executor's memory goes, whether it ended in order or not.
 *
 * As long as nobody wants to know of single statements, which is the default,
 * nothing of that is done, see statement_hooks.h.
 *
 * Memory of contexts that are not arenas, such as those of sorts, is looked at when a
 * statement begins and ends, and while it runs as it grows, see limits.c.
 *
 * What failed is told when the transaction or subtransaction is rolled back,
 * where it is safe to take locks and log.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"

#include "backend/hooks.h"
#include "backend/idle.h"
#include "backend/limit_setting.h"
#include "backend/limits.h"
#include "backend/maintenance_memory.h"
#include "backend/peak_log.h"
#include "backend/planning.h"
#include "backend/statement_hooks.h"
#include "backend/statements.h"
#include "backend/total_limit.h"
#include "backend/tracking.h"
#include "backend/usage.h"
#include "backend/workers.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "mcxt/others.h"
#include "mcxt/patterns.h"
#include "mcxt/process_heap.h"

typedef struct Statement
{
	struct Statement *next;	  /* alive, or spare */
	struct Statement **link;  /* where it is linked while it is alive */
	struct Level *running_on; /* NULL while it does not run */
	QueryDesc *query;		  /* NULL if it is not the executor's */
	StatementKey key;		  /* queryid is 0 if it is not to be recorded */
	bool resumed;			  /* ever */
	bool told;				  /* recorded, or among those that failed */
	bool at_top;			  /* on the outermost level */
	bool ending;			  /* ExecutorEnd runs */
	bool forgotten;			  /* and the executor's memory is gone */

	UsageMark mark; /* open while it runs */
	Size contexts;	/* of the process when it was resumed, in bytes */
	UsageCounters from;

	Size held; /* bytes that it had when it was resumed */
	Size peak;
	Size workers_peak;
	UsageCounters counters;

	MemoryContextCallback forget;
} Statement;

typedef struct Level
{
	struct Level *outer;
	Statement *running; /* NULL if none is */
} Level;

/* A statement that failed and is yet to be told of. */
typedef struct Failure
{
	StatementKey key;
	StatementUse use;
	Size workers_peak;
	bool at_top;
} Failure;

#define MAX_FAILURES 16 /* more at a time are not told of */

int goarena_track_statements = TRACK_STATEMENTS_OFF;

static bool may_track = false; /* preloaded, so that there is a table */

static Level outermost;
static Level *level = &outermost;
static int depth = 0; /* calls of hooks in which statements may run, whether watched or not */

/*
 * When the message came in which hooks came to be wanted by a statement that was not
 * seen to begin: statements of that message are inside of it.
 */
static TimestampTz unseen_top = 0;

static Statement *alive = NULL; /* the executor's, the innermost first */
static Statement *spare = NULL;

static Failure failures[MAX_FAILURES];
static int num_failures = 0;

static UsageCounters workers_counters; /* of all parallel workers of this leader */
static bool had_workers = false;	   /* else they are zero */
static Size worker_base = 0;		   /* what contexts held when this parallel worker began */

static shmem_request_hook_type next_shmem_request = NULL;
static shmem_startup_hook_type next_shmem_startup = NULL;
static ExecutorStart_hook_type next_start = NULL;
static ExecutorRun_hook_type next_run = NULL;
static ExecutorFinish_hook_type next_finish = NULL;
static ExecutorEnd_hook_type next_end = NULL;
static ProcessUtility_hook_type next_utility = NULL;

/*
 * AssignTrackStatements
 *		Where compute_query_id = auto, identifiers of queries are computed if
 *		somebody wants them.
 */
void
AssignTrackStatements(int newval, void *extra)
{
	/* What is allocated is counted in arenas. */
	ContextPatternsNameAll(may_track && newval != TRACK_STATEMENTS_OFF);
	if (newval == TRACK_STATEMENTS_OFF)
		return;
	if (may_track)
		EnableQueryId();
	OthersWatch();
	StatementHooksWant();
}

/*
 * TakeReports
 *		What parallel workers report belongs to all statements that run.
 */
static pg_noinline void
TakeReports(void)
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
TakeWorkers(void)
{
	if (WorkersReported())
		TakeReports();
}

/*
 * ReadCounters
 *		Those of this process and its parallel workers.
 */
static inline void
ReadCounters(UsageCounters *counters)
{
	UsageReadCounters(counters);
	if (unlikely(had_workers))
		UsageAdd(counters, &workers_counters);
}

/*
 * Pause
 *		The statement that runs on the given level does not go on for now.
 */
static void
Pause(Level *at)
{
	Statement *statement = at->running;
	UsageCounters now;
	Size peak;

	TakeWorkers();
	statement->running_on = NULL;
	UsageMarkClose(&statement->mark);
	peak = statement->held + statement->mark.peak - statement->contexts;
	statement->peak = Max(statement->peak, peak);
	if (statement->key.queryid != 0)
	{
		ReadCounters(&now);
		UsageAddDifference(&statement->counters, &statement->from, &now);
	}
	at->running = NULL;
	if (at->outer == NULL)
		PeakLogPause();
}

/*
 * Resume
 *		A statement goes on, or begins, on the innermost level.  What it holds by
 *		then is asked anew: what a cursor returned was allocated while it ran, and
 *		is freed while it does not.
 */
static void
Resume(Statement *statement)
{
	if (level->running == statement)
		return;
	if (level->running != NULL)
		Pause(level);
	TakeWorkers(); /* what failed statements left */
	level->running = statement;
	statement->running_on = level;
	UsageMeasureOthersIfCheap();
	if (statement->resumed && statement->query != NULL)
		statement->held = ContextWalkBytes(statement->query->estate->es_query_cxt);
	else if (!statement->resumed && statement->at_top)
		statement->held = PlanningHeld(
			statement->query == NULL ? 0 : (uint64) statement->query->plannedstmt->queryId,
			&statement->peak);
	statement->contexts = UsageContexts();
	UsageMarkOpen(&statement->mark);
	if (statement->key.queryid != 0)
		ReadCounters(&statement->from);
	if (level->outer == NULL)
		PeakLogResume(statement->contexts - Min(statement->held, statement->contexts),
					  !statement->resumed);
	statement->resumed = true;
}

/*
 * Stop
 *		If a statement runs, on whichever level, it does not any longer.
 */
static void
Stop(Statement *statement)
{
	if (statement->running_on != NULL)
		Pause(statement->running_on);
}

/*
 * AtTop
 *		Does no statement run further up the stack?
 */
static inline bool
AtTop(void)
{
	return level == &outermost && depth == 0 &&
		   (likely(unseen_top == 0) || unseen_top != GetCurrentStatementStartTimestamp());
}

/*
 * Unwatched
 *		Does nobody want to know what single statements use?  A statement that
 *		somebody did want to know of, before a setting was changed, goes on to be
 *		watched, with those inside.
 */
static inline bool
Unwatched(void)
{
	return goarena_track_statements == TRACK_STATEMENTS_OFF && goarena_log_peak < 0 &&
		   alive == NULL && level == &outermost;
}

/*
 * Idle
 *		Have the hooks nothing to do?  Inside of statements that they saw begin they
 *		go on.
 */
static inline bool
Idle(void)
{
	return Unwatched() && depth == 0 && TotalLimit() == SIZE_MAX;
}

/*
 * PlanIsWanted
 *		Is it a statement at the top that is planned, and will it be watched?
 */
static bool
PlanIsWanted(void)
{
	return !Unwatched() && AtTop();
}

static void
EnterLevel(Level *inner)
{
	inner->outer = level;
	inner->running = NULL;
	level = inner;
}

static void
LeaveLevel(Level *inner)
{
	Assert(level == inner);
	if (inner->running != NULL)
		Pause(inner);
	level = inner->outer;
}

/*
 * IsTracked
 *		Is a statement that begins, at the top or not, to be recorded?
 */
static inline bool
IsTracked(bool at_top)
{
	if (goarena_track_statements == TRACK_STATEMENTS_OFF || !StatementsReady() ||
		IsParallelWorker())
		return false;
	return goarena_track_statements == TRACK_STATEMENTS_ALL || at_top;
}

/*
 * Begin
 *		Set a statement up and let it run.
 */
static void
Begin(Statement *statement, QueryDesc *query, int64 queryid, bool at_top)
{
	memset(statement, 0, offsetof(Statement, forget));
	statement->query = query;
	statement->at_top = at_top;
	if (at_top)
		UsageStatementEnd(); /* what came before it in its message */
	if (queryid != 0 && IsTracked(at_top))
	{
		statement->key.userid = GetUserId();
		statement->key.dbid = MyDatabaseId;
		statement->key.queryid = queryid;
		statement->key.toplevel = at_top;
	}
	Resume(statement);
}

/*
 * TotalUse
 */
static StatementUse
TotalUse(const Statement *statement)
{
	StatementUse use = {
		.peak = statement->peak + statement->workers_peak,
		.counters = statement->counters,
	};

	return use;
}

static void
Tell(const StatementKey *key, const StatementUse *use, Size workers_peak, bool at_top)
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
		Tell(&failure->key, &failure->use, failure->workers_peak, failure->at_top);
	}
}

/*
 * Complete
 *		A statement is over.
 */
static void
Complete(Statement *statement)
{
	StatementUse use;

	Stop(statement);
	if (statement->told)
		return;
	statement->told = true;
	if (unlikely(num_failures > 0))
		TrackingFlush();
	use = TotalUse(statement);
	Tell(&statement->key, &use, statement->workers_peak, statement->at_top);
}

/*
 * Fail
 *		A statement ended in an error, which is about to be thrown on.
 */
static void
Fail(Statement *statement)
{
	Stop(statement);
	if (statement->told || num_failures == MAX_FAILURES)
		return;
	statement->told = true;
	failures[num_failures].key = statement->key;
	failures[num_failures].use = TotalUse(statement);
	failures[num_failures].workers_peak = statement->workers_peak;
	failures[num_failures].at_top = statement->at_top;
	num_failures++;
}

/*
 * Take
 *		Begin a statement of the executor.  NULL if there is no need to, or no
 *		memory.  Not inlined, like Find.
 */
static pg_noinline Statement *
Take(QueryDesc *query)
{
	Statement *statement = spare;
	bool at_top = AtTop();

	if (!at_top && !IsTracked(false))
		return NULL;
	if (statement != NULL)
		spare = statement->next;
	else
		statement =
			MemoryContextAllocExtended(TopMemoryContext, sizeof(Statement), MCXT_ALLOC_NO_OOM);
	if (statement == NULL)
		return NULL;
	Begin(statement, query, (int64) query->plannedstmt->queryId, at_top);
	statement->next = alive;
	statement->link = &alive;
	if (alive != NULL)
		alive->link = &statement->next;
	alive = statement;
	return statement;
}

/*
 * Forget
 *		Callback when the executor's memory goes, or the last step when it never
 *		was there.
 */
static void
Forget(void *arg)
{
	Statement *statement = arg;

	if (statement->ending)
	{
		statement->forgotten = true;
		return;
	}
	Stop(statement);
	*statement->link = statement->next;
	if (statement->next != NULL)
		statement->next->link = statement->link;
	statement->next = spare;
	spare = statement;
}

/*
 * PeakSoFar
 *		Of a statement that runs.
 */
static Size
PeakSoFar(const Statement *statement)
{
	Size now = statement->held + UsageMarkPeak(&statement->mark) - statement->contexts;

	return Max(statement->peak, now) + statement->workers_peak;
}

/*
 * Find
 *		The statement of a QueryDesc, or NULL: the callback that forgets it has it, so
 *		this takes no longer where there are ten thousand cursors.  As its callers use
 *		setjmp, it is not inlined.
 */
static pg_noinline Statement *
Find(const QueryDesc *query)
{
	const MemoryContextCallback *callback = NULL;

	if (alive != NULL && query->estate != NULL)
		callback = query->estate->es_query_cxt->reset_cbs;
	for (; callback != NULL; callback = callback->next)
		if (callback->func == Forget)
			return callback->arg;
	return NULL;
}

/*
 * LookBeforeEnd
 *		A statement has run, or failed, and holds its memory still: look what contexts
 *		hold that are no arenas, and which are the largest.
 */
static void
LookBeforeEnd(void)
{
	TakeWorkers();
	UsageMeasureOthersIfCheap();
	if (level == &outermost && level->running != NULL)
		PeakLogAtEnd(PeakSoFar(level->running));
}

static void
CallStart(QueryDesc *queryDesc, int eflags)
{
	if (next_start)
		next_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

static void
TrackStart(QueryDesc *queryDesc, int eflags)
{
	Statement *statement;
	Level inner;

	LimitSettingAtStatement();
	if (unlikely(IsParallelWorker()) && worker_base == 0)
	{
		UsageMeasureOthers();
		worker_base = UsageContexts();
	}
	if (likely(Unwatched()))
	{
		CallStart(queryDesc, eflags);
		return;
	}
	statement = Take(queryDesc);
	EnterLevel(&inner);
	PG_TRY();
	{
		CallStart(queryDesc, eflags);
	}
	PG_CATCH();
	{
		LeaveLevel(&inner);
		if (statement != NULL)
		{
			Fail(statement);
			Forget(statement);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	LeaveLevel(&inner);
	if (statement != NULL)
	{
		statement->forget.func = Forget;
		statement->forget.arg = statement;
		MemoryContextRegisterResetCallback(queryDesc->estate->es_query_cxt, &statement->forget);
	}
}

/*
 * Descend
 *		The statement that is called next runs statements of its own.  Only with a
 *		total limit has it an error context, which the caller takes away.
 */
static inline void
Descend(ErrorContextCallback *callback)
{
	depth++;
	if (likely(TotalLimit() == SIZE_MAX))
		return;
	callback->callback = TotalLimitAmendCancel;
	callback->arg = NULL;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

static void
CallNextRun(EXECUTOR_RUN_PARAMETERS)
{
	if (next_run)
		next_run(EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(EXECUTOR_RUN_ARGUMENTS);
}

/*
 * CallRun, CallFinish, RunUtility
 *		The next in the chain.  PG_END_TRY takes the error context away.
 */
static void
CallRun(EXECUTOR_RUN_PARAMETERS)
{
	ErrorContextCallback callback;

	PG_TRY();
	{
		Descend(&callback);
		CallNextRun(EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

/*
 * RunOnLevel
 *		CallRun for a statement that is watched.
 */
static void
RunOnLevel(EXECUTOR_RUN_PARAMETERS)
{
	Statement *statement = Find(queryDesc);
	Level inner;

	if (statement != NULL)
		Resume(statement);
	EnterLevel(&inner);
	PG_TRY();
	{
		CallRun(EXECUTOR_RUN_ARGUMENTS);
	}
	PG_CATCH();
	{
		LeaveLevel(&inner);
		LookBeforeEnd();
		if (statement != NULL)
			Fail(statement);
		PG_RE_THROW();
	}
	PG_END_TRY();
	LeaveLevel(&inner);
}

static void
TrackRun(EXECUTOR_RUN_PARAMETERS)
{
	if (likely(Idle()))
		CallNextRun(EXECUTOR_RUN_ARGUMENTS);
	else if (Unwatched())
		CallRun(EXECUTOR_RUN_ARGUMENTS);
	else
		RunOnLevel(EXECUTOR_RUN_ARGUMENTS);
}

static void
CallNextFinish(QueryDesc *queryDesc)
{
	if (next_finish)
		next_finish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
}

static void
CallFinish(QueryDesc *queryDesc)
{
	ErrorContextCallback callback;

	PG_TRY();
	{
		Descend(&callback);
		CallNextFinish(queryDesc);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

/*
 * TrackFinish
 *		Triggers run here.  A plan that changes nothing has none.
 */
static void
TrackFinish(QueryDesc *queryDesc)
{
	Statement *statement;
	Level inner;

	if (Idle() || (queryDesc->operation == CMD_SELECT && !queryDesc->plannedstmt->hasModifyingCTE))
	{
		CallNextFinish(queryDesc);
		return;
	}
	if (Unwatched())
	{
		CallFinish(queryDesc);
		return;
	}
	statement = Find(queryDesc);
	if (statement != NULL)
		Resume(statement);
	EnterLevel(&inner);
	PG_TRY();
	{
		CallFinish(queryDesc);
	}
	PG_CATCH();
	{
		LeaveLevel(&inner);
		if (statement != NULL)
			Fail(statement);
		PG_RE_THROW();
	}
	PG_END_TRY();
	LeaveLevel(&inner);
}

static void
CallEnd(QueryDesc *queryDesc)
{
	if (next_end)
		next_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

/*
 * EndWatched
 *		The executor's memory goes in here, and the statement must outlive it.
 */
static void
EndWatched(QueryDesc *queryDesc)
{
	Statement *statement = Find(queryDesc);

	if (statement != NULL)
	{
		Resume(statement);
		statement->ending = true;
	}
	LookBeforeEnd();
	PG_TRY();
	{
		CallEnd(queryDesc);
	}
	PG_CATCH();
	{
		if (statement != NULL)
		{
			Fail(statement);
			statement->ending = false;
			if (statement->forgotten)
				Forget(statement);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (statement != NULL)
	{
		Complete(statement);
		statement->ending = false;
		if (statement->forgotten)
			Forget(statement);
	}
}

static void
TrackEnd(QueryDesc *queryDesc)
{
	if (likely(Unwatched()))
		CallEnd(queryDesc);
	else
		EndWatched(queryDesc);
	IdleAfterStatement();
}

/*
 * UtilityQueryId
 *		pg_stat_statements, if it is called first, hides the identifiers of
 *		utility statements from others.  That of a statement at the top level is
 *		known elsewhere, too.
 */
static int64
UtilityQueryId(const PlannedStmt *planned, bool at_top)
{
	if (planned->queryId != 0 || !at_top)
		return (int64) planned->queryId;
	return (int64) pgstat_get_my_query_id();
}

static void
CallNextUtility(UTILITY_PARAMETERS)
{
	if (next_utility)
		next_utility(UTILITY_ARGUMENTS);
	else
		standard_ProcessUtility(UTILITY_ARGUMENTS);
}

/*
 * CallGuarded
 *		CallUtility for a command that changes stored settings.
 */
static pg_noinline void
CallGuarded(UTILITY_PARAMETERS)
{
	LimitSettingGuardBegin();
	PG_TRY();
	{
		CallNextUtility(UTILITY_ARGUMENTS);
	}
	PG_FINALLY();
	{
		LimitSettingGuardEnd();
	}
	PG_END_TRY();
}

/*
 * CallMaintenance
 *		CallUtility for a command that gets less than maintenance_work_mem.
 */
static pg_noinline void
CallMaintenance(int kb, UTILITY_PARAMETERS)
{
	int before = MaintenanceMemoryLower(kb);

	PG_TRY();
	{
		CallNextUtility(UTILITY_ARGUMENTS);
	}
	PG_FINALLY();
	{
		MaintenanceMemoryRestore(kb, before);
	}
	PG_END_TRY();
}

static void
CallUtility(UTILITY_PARAMETERS)
{
	int kb = MaintenanceMemoryAllowed(pstmt->utilityStmt);

	if (unlikely(LimitSettingGuards(pstmt->utilityStmt)))
		CallGuarded(UTILITY_ARGUMENTS);
	else if (likely(kb == maintenance_work_mem))
		CallNextUtility(UTILITY_ARGUMENTS);
	else
		CallMaintenance(kb, UTILITY_ARGUMENTS);
}

static void
RunUtility(UTILITY_PARAMETERS)
{
	ErrorContextCallback callback;

	PG_TRY();
	{
		Descend(&callback);
		CallUtility(UTILITY_ARGUMENTS);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

/*
 * RunUtilityOnLevel
 *		RunUtility for a statement that is watched.
 */
static void
RunUtilityOnLevel(UTILITY_PARAMETERS)
{
	Statement statement;
	Level inner;
	bool at_top = AtTop();
	bool tracked = at_top || IsTracked(false);

	if (tracked)
		Begin(&statement, NULL, UtilityQueryId(pstmt, at_top), at_top);
	EnterLevel(&inner);
	PG_TRY();
	{
		RunUtility(UTILITY_ARGUMENTS);
	}
	PG_CATCH();
	{
		LeaveLevel(&inner);
		LookBeforeEnd();
		if (tracked)
			Fail(&statement);
		PG_RE_THROW();
	}
	PG_END_TRY();
	LeaveLevel(&inner);
	LookBeforeEnd();
	if (tracked)
		Complete(&statement);
}

/*
 * TrackUtility
 *		EXECUTE is not a statement of its own, and so is not what it executes one
 *		of an inner level; nor is PREPARE.
 */
static void
TrackUtility(UTILITY_PARAMETERS)
{
	LimitSettingAtStatement();
	if (Idle() || IsA(pstmt->utilityStmt, ExecuteStmt) || IsA(pstmt->utilityStmt, PrepareStmt))
	{
		CallUtility(UTILITY_ARGUMENTS);
		return;
	}
	if (Unwatched())
		RunUtility(UTILITY_ARGUMENTS);
	else
		RunUtilityOnLevel(UTILITY_ARGUMENTS);
	IdleAfterStatement();
}

/*
 * TrackingAfterError
 *		What failed is rolled back, be it the statement at the top or one inside.
 */
void
TrackingAfterError(void)
{
	if (num_failures > 0)
		TrackingFlush();
}

void
TrackingReportToLeader(void)
{
	UsageCounters counters;

	UsageReadCounters(&counters);
	WorkersReport(UsageContextsPeak() - Min(worker_base, UsageContextsPeak()), &counters);
}

static void
RequestShmem(void)
{
	if (next_shmem_request)
		next_shmem_request();
	RequestAddinShmemSpace(StatementsShmemSize());
	RequestAddinShmemSpace(WorkersShmemSize());
	StatementsShmemRequest();
}

static void
StartShmem(void)
{
	if (next_shmem_startup)
		next_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	StatementsShmemInit();
	WorkersShmemInit();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * SettingIsInside
 *		Does a setting take effect inside of a statement that runs others, and not by
 *		a command that the client sent, between two messages, or at the end of a
 *		transaction?
 */
static bool
SettingIsInside(void)
{
	Node *command = NULL;

	if (ActivePortal == NULL)
		return false;
	if (list_length(ActivePortal->stmts) == 1)
		command = linitial_node(PlannedStmt, ActivePortal->stmts)->utilityStmt;
	return command == NULL || !(IsA(command, VariableSetStmt) || IsA(command, LoadStmt) ||
								IsA(command, DiscardStmt) || IsA(command, TransactionStmt));
}

/*
 * InstallHooks
 *		Somebody wants to see statements who may not have done so before.
 */
static void
InstallHooks(void)
{
	static bool installed = false;

	if (Idle() && IsTransactionState() && SettingIsInside())
		unseen_top = GetCurrentStatementStartTimestamp();
	if (installed)
		return;
	installed = true;
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = TrackStart;
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = TrackRun;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = TrackFinish;
	next_end = ExecutorEnd_hook;
	ExecutorEnd_hook = TrackEnd;
	PlanningInit(PlanIsWanted);
}

void
TrackingInit(void)
{
	if (process_shared_preload_libraries_in_progress)
	{
		may_track = true;
		AssignTrackStatements(goarena_track_statements, NULL);
		next_shmem_request = shmem_request_hook;
		shmem_request_hook = RequestShmem;
		next_shmem_startup = shmem_startup_hook;
		shmem_startup_hook = StartShmem;
	}
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = TrackUtility;
	PeakLogInit();
	StatementHooksInit(InstallHooks);
}
