/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Memory of one row, used at the next one.
 *
 * Expressions are evaluated in a context that is reset for each row.  These
 * functions are called once a row: the first call plants, the second uses.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "funcapi.h"
#include "utils/builtins.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(bug_static_row);
PG_FUNCTION_INFO_V1(bug_fn_extra);
PG_FUNCTION_INFO_V1(bug_srf_state);
PG_FUNCTION_INFO_V1(bug_parallel_worker);
PG_FUNCTION_INFO_V1(bug_detoasted);

#define STATE_SIZE 480

/*
 * bug_static_row(integer) returns text
 *		A value is kept in a static variable.
 *
 * As in bluejekyll/pg-extend-rs#37.
 */
Datum
bug_static_row(PG_FUNCTION_ARGS)
{
	static char *counter = NULL;

	if (counter == NULL)
	{
		counter = MakeObject(CurrentMemoryContext, STATE_SIZE);
		PG_RETURN_TEXT_P(cstring_to_text("planted"));
	}
	PG_RETURN_TEXT_P(cstring_to_text(Look(counter)));
}

/*
 * bug_fn_extra(integer) returns text
 *		A function's cache is allocated in the current context instead of fn_mcxt.
 */
Datum
bug_fn_extra(PG_FUNCTION_ARGS)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		fcinfo->flinfo->fn_extra = MakeObject(CurrentMemoryContext, STATE_SIZE);
		PG_RETURN_TEXT_P(cstring_to_text("planted"));
	}
	PG_RETURN_TEXT_P(cstring_to_text(Look(fcinfo->flinfo->fn_extra)));
}

/*
 * bug_srf_state() returns setof text
 *		A set-returning function allocates its state in the current context
 *		instead of multi_call_memory_ctx.
 *
 * As the column buffers of a scan in CartoDB/odbc_fdw#3 and ZhengYang/odbc_fdw#6.
 */
Datum
bug_srf_state(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		call->user_fctx = MakeObject(CurrentMemoryContext, STATE_SIZE);
	}
	call = SRF_PERCALL_SETUP();
	if (call->call_cntr == 0)
		SRF_RETURN_NEXT(call, PointerGetDatum(cstring_to_text("planted")));
	if (call->call_cntr == 1)
		SRF_RETURN_NEXT(call, PointerGetDatum(cstring_to_text(Look(call->user_fctx))));
	SRF_RETURN_DONE(call);
}

/*
 * bug_parallel_worker(integer) returns text
 *		A value is kept in a static variable, in a parallel worker.
 */
Datum
bug_parallel_worker(PG_FUNCTION_ARGS)
{
	static char *state = NULL;

	if (!IsParallelWorker())
		PG_RETURN_TEXT_P(cstring_to_text("not in a parallel worker"));
	if (state == NULL)
	{
		state = MakeObject(CurrentMemoryContext, STATE_SIZE);
		PG_RETURN_TEXT_P(cstring_to_text("planted"));
	}
	PG_RETURN_TEXT_P(cstring_to_text(Look(state)));
}

/*
 * LastWord
 *		Free the copy that was made to read a compressed argument.
 */
static pg_noinline const char *
LastWord(FunctionCallInfo fcinfo)
{
	text *document = PG_GETARG_TEXT_PP(0);
	const char *word = VARDATA_ANY(document) + VARSIZE_ANY_EXHDR(document) - 64;

	PG_FREE_IF_COPY(document, 0);
	return word;
}

/*
 * bug_detoasted(text) returns text
 *		A pointer into a detoasted argument is used after PG_FREE_IF_COPY().
 *
 * Results that were freed before they were returned: csimsek/pgsql-fio#1.
 */
Datum
bug_detoasted(PG_FUNCTION_ARGS)
{
	const char *word;

	WarmUpMalloc();
	word = LastWord(fcinfo);
	PG_RETURN_TEXT_P(cstring_to_text(Look(word)));
}
