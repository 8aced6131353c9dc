/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  Which hooks of the server are in the way of statements.
 *
 * That of ExecutorRun is not looked at: the test module has one itself.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "optimizer/planner.h"
#include "utils/builtins.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_hooks);

Datum
test_hooks(PG_FUNCTION_ARGS)
{
	text *hooks = cstring_to_text(psprintf(
		"%s%s%s%s%s", planner_hook != NULL ? "planner " : "",
		ExecutorStart_hook != NULL ? "start " : "", ExecutorFinish_hook != NULL ? "finish " : "",
		ExecutorEnd_hook != NULL ? "end " : "", object_access_hook != NULL ? "access " : ""));

	PG_RETURN_TEXT_P(hooks);
}
