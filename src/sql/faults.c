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

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "backend/faults/fault_files.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_faults);
SQL_FUNCTION(goarena_faults_text);

typedef struct FaultRow
{
	int64 id;
	TimestampTz at;
	int64 pid;
	const char *backend_type;
	const char *user_name;
	const char *database;
	const char *kind;
	const char *access;
	const char *address; /* for superusers only */
	const char *context;
	const char *parents;
	const char *ident;
	int64 arena;
	const char *freed_by;
	TimestampTz freed_at;
	int64 sweeps_since;
	int64 transactions_since;
	int64 object_size;
	int64 object_offset;
	const char *outcome;
	const char *query;
	const char *free_query;
} FaultRow;

static const Column columns[] = {
	{"id", COLUMN_DIFFERENCE, offsetof(FaultRow, id)},
	{"at", COLUMN_TIME, offsetof(FaultRow, at)},
	{"pid", COLUMN_DIFFERENCE, offsetof(FaultRow, pid)},
	{"backend_type", COLUMN_TEXT, offsetof(FaultRow, backend_type)},
	{"user_name", COLUMN_TEXT, offsetof(FaultRow, user_name)},
	{"database", COLUMN_TEXT, offsetof(FaultRow, database)},
	{"kind", COLUMN_TEXT, offsetof(FaultRow, kind)},
	{"access", COLUMN_TEXT, offsetof(FaultRow, access)},
	{"address", COLUMN_TEXT, offsetof(FaultRow, address)},
	{"context", COLUMN_TEXT, offsetof(FaultRow, context)},
	{"parents", COLUMN_TEXT, offsetof(FaultRow, parents)},
	{"ident", COLUMN_TEXT, offsetof(FaultRow, ident)},
	{"arena_id", COLUMN_DIFFERENCE, offsetof(FaultRow, arena)},
	{"freed_by", COLUMN_TEXT, offsetof(FaultRow, freed_by)},
	{"freed_at", COLUMN_TIME, offsetof(FaultRow, freed_at)},
	{"sweeps_since", COLUMN_DIFFERENCE, offsetof(FaultRow, sweeps_since)},
	{"transactions_since", COLUMN_DIFFERENCE, offsetof(FaultRow, transactions_since)},
	{"object_size", COLUMN_DIFFERENCE, offsetof(FaultRow, object_size)},
	{"object_offset", COLUMN_DIFFERENCE, offsetof(FaultRow, object_offset)},
	{"outcome", COLUMN_TEXT, offsetof(FaultRow, outcome)},
	{"query", COLUMN_TEXT, offsetof(FaultRow, query)},
	{"free_query", COLUMN_TEXT, offsetof(FaultRow, free_query)},
};

/* What reports call each of them. */
static const char *const keys[lengthof(columns)] = {
	"id",
	"at",
	"pid",
	"backend type",
	"user",
	"database",
	"kind",
	"access",
	"address",
	"context",
	"parents",
	"ident",
	"arena",
	"freed by",
	"freed at",
	"sweeps since",
	"transactions since",
	"object size",
	"object offset",
	"outcome",
	"query",
	"query then",
};

/*
 * faults_warn
 *		Something else has the name of the i-th report, or it is damaged.
 */
static void
faults_warn(int i)
{
	char path[MAXPGPATH];

	FaultFilePath(path, sizeof(path), i);
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED), errmsg("file \"%s\" is not a fault report", path),
			 errhint("Remove it, unless it is of use to you.")));
}

/*
 * faults_read_file
 *		The contents of a regular file, which ends with a zero byte; NULL if it is
 *		none, or too large.
 */
static char *
faults_read_file(int fd)
{
	struct stat st;
	char *text;
	size_t length = 0;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FAULT_REPORT_SIZE)
		return NULL;
	text = palloc(FAULT_REPORT_SIZE + 1);
	while (length < FAULT_REPORT_SIZE)
	{
		ssize_t got = read(fd, text + length, FAULT_REPORT_SIZE - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (size_t) got;
	}
	text[length] = '\0';
	return text;
}

/*
 * faults_read_report
 *		The text of the i-th report; NULL if there is none, or something else has
 *		its name, which is logged.
 */
static char *
faults_read_report(int i)
{
	char path[MAXPGPATH];
	char *text;
	int fd;

	CHECK_FOR_INTERRUPTS();
	FaultFilePath(path, sizeof(path), i);
	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
	{
		if (errno != ENOENT)
			ereport(WARNING,
					(errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
		return NULL;
	}
	text = faults_read_file(fd);
	CloseTransientFile(fd);
	if (text == NULL)
		faults_warn(i);
	return text;
}

/*
 * faults_value_of
 *		The value of a key in a report; NULL if it is not there or empty.
 */
static char *
faults_value_of(const char *text, const char *key)
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

static bool
faults_parse_number(const char *value, int64 *number)
{
	char *end;

	errno = 0;
	*number = strtoll(value, &end, 10);
	return errno == 0 && end != value && *end == '\0';
}

/*
 * faults_parse_time
 *		As ReportTime writes them; any other text is none, without an error.
 */
static bool
faults_parse_time(const char *value, TimestampTz *at)
{
	int year, month, day, hour, minute, second, micros;
	int end = 0;

	if (sscanf(value, "%4d-%2d-%2d %2d:%2d:%2d.%6d+00%n", &year, &month, &day, &hour, &minute,
			   &second, &micros, &end) != 7 ||
		end != (int) strlen(value) || end != strlen("2026-11-21 20:57:52.123456+00") || year < 1 ||
		month < 1 || month > MONTHS_PER_YEAR || day < 1 || day > day_tab[isleap(year)][month - 1] ||
		hour < 0 || hour >= HOURS_PER_DAY || minute < 0 || minute >= MINS_PER_HOUR || second < 0 ||
		second >= SECS_PER_MINUTE || micros < 0)
		return false;
	*at = (TimestampTz) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
		  ((hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second) * USECS_PER_SEC + micros;
	return true;
}

/*
 * faults_set
 *		Set the member of a row that a column shows to the value that a report has of it, or to
 *		what is shown as null if that is NULL.  False if the value is not one of its type.
 */
static bool
faults_set(FaultRow *row, const Column *column, const char *value)
{
	void *member = (char *) row + column->offset;

	switch (column->type)
	{
		case COLUMN_DIFFERENCE:
			*(int64 *) member = PG_INT64_MIN;
			return value == NULL || faults_parse_number(value, member);
		case COLUMN_TIME:
			*(TimestampTz *) member = 0;
			return value == NULL || faults_parse_time(value, member);
		default:
			*(const char **) member = value;
			return true;
	}
}

/*
 * faults_row
 *		Fill a row from the text of a report.  False if that is damaged.
 */
static bool
faults_row(const char *text, FaultRow *row)
{
	for (int c = 0; c < lengthof(columns); c++)
	{
		if (!faults_set(row, &columns[c], faults_value_of(text, keys[c])))
			return false;
	}
	if (!superuser())
		row->address = NULL;
	return row->id != PG_INT64_MIN && row->at != 0;
}

/*
 * faults_is_copy
 *		Was the report written in another server's data directory?
 */
static bool
faults_is_copy(const char *text)
{
	const char *value = faults_value_of(text, FAULT_INSTANCE);
	int64 instance;

	return value != NULL && faults_parse_number(value, &instance) &&
		   (uint64) instance != FaultFilesInstance();
}

/*
 * goarena_faults() returns setof record
 *		The kept reports, in no particular order.  What is no report is warned of and
 *		left out.
 */
Datum
goarena_faults(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	int copies = 0;

	for (int i = 0; i < FAULT_FILES; i++)
	{
		char *text = faults_read_report(i);
		FaultRow row;

		if (text == NULL)
			continue;
		if (faults_is_copy(text))
			copies++;
		else if (faults_row(text, &row))
			ColumnsPut(rows, columns, &row, lengthof(columns));
		else
			faults_warn(i);
		pfree(text);
	}
	if (copies > 0)
		ereport(NOTICE,
				(errmsg_plural("%d fault report of another server is left out",
							   "%d fault reports of another server are left out", copies, copies),
				 errdetail("They were copied with the directory \"%s\".", FAULT_DIRECTORY)));
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
		char *text = faults_read_report(i);
		char *value = text == NULL || faults_is_copy(text) ? NULL : faults_value_of(text, "id");
		int64 found;

		if (value != NULL && faults_parse_number(value, &found) && found == id)
			PG_RETURN_DATUM(ForeignTextDatum(text));
		if (text != NULL)
			pfree(text);
	}
	PG_RETURN_NULL();
}
