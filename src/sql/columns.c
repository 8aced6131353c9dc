/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Rows of functions, made from structs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "sql/columns.h"

Datum
ForeignTextDatum(const char *value)
{
	char *copy = pstrdup(value);

	if (!pg_verifymbstr(copy, (int) strlen(copy), true))
		for (char *p = copy; *p != '\0'; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
	return CStringGetTextDatum(copy);
}

static Oid
column_sql_type(ColumnType type)
{
	switch (type)
	{
		case COLUMN_INT:
			return INT4OID;
		case COLUMN_COUNT:
		case COLUMN_IDENTIFIER:
		case COLUMN_DIFFERENCE:
			return INT8OID;
		case COLUMN_MILLISECONDS:
		case COLUMN_FLOAT:
		case COLUMN_PERCENT:
			return FLOAT8OID;
		case COLUMN_BOOL:
			return BOOLOID;
		case COLUMN_OID:
			return OIDOID;
		case COLUMN_TIME:
			return TIMESTAMPTZOID;
		case COLUMN_INTERVAL:
			return INTERVALOID;
		case COLUMN_TEXT:
			return TEXTOID;
	}
	return InvalidOid;
}

/*
 * column_check
 *		Has the function these columns?  It has not after the library was updated and the
 *		extension was not.
 */
static void
column_check(TupleDesc desc, const Column *columns, int count)
{
	bool same = desc->natts <= count;

	for (int i = 0; same && i < desc->natts; i++)
		same = strcmp(NameStr(TupleDescAttr(desc, i)->attname), columns[i].name) == 0 &&
			   TupleDescAttr(desc, i)->atttypid == column_sql_type(columns[i].type);
	if (!same)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("function has other columns than the library of goarena"),
						errhint("Run ALTER EXTENSION goarena UPDATE.")));
}

/*
 * column_value
 *		The value of a column in a struct, and whether it is null.
 */
static Datum
column_value(const Column *column, const void *values, bool *null)
{
	const void *member = (const char *) values + column->offset;
	uint64 number;

	*null = false;
	switch (column->type)
	{
		case COLUMN_INT:
			*null = *(const int *) member == INT_MIN;
			return Int32GetDatum(*(const int *) member);
		case COLUMN_COUNT:
			memcpy(&number, member, sizeof(number));
			*null = number == UINT64_MAX;
			return Int64GetDatum((int64) number);
		case COLUMN_MILLISECONDS:
			memcpy(&number, member, sizeof(number));
			return Float8GetDatum((double) number / 1000.0);
		case COLUMN_PERCENT:
			memcpy(&number, member, sizeof(number));
			*null = number == UINT64_MAX;
			return Float8GetDatum((double) number / 100.0);
		case COLUMN_FLOAT:
			*null = isnan(*(const double *) member);
			return Float8GetDatum(*(const double *) member);
		case COLUMN_BOOL:
			return BoolGetDatum(*(const bool *) member);
		case COLUMN_IDENTIFIER:
			return Int64GetDatum(*(const int64 *) member);
		case COLUMN_DIFFERENCE:
			*null = *(const int64 *) member == PG_INT64_MIN;
			return Int64GetDatum(*(const int64 *) member);
		case COLUMN_OID:
			return ObjectIdGetDatum(*(const Oid *) member);
		case COLUMN_TIME:
			*null = *(const TimestampTz *) member == 0;
			return TimestampTzGetDatum(*(const TimestampTz *) member);
		case COLUMN_INTERVAL:
			*null = *(const Interval *const *) member == NULL;
			return IntervalPGetDatum(*(const Interval *const *) member);
		case COLUMN_TEXT:
			*null = *(const char *const *) member == NULL;
			return *null ? (Datum) 0 : ForeignTextDatum(*(const char *const *) member);
	}
	return (Datum) 0;
}

static void
column_values(const Column *columns, const void *row, int shown, TupleDesc desc, Datum *values,
			  bool *nulls)
{
	for (int i = 0; i < desc->natts; i++)
	{
		values[i] = (Datum) 0;
		nulls[i] = true;
		if (i < shown)
			values[i] = column_value(&columns[i], row, &nulls[i]);
	}
}

ReturnSetInfo *
ColumnsBegin(FunctionCallInfo fcinfo, const Column *columns, int count)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	column_check(rows->setDesc, columns, count);
	return rows;
}

void
ColumnsPut(ReturnSetInfo *rows, const Column *columns, const void *values, int shown)
{
	Datum datums[MaxTupleAttributeNumber];
	bool nulls[MaxTupleAttributeNumber];

	column_values(columns, values, shown, rows->setDesc, datums, nulls);
	tuplestore_putvalues(rows->setResult, rows->setDesc, datums, nulls);
}

Datum
ColumnsMake(FunctionCallInfo fcinfo, const Column *columns, int count, const void *values)
{
	Datum datums[MaxTupleAttributeNumber];
	bool nulls[MaxTupleAttributeNumber];
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	column_check(desc, columns, count);
	column_values(columns, values, count, desc, datums, nulls);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), datums, nulls));
}
