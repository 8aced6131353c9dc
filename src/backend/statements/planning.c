/*-------------------------------------------------------------------------
 *
 * planning.c
 *	  The memory that planning a statement takes.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "optimizer/planner.h"
#include "utils/memutils.h"

#include "backend/process/hooks.h"
#include "backend/statements/planning.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/context_walk.h"

static planner_hook_type next_planner = NULL;
static bool (*planning_is_wanted)(void);

static bool planning = false; /* the planner runs, and may call itself */
static Size held_before;	  /* by contexts, without what is the message's */
static UsageMark mark;		  /* open while it runs */

/* What was planned last, and when its message and its transaction began; 0 for nothing. */
static uint64 planned_query;
static TimestampTz planned_for = 0;
static TimestampTz planned_in;

/*
 * planning_message_held
 *		How many bytes the message from the client, and what was made of it so far, take.
 */
static Size
planning_message_held(void)
{
	return MessageContext == NULL ? 0 : ContextWalkBytes(MessageContext);
}

static PlannedStmt *
planning_call_next(PLANNER_PARAMETERS)
{
	if (next_planner)
		return next_planner(PLANNER_ARGUMENTS);
	return standard_planner(PLANNER_ARGUMENTS);
}

static PlannedStmt *
planning_hook(PLANNER_PARAMETERS)
{
	PlannedStmt *planned;
	Size message;

	if (likely(planning || !planning_is_wanted()))
		return planning_call_next(PLANNER_ARGUMENTS);

	UsageMeasurePlainIfCheap();
	message = planning_message_held();
	held_before = UsageContexts() - Min(message, UsageContexts());
	planned_query = (uint64) parse->queryId;
	planned_for = GetCurrentStatementStartTimestamp();
	planned_in = GetCurrentTransactionStartTimestamp();
	UsageMarkOpen(&mark);
	planning = true;
	PG_TRY();
	{
		planned = planning_call_next(PLANNER_ARGUMENTS);
	}
	PG_FINALLY();
	{
		planning = false;
		UsageMeasurePlainIfCheap();
		UsageMarkClose(&mark);
	}
	PG_END_TRY();
	return planned;
}

/*
 * planning_was_for
 *		Is this the query that was planned last?  In the extended protocol, the planning and the
 *		beginning of a query can belong to different messages.
 */
static bool
planning_was_for(uint64 query)
{
	if (planned_for == 0)
		return false;
	return planned_for == GetCurrentStatementStartTimestamp() ||
		   (query != 0 && query == planned_query &&
			planned_in == GetCurrentTransactionStartTimestamp());
}

Size
PlanningHeld(uint64 query, Size *peak)
{
	Size message = planning_message_held();
	Size now = UsageContexts();
	bool planned = planning_was_for(query);

	planned_for = 0;
	*peak = planned ? mark.peak - Min(held_before, mark.peak) : 0;
	return planned ? Max(message, now - Min(held_before, now)) : message;
}

void
PlanningInit(bool (*is_wanted)(void))
{
	planning_is_wanted = is_wanted;
	next_planner = planner_hook;
	planner_hook = planning_hook;
}
