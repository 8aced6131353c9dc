/*-------------------------------------------------------------------------
 *
 * sql.c
 *	  What the SQL functions share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/tuplestore.h"

#include "mcxt/adopt.h"
#include "sql/sql.h"
#include "version.h"

SQL_FUNCTION(goarena_version);

void
RequireActive(void)
{
	if (!AdoptActive())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("goarena is not active in this session"),
				 errhint("Add goarena to shared_preload_libraries and restart the server.")));
	if (!process_heap_ready)
		ProcessHeapPrepare();
}

ReturnSetInfo *
BeginRows(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	return (ReturnSetInfo *) fcinfo->resultinfo;
}

void
PutRow(ReturnSetInfo *rows, Datum *values, bool *nulls)
{
	tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
}

Datum
MakeRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * goarena_version() returns text
 *		The version of the loaded library.
 */
Datum
goarena_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GOARENA_VERSION));
}
