/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  goarena_faults() and goarena_faults_text(): the reports kept on disk.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "backend/fault_files.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_faults);
SQL_FUNCTION(goarena_faults_text);

/* The columns of goarena_faults() and the keys of reports. */
typedef enum FaultType
{
	FAULT_TEXT,
	FAULT_NUMBER,
	FAULT_TIME,
	FAULT_ADDRESS /* a text for superusers only */
} FaultType;

typedef struct FaultColumn
{
	const char *key;
	FaultType type;
} FaultColumn;

static const FaultColumn columns[] = {
	{"id", FAULT_NUMBER},
	{"at", FAULT_TIME},
	{"pid", FAULT_NUMBER},
	{"backend type", FAULT_TEXT},
	{"user", FAULT_TEXT},
	{"database", FAULT_TEXT},
	{"kind", FAULT_TEXT},
	{"access", FAULT_TEXT},
	{"address", FAULT_ADDRESS},
	{"context", FAULT_TEXT},
	{"parents", FAULT_TEXT},
	{"ident", FAULT_TEXT},
	{"arena", FAULT_NUMBER},
	{"freed by", FAULT_TEXT},
	{"freed at", FAULT_TIME},
	{"sweeps since", FAULT_NUMBER},
	{"transactions since", FAULT_NUMBER},
	{"object size", FAULT_NUMBER},
	{"object offset", FAULT_NUMBER},
	{"outcome", FAULT_TEXT},
	{"query", FAULT_TEXT},
	{"query then", FAULT_TEXT},
};

/*
 * ReadReport
 *		The text of the i-th report; NULL if there is none.
 */
static char *
ReadReport(int i)
{
	char path[MAXPGPATH];
	char *text;
	FILE *file;
	size_t length;

	FaultFilePath(path, sizeof(path), i);
	file = AllocateFile(path, "r");
	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(WARNING,
					(errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
		return NULL;
	}
	text = palloc(FAULT_REPORT_SIZE + 1);
	length = fread(text, 1, FAULT_REPORT_SIZE, file);
	text[length] = '\0';
	FreeFile(file);
	return text;
}

/*
 * ValueOf
 *		The value of a key in a report; NULL if it is not there or empty.
 */
static char *
ValueOf(const char *text, const char *key)
{
	size_t length = strlen(key);
	const char *line = text;

	while (line != NULL && *line != '\0')
	{
		const char *end = strchr(line, '\n');

		if (strncmp(line, key, length) == 0 && strncmp(line + length, ": ", 2) == 0)
		{
			const char *value = line + length + 2;

			if (end == NULL || end == value)
				return NULL;
			return pnstrdup(value, (Size) (end - value));
		}
		line = end == NULL ? NULL : end + 1;
	}
	return NULL;
}

static Datum
ColumnDatum(const FaultColumn *column, const char *value)
{
	switch (column->type)
	{
		case FAULT_NUMBER:
			return Int64GetDatum(strtoll(value, NULL, 10));
		case FAULT_TIME:
			return DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
									   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		case FAULT_TEXT:
		case FAULT_ADDRESS:
			break;
	}
	return ForeignTextDatum(value);
}

/*
 * goarena_faults() returns setof record
 *		The kept reports, in no particular order.
 */
Datum
goarena_faults(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = BeginRows(fcinfo);

	for (int i = 0; i < FAULT_FILES; i++)
	{
		char *text = ReadReport(i);
		Datum values[lengthof(columns)];
		bool nulls[lengthof(columns)];

		if (text == NULL)
			continue;
		for (int c = 0; c < lengthof(columns); c++)
		{
			char *value = ValueOf(text, columns[c].key);

			nulls[c] = value == NULL || (columns[c].type == FAULT_ADDRESS && !superuser());
			values[c] = nulls[c] ? (Datum) 0 : ColumnDatum(&columns[c], value);
		}
		PutRow(rows, values, nulls);
		pfree(text);
	}
	return (Datum) 0;
}

/*
 * goarena_faults_text(bigint) returns text
 *		A report as it was written; NULL if it is no longer kept.
 */
Datum
goarena_faults_text(PG_FUNCTION_ARGS)
{
	int64 id = PG_GETARG_INT64(0);

	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for function goarena_faults_text"),
						errdetail("Only a superuser may see addresses.")));
	for (int i = 0; i < FAULT_FILES; i++)
	{
		char *text = ReadReport(i);
		char *value = text == NULL ? NULL : ValueOf(text, "id");

		if (value != NULL && strtoll(value, NULL, 10) == id)
			PG_RETURN_DATUM(ForeignTextDatum(text));
	}
	PG_RETURN_NULL();
}
