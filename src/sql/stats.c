/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  goarena_stats(), goarena_total_held(), goarena_reset_stats() and
 *	  goarena_check().
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "backend/process/counters.h"
#include "backend/registry/kernel_memory.h"
#include "backend/registry/requests.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_stats);
SQL_FUNCTION(goarena_heap);
SQL_FUNCTION(goarena_totals);
SQL_FUNCTION(goarena_total_held);
SQL_FUNCTION(goarena_reset_stats);
SQL_FUNCTION(goarena_check);

typedef struct StatsRow
{
	RegistryFigures f;
	const char *backend_type;
	uint64 rss_anon;
	uint64 rss_shmem;
} StatsRow;

/* What an operator needs. */
static const Column stats_columns[] = {
	{"pid", COLUMN_INT, offsetof(StatsRow, f.pid)},
	{"backend_type", COLUMN_TEXT, offsetof(StatsRow, backend_type)},
	{"published", COLUMN_TIME, offsetof(StatsRow, f.at)},
	{"held", COLUMN_COUNT, offsetof(StatsRow, f.held)},
	{"in_use", COLUMN_COUNT, offsetof(StatsRow, f.in_use)},
	{"others", COLUMN_COUNT, offsetof(StatsRow, f.others)},
	{"touched", COLUMN_COUNT, offsetof(StatsRow, f.touched)},
	{"metadata", COLUMN_COUNT, offsetof(StatsRow, f.metadata)},
	{"retained", COLUMN_COUNT, offsetof(StatsRow, f.retained)},
	{"quarantined", COLUMN_COUNT, offsetof(StatsRow, f.quarantined)},
	{"resident", COLUMN_COUNT, offsetof(StatsRow, f.resident)},
	{"rss_anon", COLUMN_COUNT, offsetof(StatsRow, rss_anon)},
	{"rss_shmem", COLUMN_COUNT, offsetof(StatsRow, rss_shmem)},
	{"statement_peak", COLUMN_COUNT, offsetof(StatsRow, f.statement_peak)},
	{"transaction_peak", COLUMN_COUNT, offsetof(StatsRow, f.transaction_peak)},
	{"process_peak", COLUMN_COUNT, offsetof(StatsRow, f.process_peak)},
	{"arenas", COLUMN_COUNT, offsetof(StatsRow, f.arenas)},
	{"allocs", COLUMN_COUNT, offsetof(StatsRow, f.allocs)},
	{"total_allocated", COLUMN_COUNT, offsetof(StatsRow, f.total_allocated)},
	{"resets", COLUMN_COUNT, offsetof(StatsRow, f.resets)},
	{"sweeps", COLUMN_COUNT, offsetof(StatsRow, f.sweeps)},
	{"sweep_time_ms", COLUMN_MILLISECONDS, offsetof(StatsRow, f.sweep_us)},
	{"max_sweep_ms", COLUMN_MILLISECONDS, offsetof(StatsRow, f.max_sweep_us)},
	{"last_sweep", COLUMN_TIME, offsetof(StatsRow, f.last_sweep)},
	{"limit_hits", COLUMN_COUNT, offsetof(StatsRow, f.limit_hits)},
	{"cancels", COLUMN_COUNT, offsetof(StatsRow, f.cancels)},
};

/* The engine's details. */
static const Column heap_columns[] = {
	{"pid", COLUMN_INT, offsetof(StatsRow, f.pid)},
	{"backend_type", COLUMN_TEXT, offsetof(StatsRow, backend_type)},
	{"published", COLUMN_TIME, offsetof(StatsRow, f.at)},
	{"in_use", COLUMN_COUNT, offsetof(StatsRow, f.in_use)},
	{"owned", COLUMN_COUNT, offsetof(StatsRow, f.owned)},
	{"fresh", COLUMN_COUNT, offsetof(StatsRow, f.fresh)},
	{"retained", COLUMN_COUNT, offsetof(StatsRow, f.retained)},
	{"released", COLUMN_COUNT, offsetof(StatsRow, f.released)},
	{"reserved", COLUMN_COUNT, offsetof(StatsRow, f.reserved)},
	{"mapped", COLUMN_COUNT, offsetof(StatsRow, f.mapped)},
	{"touched", COLUMN_COUNT, offsetof(StatsRow, f.touched)},
	{"metadata", COLUMN_COUNT, offsetof(StatsRow, f.metadata)},
	{"quarantined", COLUMN_COUNT, offsetof(StatsRow, f.quarantined)},
	{"since_sweep", COLUMN_COUNT, offsetof(StatsRow, f.since_sweep)},
	{"next_sweep_bytes", COLUMN_COUNT, offsetof(StatsRow, f.next_sweep)},
	{"mappings", COLUMN_COUNT, offsetof(StatsRow, f.mappings)},
	{"chunks_active", COLUMN_COUNT, offsetof(StatsRow, f.chunks_active)},
	{"chunks_reuse", COLUMN_COUNT, offsetof(StatsRow, f.chunks_reuse)},
	{"chunks_fault", COLUMN_COUNT, offsetof(StatsRow, f.chunks_fault)},
	{"chunks_quarantined", COLUMN_COUNT, offsetof(StatsRow, f.chunks_quarantined)},
	{"chunks_ready", COLUMN_COUNT, offsetof(StatsRow, f.chunks_ready)},
	{"chunks_freed", COLUMN_COUNT, offsetof(StatsRow, f.chunks_freed)},
	{"chunks_pinned", COLUMN_COUNT, offsetof(StatsRow, f.chunks_pinned)},
	{"allocs", COLUMN_COUNT, offsetof(StatsRow, f.allocs)},
	{"frees", COLUMN_COUNT, offsetof(StatsRow, f.frees)},
	{"large_allocs", COLUMN_COUNT, offsetof(StatsRow, f.large_allocs)},
};

typedef struct Totals
{
	uint64 of_server[NUM_COUNTERS];
} Totals;

static const Column totals_columns[] = {
	{"limit_hits", COLUMN_COUNT, offsetof(Totals, of_server[COUNT_LIMIT_HITS])},
	{"cancels", COLUMN_COUNT, offsetof(Totals, of_server[COUNT_CANCELS])},
	{"terminations", COLUMN_COUNT, offsetof(Totals, of_server[COUNT_TERMINATIONS])},
	{"faults", COLUMN_COUNT, offsetof(Totals, of_server[COUNT_FAULTS])},
};

#define PUBLIC_COLUMNS 2

static StatsRow
stats_row(const RegistryFigures *f)
{
	StatsRow row = {
		.f = *f,
		.backend_type = GetBackendTypeDesc(f->backend_type),
		.rss_anon = UINT64_MAX,
		.rss_shmem = UINT64_MAX,
	};

	return row;
}

static void
stats_set_kernel(StatsRow *row, const KernelMemory *kernel)
{
	row->rss_anon = kernel->anonymous;
	row->rss_shmem = kernel->shared;
}

/*
 * stats_measure
 *		This process as it is now.  The others have been asked before.
 */
static void
stats_measure(RegistryFigures *figures)
{
	TimestampTz now;

	RequestFigures(MayRead);
	now = GetCurrentTimestamp();
	RegistryLookClosely(now);
	RegistryMeasure(figures, now);
}

/*
 * goarena_stats() returns setof record
 *		A row for this process as it is now, and for each other one as it was
 *		last published.
 */
Datum
goarena_stats(PG_FUNCTION_ARGS)
{
	RegistryFigures figures;
	KernelMemory kernel;
	ReturnSetInfo *rows;
	StatsRow row;

	RequireActive();
	rows = ColumnsBegin(fcinfo, stats_columns, lengthof(stats_columns));
	stats_measure(&figures);
	row = stats_row(&figures);
	if (KernelMemoryRead(MyProcPid, &kernel))
		stats_set_kernel(&row, &kernel);
	ColumnsPut(rows, stats_columns, &row, lengthof(stats_columns));
	for (int i = 0; i < RegistrySlots(); i++)
	{
		bool may_read;

		if (!RegistryRead(i, &figures) || figures.pid == MyProcPid)
			continue;
		may_read = MayRead(&figures);
		row = stats_row(&figures);
		if (may_read && KernelMemoryOf(i, figures.pid, &kernel))
			stats_set_kernel(&row, &kernel);
		ColumnsPut(rows, stats_columns, &row, may_read ? lengthof(stats_columns) : PUBLIC_COLUMNS);
	}
	return (Datum) 0;
}

/*
 * goarena_heap() returns setof record
 *		The same processes.
 */
Datum
goarena_heap(PG_FUNCTION_ARGS)
{
	RegistryFigures figures;
	ReturnSetInfo *rows;
	StatsRow row;

	RequireActive();
	rows = ColumnsBegin(fcinfo, heap_columns, lengthof(heap_columns));
	stats_measure(&figures);
	row = stats_row(&figures);
	ColumnsPut(rows, heap_columns, &row, lengthof(heap_columns));
	for (int i = 0; i < RegistrySlots(); i++)
	{
		if (!RegistryRead(i, &figures) || figures.pid == MyProcPid)
			continue;
		row = stats_row(&figures);
		ColumnsPut(rows, heap_columns, &row,
				   MayRead(&figures) ? lengthof(heap_columns) : PUBLIC_COLUMNS);
	}
	return (Datum) 0;
}

/*
 * goarena_totals() returns record
 *		The counters of the server since it was started.
 */
Datum
goarena_totals(PG_FUNCTION_ARGS)
{
	Totals totals;

	RequireActive();
	for (int i = 0; i < NUM_COUNTERS; i++)
		totals.of_server[i] = CountersOfServer((Counter) i);
	PG_RETURN_DATUM(ColumnsMake(fcinfo, totals_columns, lengthof(totals_columns), &totals));
}

/*
 * goarena_total_held() returns bigint
 *		Bytes that all processes hold together.
 */
Datum
goarena_total_held(PG_FUNCTION_ARGS)
{
	RequireActive();
	if (!RegistryExists())
		PG_RETURN_NULL();
	RequestFigures(MayRead);
	PG_RETURN_INT64((int64) RegistryTotalHeld());
}

/*
 * goarena_reset_stats() returns void
 *		Zero the cumulative counters of this process.
 */
Datum
goarena_reset_stats(PG_FUNCTION_ARGS)
{
	RequireActive();
	ga_heap_reset_stats(&process_heap);
	PG_RETURN_VOID();
}

/*
 * goarena_check() returns text
 *		NULL if all lists and sums of this process's heap agree, or else the
 *		first condition that does not hold.
 */
Datum
goarena_check(PG_FUNCTION_ARGS)
{
	const char *wrong;

	RequireActive();
	wrong = ga_heap_check(&process_heap);
	if (wrong == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(wrong));
}
