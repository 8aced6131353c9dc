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

#include "backend/statements/statements.h"
#include "backend/statements/tracking.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_statements);
SQL_FUNCTION(goarena_statements_info);
SQL_FUNCTION(goarena_statements_reset);

typedef struct ShownStatement
{
	StatementRow row;
	bool toplevel;
	double peak_stddev;
} ShownStatement;

static const Column columns[] = {
	{"userid", COLUMN_OID, offsetof(ShownStatement, row.key.userid)},
	{"dbid", COLUMN_OID, offsetof(ShownStatement, row.key.dbid)},
	{"toplevel", COLUMN_BOOL, offsetof(ShownStatement, toplevel)},
	{"calls", COLUMN_COUNT, offsetof(ShownStatement, row.sums.calls)},
	{"queryid", COLUMN_IDENTIFIER, offsetof(ShownStatement, row.key.queryid)},
	{"peak_max", COLUMN_COUNT, offsetof(ShownStatement, row.sums.peak_max)},
	{"peak_mean", COLUMN_FLOAT, offsetof(ShownStatement, row.sums.peak_mean)},
	{"peak_stddev", COLUMN_FLOAT, offsetof(ShownStatement, peak_stddev)},
	{"bytes", COLUMN_COUNT, offsetof(ShownStatement, row.sums.counters.bytes)},
	{"allocs", COLUMN_COUNT, offsetof(ShownStatement, row.sums.counters.objects)},
	{"large_allocs", COLUMN_COUNT, offsetof(ShownStatement, row.sums.counters.large_allocs)},
	{"limit_hits", COLUMN_COUNT, offsetof(ShownStatement, row.sums.counters.limit_hits)},
	{"stats_since", COLUMN_TIME, offsetof(ShownStatement, row.sums.since)},
};

#define PUBLIC_COLUMNS 4 /* the first of them */

typedef struct StatementsState
{
	int64 dropped;
	TimestampTz reset_at;
} StatementsState;

static const Column info_columns[] = {
	{"dropped", COLUMN_COUNT, offsetof(StatementsState, dropped)},
	{"stats_reset", COLUMN_TIME, offsetof(StatementsState, reset_at)},
};

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
	ShownStatement shown = {
		.row = *row,
		.toplevel = row->key.toplevel != 0,
		.peak_stddev = sqrt(row->sums.peak_squares / (double) row->sums.calls),
	};

	ColumnsPut(rows, columns, &shown, in_full ? lengthof(columns) : PUBLIC_COLUMNS);
}

/*
 * goarena_statements() returns setof record
 *		What each statement used.
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
	rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	copy = StatementsCopy(&count);
	for (int i = 0; i < count; i++)
		statements_put(rows, &copy[i], may_read_all || copy[i].key.userid == user);
	pfree(copy);
	return (Datum) 0;
}

/*
 * goarena_statements_info() returns record
 *		How often statements were dropped from the table, and since when it counts.
 */
Datum
goarena_statements_info(PG_FUNCTION_ARGS)
{
	StatementsState state;

	statements_require();
	StatementsInfo(&state.dropped, &state.reset_at);
	PG_RETURN_DATUM(ColumnsMake(fcinfo, info_columns, lengthof(info_columns), &state));
}

/*
 * goarena_statements_reset() returns void
 *		Forget all statements.
 */
Datum
goarena_statements_reset(PG_FUNCTION_ARGS)
{
	statements_require();
	StatementsReset();
	PG_RETURN_VOID();
}
