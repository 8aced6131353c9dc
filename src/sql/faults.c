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

#define COLUMN_ID 0
#define COLUMN_AT 1

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
 * faults_column
 *		False if the value is not one of its column.
 */
static bool
faults_column(const FaultColumn *column, const char *value, Datum *datum)
{
	int64 number;
	bool valid = true;

	if (column->type == FAULT_NUMBER)
		valid = faults_parse_number(value, &number);
	else if (column->type == FAULT_TIME)
		valid = faults_parse_time(value, &number);
	else
	{
		*datum = ForeignTextDatum(value);
		return true;
	}
	*datum = valid ? Int64GetDatum(number) : (Datum) 0;
	return valid;
}

/*
 * faults_row
 *		Fill a row from the text of a report.  False if that is damaged.
 */
static bool
faults_row(const char *text, Datum *values, bool *nulls)
{
	for (int c = 0; c < lengthof(columns); c++)
	{
		char *value = faults_value_of(text, columns[c].key);

		nulls[c] = value == NULL || (columns[c].type == FAULT_ADDRESS && !superuser());
		values[c] = (Datum) 0;
		if (!nulls[c] && !faults_column(&columns[c], value, &values[c]))
			return false;
	}
	return !nulls[COLUMN_ID] && !nulls[COLUMN_AT];
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
	ReturnSetInfo *rows = BeginRows(fcinfo);
	int copies = 0;

	for (int i = 0; i < FAULT_FILES; i++)
	{
		char *text = faults_read_report(i);
		Datum values[lengthof(columns)];
		bool nulls[lengthof(columns)];

		if (text == NULL)
			continue;
		if (faults_is_copy(text))
			copies++;
		else if (faults_row(text, values, nulls))
			PutRow(rows, values, nulls);
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
