/*-------------------------------------------------------------------------
 *
 * transactions.c
 *	  Memory of a statement or transaction, used after its end.
 *
 * The end comes between two calls: the function plant_... keeps a pointer in a
 * static variable, and bug_... uses it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(plant_static_list);
PG_FUNCTION_INFO_V1(bug_static_list);
PG_FUNCTION_INFO_V1(plant_subtransaction);
PG_FUNCTION_INFO_V1(bug_subtransaction);
PG_FUNCTION_INFO_V1(plant_parse_tree);
PG_FUNCTION_INFO_V1(bug_parse_tree);
PG_FUNCTION_INFO_V1(bug_guc_description);

static List *pending_actions = NIL;
static char *savepoint_state = NULL;
static Node *last_call = NULL;

static void
CheckPlanted(const void *pointer)
{
	if (pointer == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("nothing was planted in this session")));
}

/*
 * plant_static_list() returns void
 *		Queue actions for the end of the transaction.
 */
Datum
plant_static_list(PG_FUNCTION_ARGS)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	for (int i = 0; i < 3; i++)
		pending_actions = lappend(pending_actions, MakeString(TopTransactionContext, 100));
	MemoryContextSwitchTo(caller);
	PG_RETURN_VOID();
}

/*
 * bug_static_list() returns text
 *		A static list was not emptied at the end of the transaction.
 */
Datum
bug_static_list(PG_FUNCTION_ARGS)
{
	CheckPlanted(pending_actions);
	PG_RETURN_TEXT_P(cstring_to_text(LookAtInt(&pending_actions->length, 3)));
}

/*
 * plant_subtransaction() returns void
 */
Datum
plant_subtransaction(PG_FUNCTION_ARGS)
{
	savepoint_state = MakeObject(CurTransactionContext, 480);
	PG_RETURN_VOID();
}

/*
 * bug_subtransaction() returns text
 *		State of a subtransaction is used after it was rolled back.
 *
 * As the stack of tables in neondatabase/neon#12176.
 */
Datum
bug_subtransaction(PG_FUNCTION_ARGS)
{
	CheckPlanted(savepoint_state);
	PG_RETURN_TEXT_P(cstring_to_text(Look(savepoint_state)));
}

/*
 * plant_parse_tree() returns void
 */
Datum
plant_parse_tree(PG_FUNCTION_ARGS)
{
	last_call = fcinfo->flinfo->fn_expr;
	PG_RETURN_VOID();
}

/*
 * bug_parse_tree() returns text
 *		A node of one statement's tree is used in the next statement.
 *
 * Trees that point into the memory of an earlier execution: darold/pgtt#66 and
 * timescale/timescaledb#3580.
 */
Datum
bug_parse_tree(PG_FUNCTION_ARGS)
{
	CheckPlanted(last_call);
	PG_RETURN_TEXT_P(
		cstring_to_text(LookAtInt((const volatile int *) &last_call->type, T_FuncExpr)));
}

/*
 * bug_guc_description() returns void
 *		Define a setting with a description in memory of this statement.
 *		pg_settings reads it in a later one.
 *
 * As in documentdb/documentdb#593, timescale/pgvectorscale#284 and
 * CrunchyData/pg_parquet#165.
 */
Datum
bug_guc_description(PG_FUNCTION_ARGS)
{
	static int setting;

	DefineCustomIntVariable("goarena_bugs.setting", MakeString(CurrentMemoryContext, 160), NULL,
							&setting, 0, 0, 1, PGC_USERSET, 0, NULL, NULL, NULL);
	PG_RETURN_VOID();
}
