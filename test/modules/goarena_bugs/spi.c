/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  What SPI returned, used after SPI freed it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/portal.h"

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(bug_spi_finish);
PG_FUNCTION_INFO_V1(bug_spi_rows);
PG_FUNCTION_INFO_V1(bug_spi_tuptable);
PG_FUNCTION_INFO_V1(bug_spi_plan);
PG_FUNCTION_INFO_V1(bug_cursor_next);
PG_FUNCTION_INFO_V1(bug_cursor_closed);

static void
Connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

static void
Select(const char *sql)
{
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT || SPI_processed == 0)
		elog(ERROR, "could not execute: %s", sql);
}

/*
 * QueryValue
 *		The helper that many extensions have.
 */
static pg_noinline char *
QueryValue(const char *sql)
{
	char *value;

	Connect();
	Select(sql);
	value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_finish();
	return value;
}

/*
 * bug_spi_finish() returns text
 *		A string that SPI_getvalue() made is used after SPI_finish().
 *
 * As in Hornetlabs/synchdb#154, pgpointcloud/pointcloud#312,
 * hapostgres/pg_auto_failover#38, greenplum-db/diskquota#343 and
 * timescale/timescaledb#6029.
 */
Datum
bug_spi_finish(PG_FUNCTION_ARGS)
{
	const char *value = QueryValue("SELECT " SQL_OLD_VALUE);

	GoOn();
	PG_RETURN_TEXT_P(cstring_to_text(Look(value)));
}

/*
 * QueryRows
 *		The first value of a large result.
 */
static pg_noinline Datum
QueryRows(const char *sql)
{
	Datum value;
	bool isnull;

	Connect();
	Select(sql);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SPI_finish();
	return value;
}

/*
 * bug_spi_rows() returns text
 *		A Datum points into the first row of a result of some megabytes after
 *		SPI_finish().
 */
Datum
bug_spi_rows(PG_FUNCTION_ARGS)
{
	Datum value = QueryRows("SELECT " SQL_OLD_VALUE " FROM generate_series(1, 15000)");

	GoOn();
	PG_RETURN_TEXT_P(cstring_to_text(Look(VARDATA_ANY(DatumGetPointer(value)))));
}

static pg_noinline void
ForgetRows(void)
{
	SPI_freetuptable(SPI_tuptable);
}

/*
 * bug_spi_tuptable() returns text
 *		A Datum points into a row that SPI_freetuptable() freed.
 */
Datum
bug_spi_tuptable(PG_FUNCTION_ARGS)
{
	const char *saw;
	Datum value;
	bool isnull;

	Connect();
	Select("SELECT " SQL_OLD_VALUE);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	ForgetRows();
	GoOn();
	saw = Look(VARDATA_ANY(DatumGetPointer(value)));
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}

static pg_noinline void
ForgetPlan(SPIPlanPtr plan)
{
	SPI_freeplan(plan);
}

/*
 * bug_spi_plan() returns text
 *		A plan kept in a cache is used after SPI_freeplan().
 */
Datum
bug_spi_plan(PG_FUNCTION_ARGS)
{
	Oid types[2] = {INT4OID, TEXTOID};
	SPIPlanPtr plan;
	volatile int count;

	Connect();
	plan = SPI_prepare("SELECT $1, $2 || " SQL_OLD_VALUE, lengthof(types), types);
	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	ForgetPlan(plan);
	Meanwhile();
	count = SPI_getargcount(plan);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(LookAtInt(&count, lengthof(types))));
}

/* A receiver that keeps what it is given without copying it. */
typedef struct KeepingReceiver
{
	DestReceiver receiver; /* must be first */
	Datum value;
} KeepingReceiver;

static bool
KeepValue(TupleTableSlot *slot, DestReceiver *self)
{
	bool isnull;

	((KeepingReceiver *) self)->value = slot_getattr(slot, 1, &isnull);
	return true;
}

static void
KeepStarts(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
KeepNothing(DestReceiver *self)
{
}

static Portal
OpenCursor(void)
{
	SPIPlanPtr plan = SPI_prepare(
		"SELECT repeat(CASE i WHEN 1 THEN 'the old value.  ' ELSE 'somebody else''s ' END,"
		" 40) FROM generate_series(1, 3) AS i",
		0, NULL);

	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	return SPI_cursor_open(NULL, plan, NULL, NULL, true);
}

static pg_noinline Datum
FetchValue(Portal portal)
{
	KeepingReceiver keeper = {
		.receiver = {.receiveSlot = KeepValue,
					 .rStartup = KeepStarts,
					 .rShutdown = KeepNothing,
					 .rDestroy = KeepNothing,
					 .mydest = DestNone},
	};

	if (PortalRunFetch(portal, FETCH_FORWARD, 1, &keeper.receiver) != 1)
		elog(ERROR, "the cursor has no row");
	return keeper.value;
}

/*
 * bug_cursor_next() returns text
 *		A value of one row is used after the cursor moved to the next one.
 */
Datum
bug_cursor_next(PG_FUNCTION_ARGS)
{
	const char *saw;
	Portal portal;
	Datum value;

	Connect();
	portal = OpenCursor();
	value = FetchValue(portal);
	(void) FetchValue(portal);
	saw = Look(VARDATA_ANY(DatumGetPointer(value)));
	SPI_cursor_close(portal);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}

/*
 * bug_cursor_closed() returns text
 *		A value is used after its cursor was closed.
 */
Datum
bug_cursor_closed(PG_FUNCTION_ARGS)
{
	const char *saw;
	Portal portal;
	Datum value;

	Connect();
	portal = OpenCursor();
	value = FetchValue(portal);
	SPI_cursor_close(portal);
	GoOn();
	saw = Look(VARDATA_ANY(DatumGetPointer(value)));
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}
