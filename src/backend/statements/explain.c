/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  EXPLAIN (ANALYZE, GOARENA): the memory that a statement takes.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#if PG_VERSION_NUM >= 180000

#include "commands/defrem.h"
#include "commands/explain.h"
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"

#include "backend/statements/explain.h"
#include "backend/statements/peak_watch.h"
#include "backend/statements/tracking.h"

#define OPTION "goarena"

static int explain_id; /* of goarena among the extensions of EXPLAIN */
static explain_per_plan_hook_type next_per_plan = NULL;
static explain_validate_options_hook_type next_validate_options = NULL;

/* Its address marks the state of an EXPLAIN that has the option. */
static char wanted;

static bool
explain_is_wanted(ExplainState *es)
{
	return GetExplainExtensionState(es, explain_id) == &wanted;
}

/*
 * explain_option
 *		Handle the option.  If it is given several times, the last one counts.
 */
static void
explain_option(ExplainState *es, DefElem *option, ParseState *pstate)
{
	SetExplainExtensionState(es, explain_id, defGetBoolean(option) ? &wanted : NULL);
}

/*
 * explain_validate_options
 *		Raise an error without ANALYZE, as TIMING does: nothing is executed then.
 */
static void
explain_validate_options(ExplainState *es, List *options, ParseState *pstate)
{
	if (next_validate_options)
		next_validate_options(es, options, pstate);
	if (explain_is_wanted(es) && !es->analyze)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("EXPLAIN option %s requires ANALYZE", "GOARENA")));
}

static uint64
explain_kb(uint64 bytes)
{
	return (bytes + 1023) / 1024;
}

static void
explain_print_text(const ExplainedUse *used, ExplainState *es)
{
	ExplainIndentText(es);
	appendStringInfo(es->str, "Execution Memory: peak=" UINT64_FORMAT "kB",
					 explain_kb(used->use.peak + used->workers_peak));
	if (used->workers_peak > 0)
		appendStringInfo(es->str, "  workers=" UINT64_FORMAT "kB", explain_kb(used->workers_peak));
	appendStringInfo(es->str, "  allocated=" UINT64_FORMAT "kB  objects=" UINT64_FORMAT "\n",
					 explain_kb(used->use.counters.bytes), used->use.counters.objects);
	es->indent++;
	ExplainIndentText(es);
	appendStringInfo(es->str, "Largest Contexts at " UINT64_FORMAT "kB: %s\n",
					 explain_kb(used->watch->largest_at),
					 LargestContextsText(&used->watch->largest, false));
	es->indent--;
}

static void
explain_print_contexts(const LargestContexts *largest, ExplainState *es)
{
	ExplainOpenGroup("Largest Contexts", "Largest Contexts", false, es);
	for (int i = 0; i < largest->count; i++)
	{
		ExplainOpenGroup("Context", NULL, true, es);
		ExplainPropertyText("Name", largest->contexts[i].name, es);
		ExplainPropertyUInteger("Held", "kB", explain_kb(largest->contexts[i].held), es);
		ExplainPropertyUInteger("Contexts", NULL, largest->contexts[i].contexts, es);
		ExplainCloseGroup("Context", NULL, true, es);
	}
	ExplainCloseGroup("Largest Contexts", "Largest Contexts", false, es);
}

static void
explain_print_structured(const ExplainedUse *used, ExplainState *es)
{
	ExplainOpenGroup("Execution Memory", "Execution Memory", true, es);
	ExplainPropertyUInteger("Peak", "kB", explain_kb(used->use.peak + used->workers_peak), es);
	ExplainPropertyUInteger("Workers", "kB", explain_kb(used->workers_peak), es);
	ExplainPropertyUInteger("Allocated", "kB", explain_kb(used->use.counters.bytes), es);
	ExplainPropertyUInteger("Objects", NULL, used->use.counters.objects, es);
	ExplainPropertyUInteger("Looked At", "kB", explain_kb(used->watch->largest_at), es);
	explain_print_contexts(&used->watch->largest, es);
	ExplainCloseGroup("Execution Memory", "Execution Memory", true, es);
}

/*
 * explain_per_plan
 *		Print the statement's memory.  The plan was executed and printed, and its executor is not
 *		shut down yet.
 */
static void
explain_per_plan(PlannedStmt *plannedstmt, IntoClause *into, ExplainState *es,
				 const char *queryString, ParamListInfo params, QueryEnvironment *queryEnv)
{
	ExplainedUse used;

	if (next_per_plan)
		next_per_plan(plannedstmt, into, es, queryString, params, queryEnv);
	if (!explain_is_wanted(es) || !TrackingExplained(plannedstmt, &used))
		return;
	if (es->format == EXPLAIN_FORMAT_TEXT)
		explain_print_text(&used, es);
	else
		explain_print_structured(&used, es);
}

/*
 * ExplainAsks
 *		Whether the option is on is seen later; to watch in vain does no harm.
 */
bool
ExplainAsks(const Node *command)
{
	ListCell *cell;

	if (!IsA(command, ExplainStmt))
		return false;
	foreach (cell, ((const ExplainStmt *) command)->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, OPTION) == 0)
			return true;
	return false;
}

/*
 * ExplainBegin
 *		Sets a hidden setting as a function with a setting of its own does, which is allowed in
 *		parallel mode, too.
 */
int
ExplainBegin(void)
{
	int level = NewGUCNestLevel();

	(void) set_config_option("goarena.explaining", "on", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	return level;
}

void
ExplainEnd(int level)
{
	AtEOXact_GUC(true, level);
}

void
ExplainInit(void)
{
	explain_id = GetExplainExtensionId("goarena");
#if PG_VERSION_NUM >= 190000
	RegisterExtensionExplainOption(OPTION, explain_option, GUCCheckBooleanExplainOption);
#else
	RegisterExtensionExplainOption(OPTION, explain_option);
#endif
	next_validate_options = explain_validate_options_hook;
	explain_validate_options_hook = explain_validate_options;
	next_per_plan = explain_per_plan_hook;
	explain_per_plan_hook = explain_per_plan;
}

#endif
