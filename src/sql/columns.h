/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Rows of functions, made from structs.
 *
 * A table says for each column where in the struct its value is.  The table is
 * compared with the function's columns when rows begin, so the library cannot be
 * used with the SQL objects of another version by mistake.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_COLUMNS_H
#define GOARENA_COLUMNS_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"

/* What a member is, and which of its values is shown as null. */
typedef enum ColumnType
{
	COLUMN_INT,			 /* int; INT_MIN */
	COLUMN_COUNT,		 /* uint64 or size_t; UINT64_MAX */
	COLUMN_MILLISECONDS, /* uint64 with microseconds; none */
	COLUMN_FLOAT,		 /* double; not a number */
	COLUMN_PERCENT,		 /* uint64 with hundredths of a percent; UINT64_MAX */
	COLUMN_BOOL,		 /* bool; none */
	COLUMN_OID,			 /* Oid; none */
	COLUMN_IDENTIFIER,	 /* int64; none */
	COLUMN_DIFFERENCE,	 /* int64; PG_INT64_MIN */
	COLUMN_TIME,		 /* TimestampTz; 0 */
	COLUMN_INTERVAL,	 /* const Interval *; NULL */
	COLUMN_TEXT			 /* const char *, in any encoding; NULL */
} ColumnType;

typedef struct Column
{
	const char *name;
	ColumnType type;
	size_t offset;
} Column;

/* Begin a materialized result.  The function has the first of these columns, or all. */
extern ReturnSetInfo *ColumnsBegin(FunctionCallInfo fcinfo, const Column *columns, int count);

/*
 * Add a row that shows a struct.  Columns from shown on are null, since the user may not
 * see them.
 */
extern void ColumnsPut(ReturnSetInfo *rows, const Column *columns, const void *values, int shown);

/* The row of a function that returns one record. */
extern Datum ColumnsMake(FunctionCallInfo fcinfo, const Column *columns, int count,
						 const void *values);

/*
 * A text that may have been cut off within a character, or be in another
 * database's encoding.
 */
extern Datum ForeignTextDatum(const char *value);

#endif /* GOARENA_COLUMNS_H */
