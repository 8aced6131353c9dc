/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  goarena_statements(), goarena_statements_info() and
 *	  goarena_statements_reset().
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#include "backend/statements.h"
#include "backend/tracking.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_statements);
SQL_FUNCTION(goarena_statements_info);
SQL_FUNCTION(goarena_statements_reset);

#define STATEMENTS_COLUMNS 13
#define PUBLIC_COLUMNS	   4 /* the first of them */
#define INFO_COLUMNS	   2

static void
statements_require(void)
{
	if (!StatementsReady())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("goarena does not count what statements use"),
				 errhint("Add goarena to shared_preload_libraries and restart the server.")));
}

/*
 * statements_put
 *		Of other users' statements only their number is shown.
 */
static void
statements_put(ReturnSetInfo *rows, const StatementRow *row, bool in_full)
{
	const StatementSums *sums = &row->sums;
	Datum values[STATEMENTS_COLUMNS];
	bool nulls[STATEMENTS_COLUMNS] = {false};
	int i = 0;

	values[i++] = ObjectIdGetDatum(row->key.userid);
	values[i++] = ObjectIdGetDatum(row->key.dbid);
	values[i++] = BoolGetDatum(row->key.toplevel != 0);
	values[i++] = Int64GetDatum(sums->calls);
	values[i++] = Int64GetDatum(row->key.queryid);
	values[i++] = Int64GetDatum(sums->peak_max);
	values[i++] = Float8GetDatum(sums->peak_mean);
	values[i++] = Float8GetDatum(sqrt(sums->peak_squares / (double) sums->calls));
	values[i++] = Int64GetDatum((int64) sums->counters.bytes);
	values[i++] = Int64GetDatum((int64) sums->counters.objects);
	values[i++] = Int64GetDatum((int64) sums->counters.large_allocs);
	values[i++] = Int64GetDatum((int64) sums->counters.limit_hits);
	values[i++] = TimestampTzGetDatum(sums->since);
	for (i = PUBLIC_COLUMNS; i < STATEMENTS_COLUMNS; i++)
		nulls[i] = !in_full;
	PutRow(rows, values, nulls);
}

/*
 * goarena_statements() returns setof record
 */
Datum
goarena_statements(PG_FUNCTION_ARGS)
{
	Oid user = GetUserId();
	bool may_read_all = has_privs_of_role(user, ROLE_PG_READ_ALL_STATS);
	ReturnSetInfo *rows;
	StatementRow *copy;
	int count;

	statements_require();
	TrackingFlush();
	rows = BeginRows(fcinfo);
	copy = StatementsCopy(&count);
	for (int i = 0; i < count; i++)
		statements_put(rows, &copy[i], may_read_all || copy[i].key.userid == user);
	pfree(copy);
	return (Datum) 0;
}

/*
 * goarena_statements_info() returns record
 */
Datum
goarena_statements_info(PG_FUNCTION_ARGS)
{
	Datum values[INFO_COLUMNS];
	bool nulls[INFO_COLUMNS] = {false};
	TimestampTz reset_at;
	int64 dropped;

	statements_require();
	StatementsInfo(&dropped, &reset_at);
	values[0] = Int64GetDatum(dropped);
	values[1] = TimestampTzGetDatum(reset_at);
	PG_RETURN_DATUM(MakeRow(fcinfo, values, nulls));
}

/*
 * goarena_statements_reset() returns void
 */
Datum
goarena_statements_reset(PG_FUNCTION_ARGS)
{
	statements_require();
	StatementsReset();
	PG_RETURN_VOID();
}
