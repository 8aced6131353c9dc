/*-------------------------------------------------------------------------
 *
 * executor_hooks.c
 *	  What is done when the executor or a utility command runs a statement.
 *
 * When a statement begins, limits are looked at; and a statement that is cancelled because of the
 * total limit needs another message.  If a setting asks for it, statements are also watched, see
 * tracking.h.  By default no setting does, and the hooks of the executor are not even installed,
 * see statement_hooks.h.
 *
 * Memory of contexts that are not arenas, such as those of sorts, is measured when a
 * statement begins and ends, and while it runs as it grows, see limits.c.
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
#include "nodes/parsenodes.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/backend_status.h"

#include "backend/limits/limit_setting.h"
#include "backend/limits/maintenance_memory.h"
#include "backend/limits/total_limit.h"
#include "backend/maintenance/idle.h"
#include "backend/process/hooks.h"
#include "backend/process/statement_hooks.h"
#include "backend/statements/executor_hooks.h"
#include "backend/statements/explain.h"
#include "backend/statements/peak_log.h"
#include "backend/statements/planning.h"
#include "backend/statements/tracking.h"

static int depth = 0; /* calls of hooks in which statements may run, watched or not */

/*
 * The time of the message in which hooks were installed by a statement that they did not see begin.
 * Other statements of that message run inside of it.
 */
static TimestampTz unseen_top = 0;

static ExecutorStart_hook_type next_start = NULL;
static ExecutorRun_hook_type next_run = NULL;
static ExecutorFinish_hook_type next_finish = NULL;
static ExecutorEnd_hook_type next_end = NULL;
static ProcessUtility_hook_type next_utility = NULL;

/*
 * hook_at_top
 *		Does no statement run further up the stack?
 */
static inline bool
hook_at_top(void)
{
	return depth == 0 && TrackingIsOutermost() &&
		   (likely(unseen_top == 0) || unseen_top != GetCurrentStatementStartTimestamp());
}

/*
 * hook_idle
 *		Have the hooks nothing to do?  Inside of a statement that they saw begin, they go on until
 *		its end.
 */
static inline bool
hook_idle(void)
{
	return TrackingUnwatched() && depth == 0 && TotalLimit() == SIZE_MAX;
}

/*
 * hook_plan_is_wanted
 *		Is the statement that is being planned one at the top that will be watched?
 */
static bool
hook_plan_is_wanted(void)
{
	return !TrackingUnwatched() && hook_at_top();
}

static void
hook_call_start(QueryDesc *queryDesc, int eflags)
{
	if (next_start)
		next_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

static void
hook_start(QueryDesc *queryDesc, int eflags)
{
	Statement *statement;
	Level inner;

	LimitSettingAtStatement();
	if (unlikely(IsParallelWorker()))
		TrackingBeginWorker();
	if (likely(TrackingUnwatched()))
	{
		hook_call_start(queryDesc, eflags);
		return;
	}
	statement = TrackingBeginQuery(queryDesc, hook_at_top());
	TrackingEnterLevel(&inner);
	PG_TRY();
	{
		hook_call_start(queryDesc, eflags);
	}
	PG_CATCH();
	{
		TrackingLeaveLevel(&inner);
		if (statement != NULL)
		{
			TrackingFail(statement);
			TrackingForget(statement);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	TrackingLeaveLevel(&inner);
	if (statement != NULL)
		TrackingForgetLater(statement);
}

/*
 * hook_descend
 *		Go one level down: the statement that is called next may run others.  Only with a total
 *		limit it gets an error context callback, which the caller takes away.
 */
static inline void
hook_descend(ErrorContextCallback *callback)
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
hook_call_next_run(EXECUTOR_RUN_PARAMETERS)
{
	if (next_run)
		next_run(EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(EXECUTOR_RUN_ARGUMENTS);
}

/*
 * hook_call_run, hook_call_finish, hook_run_utility
 *		Call the next hook in the chain.  PG_END_TRY takes the error context callback away.
 */
static void
hook_call_run(EXECUTOR_RUN_PARAMETERS)
{
	ErrorContextCallback callback;

	PG_TRY();
	{
		hook_descend(&callback);
		hook_call_next_run(EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

/*
 * hook_run_on_level
 *		As hook_call_run, for a statement that is watched.
 */
static void
hook_run_on_level(EXECUTOR_RUN_PARAMETERS)
{
	Statement *statement = TrackingFind(queryDesc);
	Level inner;

	if (statement != NULL)
		TrackingResume(statement);
	TrackingEnterLevel(&inner);
	PG_TRY();
	{
		hook_call_run(EXECUTOR_RUN_ARGUMENTS);
	}
	PG_CATCH();
	{
		TrackingLeaveLevel(&inner);
		TrackingLookBeforeEnd();
		if (statement != NULL)
			TrackingFail(statement);
		PG_RE_THROW();
	}
	PG_END_TRY();
	TrackingLeaveLevel(&inner);
	TrackingAfterRun(statement);
}

static void
hook_run(EXECUTOR_RUN_PARAMETERS)
{
	if (likely(hook_idle()))
		hook_call_next_run(EXECUTOR_RUN_ARGUMENTS);
	else if (TrackingUnwatched())
		hook_call_run(EXECUTOR_RUN_ARGUMENTS);
	else
		hook_run_on_level(EXECUTOR_RUN_ARGUMENTS);
}

static void
hook_call_next_finish(QueryDesc *queryDesc)
{
	if (next_finish)
		next_finish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
}

static void
hook_call_finish(QueryDesc *queryDesc)
{
	ErrorContextCallback callback;

	PG_TRY();
	{
		hook_descend(&callback);
		hook_call_next_finish(queryDesc);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

/*
 * hook_finish
 *		The ExecutorFinish hook.  Triggers run here; a plan that changes nothing has none.
 */
static void
hook_finish(QueryDesc *queryDesc)
{
	Statement *statement;
	Level inner;

	if (hook_idle() ||
		(queryDesc->operation == CMD_SELECT && !queryDesc->plannedstmt->hasModifyingCTE))
	{
		hook_call_next_finish(queryDesc);
		return;
	}
	if (TrackingUnwatched())
	{
		hook_call_finish(queryDesc);
		return;
	}
	statement = TrackingFind(queryDesc);
	if (statement != NULL)
		TrackingResume(statement);
	TrackingEnterLevel(&inner);
	PG_TRY();
	{
		hook_call_finish(queryDesc);
	}
	PG_CATCH();
	{
		TrackingLeaveLevel(&inner);
		if (statement != NULL)
			TrackingFail(statement);
		PG_RE_THROW();
	}
	PG_END_TRY();
	TrackingLeaveLevel(&inner);
	TrackingAfterRun(statement);
}

static void
hook_call_end(QueryDesc *queryDesc)
{
	if (next_end)
		next_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

/*
 * hook_end_statement
 *		End a statement after ExecutorEnd: the executor's memory is gone, unless that failed.
 */
static void
hook_end_statement(Statement *statement, void (*end)(Statement *statement))
{
	bool gone = statement->state == STATEMENT_GONE;

	end(statement);
	if (gone)
		TrackingForget(statement);
}

/*
 * hook_end_watched
 *		ExecutorEnd for a statement that is watched.  It frees the executor's memory, and the
 *		statement must live until after that.  A statement that failed before is over already, and
 *		goes with the memory.
 */
static void
hook_end_watched(QueryDesc *queryDesc)
{
	Statement *statement = TrackingFind(queryDesc);

	if (statement != NULL)
		TrackingResume(statement);
	TrackingLookBeforeEnd();
	if (statement != NULL && statement->state == STATEMENT_OVER)
		statement = NULL;
	if (statement != NULL)
		statement->state = STATEMENT_ENDING;
	PG_TRY();
	{
		hook_call_end(queryDesc);
	}
	PG_CATCH();
	{
		if (statement != NULL)
			hook_end_statement(statement, TrackingFail);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (statement != NULL)
		hook_end_statement(statement, TrackingComplete);
}

static void
hook_end(QueryDesc *queryDesc)
{
	if (likely(TrackingUnwatched()))
		hook_call_end(queryDesc);
	else
		hook_end_watched(queryDesc);
	IdleAfterStatement();
}

/*
 * hook_utility_query_id
 *		pg_stat_statements, if it is called first, hides the identifiers of
 *		utility statements from others.  That of a statement at the top level is
 *		known elsewhere, too.
 */
static int64
hook_utility_query_id(const PlannedStmt *planned, bool at_top)
{
	if (planned->queryId != 0 || !at_top)
		return (int64) planned->queryId;
	return (int64) pgstat_get_my_query_id();
}

static void
hook_call_next_utility(UTILITY_PARAMETERS)
{
	if (next_utility)
		next_utility(UTILITY_ARGUMENTS);
	else
		standard_ProcessUtility(UTILITY_ARGUMENTS);
}

/*
 * hook_call_guarded
 *		As hook_call_utility, for a command that changes stored settings.
 */
static pg_noinline void
hook_call_guarded(UTILITY_PARAMETERS)
{
	LimitSettingGuardBegin();
	PG_TRY();
	{
		hook_call_next_utility(UTILITY_ARGUMENTS);
	}
	PG_FINALLY();
	{
		LimitSettingGuardEnd();
	}
	PG_END_TRY();
}

/*
 * hook_call_maintenance
 *		As hook_call_utility, for a command that gets less than maintenance_work_mem.
 */
static pg_noinline void
hook_call_maintenance(int kb, UTILITY_PARAMETERS)
{
	int before = MaintenanceMemoryLower(kb);

	PG_TRY();
	{
		hook_call_next_utility(UTILITY_ARGUMENTS);
	}
	PG_FINALLY();
	{
		MaintenanceMemoryRestore(kb, before);
	}
	PG_END_TRY();
}

static void
hook_call_utility(UTILITY_PARAMETERS)
{
	int kb = MaintenanceMemoryAllowed(pstmt->utilityStmt);

	if (unlikely(LimitSettingGuards(pstmt->utilityStmt)))
		hook_call_guarded(UTILITY_ARGUMENTS);
	else if (likely(kb == maintenance_work_mem))
		hook_call_next_utility(UTILITY_ARGUMENTS);
	else
		hook_call_maintenance(kb, UTILITY_ARGUMENTS);
}

static void
hook_run_utility(UTILITY_PARAMETERS)
{
	ErrorContextCallback callback;

	PG_TRY();
	{
		hook_descend(&callback);
		hook_call_utility(UTILITY_ARGUMENTS);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
}

/*
 * hook_utility_on_level
 *		As hook_run_utility, for a statement that is watched.
 */
static void
hook_utility_on_level(UTILITY_PARAMETERS)
{
	Statement statement;
	Level inner;
	bool at_top = hook_at_top();
	bool tracked = at_top || TrackingRecords(false);

	if (tracked)
		TrackingBegin(&statement, hook_utility_query_id(pstmt, at_top), at_top);
	TrackingEnterLevel(&inner);
	PG_TRY();
	{
		hook_run_utility(UTILITY_ARGUMENTS);
	}
	PG_CATCH();
	{
		TrackingLeaveLevel(&inner);
		TrackingLookBeforeEnd();
		if (tracked)
			TrackingFail(&statement);
		PG_RE_THROW();
	}
	PG_END_TRY();
	TrackingLeaveLevel(&inner);
	TrackingLookBeforeEnd();
	if (tracked)
		TrackingComplete(&statement);
}

/*
 * hook_any_utility
 *		Run any utility command.  EXECUTE and PREPARE count as no statements, so what EXECUTE runs
 *		is not on an inner level.
 */
static void
hook_any_utility(UTILITY_PARAMETERS)
{
	if (hook_idle() || IsA(pstmt->utilityStmt, ExecuteStmt) || IsA(pstmt->utilityStmt, PrepareStmt))
	{
		hook_call_utility(UTILITY_ARGUMENTS);
		return;
	}
	if (TrackingUnwatched())
		hook_run_utility(UTILITY_ARGUMENTS);
	else
		hook_utility_on_level(UTILITY_ARGUMENTS);
	IdleAfterStatement();
}

static void
hook_utility(UTILITY_PARAMETERS)
{
	int level;

	LimitSettingAtStatement();
	if (likely(!ExplainAsks(pstmt->utilityStmt)))
	{
		hook_any_utility(UTILITY_ARGUMENTS);
		return;
	}
	level = ExplainBegin();
	hook_any_utility(UTILITY_ARGUMENTS);
	ExplainEnd(level);
}

/*
 * hook_setting_is_inside
 *		Does a setting take effect inside of a statement that runs others, and not by
 *		a command that the client sent, between two messages, or at the end of a
 *		transaction?
 */
static bool
hook_setting_is_inside(void)
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
 * hook_install
 *		Install the hooks, since a setting asks for statements to be seen.
 */
static void
hook_install(void)
{
	static bool installed = false;

	if (hook_idle() && IsTransactionState() && hook_setting_is_inside())
		unseen_top = GetCurrentStatementStartTimestamp();
	if (installed)
		return;
	installed = true;
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = hook_start;
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = hook_run;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = hook_finish;
	next_end = ExecutorEnd_hook;
	ExecutorEnd_hook = hook_end;
	PlanningInit(hook_plan_is_wanted);
}

void
ExecutorHooksInit(void)
{
	if (process_shared_preload_libraries_in_progress)
		AssignTrackStatements(goarena_track_statements, NULL);
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = hook_utility;
	PeakLogInit();
	ExplainInit();
	StatementHooksInit(hook_install);
}
