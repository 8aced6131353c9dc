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

#include "backend/counters.h"
#include "backend/kernel_memory.h"
#include "backend/requests.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_stats);
SQL_FUNCTION(goarena_total_held);
SQL_FUNCTION(goarena_reset_stats);
SQL_FUNCTION(goarena_check);

typedef struct StatsRow
{
	RegistryFigures f;
	const char *backend_type;
	uint64 chunks;
	uint64 unmapped;
	uint64 rss_anon;
	uint64 rss_shmem;
	uint64 of_server[NUM_COUNTERS];
} StatsRow;

static const Column columns[] = {
	{"pid", COLUMN_INT, offsetof(StatsRow, f.pid)},
	{"backend_type", COLUMN_TEXT, offsetof(StatsRow, backend_type)},
	{"arenas", COLUMN_COUNT, offsetof(StatsRow, f.arenas)},
	{"chunks_active", COLUMN_COUNT, offsetof(StatsRow, f.chunks_active)},
	{"chunks_reuse", COLUMN_COUNT, offsetof(StatsRow, f.chunks_reuse)},
	{"chunks_fault", COLUMN_COUNT, offsetof(StatsRow, f.chunks_fault)},
	{"chunks_quarantined", COLUMN_COUNT, offsetof(StatsRow, f.chunks_quarantined)},
	{"chunks_ready", COLUMN_COUNT, offsetof(StatsRow, f.chunks_ready)},
	{"in_use", COLUMN_COUNT, offsetof(StatsRow, f.in_use)},
	{"total_allocated", COLUMN_COUNT, offsetof(StatsRow, f.total_allocated)},
	{"reserved", COLUMN_COUNT, offsetof(StatsRow, f.reserved)},
	{"mapped", COLUMN_COUNT, offsetof(StatsRow, f.mapped)},
	{"retained", COLUMN_COUNT, offsetof(StatsRow, f.retained)},
	{"released", COLUMN_COUNT, offsetof(StatsRow, f.released)},
	{"quarantined", COLUMN_COUNT, offsetof(StatsRow, f.quarantined)},
	{"metadata", COLUMN_COUNT, offsetof(StatsRow, f.metadata)},
	{"allocs", COLUMN_COUNT, offsetof(StatsRow, f.allocs)},
	{"frees", COLUMN_COUNT, offsetof(StatsRow, f.frees)},
	{"large_allocs", COLUMN_COUNT, offsetof(StatsRow, f.large_allocs)},
	{"resets", COLUMN_COUNT, offsetof(StatsRow, f.resets)},
	{"sweeps", COLUMN_COUNT, offsetof(StatsRow, f.sweeps)},
	{"sweep_time_ms", COLUMN_MILLISECONDS, offsetof(StatsRow, f.sweep_us)},
	{"max_sweep_ms", COLUMN_MILLISECONDS, offsetof(StatsRow, f.max_sweep_us)},
	{"chunks_freed", COLUMN_COUNT, offsetof(StatsRow, f.chunks_freed)},
	{"chunks_pinned", COLUMN_COUNT, offsetof(StatsRow, f.chunks_pinned)},
	{"next_sweep_bytes", COLUMN_COUNT, offsetof(StatsRow, f.next_sweep)},
	{"last_sweep", COLUMN_TIME, offsetof(StatsRow, f.last_sweep)},
	{"chunks", COLUMN_COUNT, offsetof(StatsRow, chunks)},
	{"owned", COLUMN_COUNT, offsetof(StatsRow, f.owned)},
	{"fresh", COLUMN_COUNT, offsetof(StatsRow, f.fresh)},
	{"unmapped", COLUMN_COUNT, offsetof(StatsRow, unmapped)},
	{"since_sweep", COLUMN_COUNT, offsetof(StatsRow, f.since_sweep)},
	{"mappings", COLUMN_COUNT, offsetof(StatsRow, f.mappings)},
	{"held", COLUMN_COUNT, offsetof(StatsRow, f.held)},
	{"published", COLUMN_TIME, offsetof(StatsRow, f.at)},
	{"touched", COLUMN_COUNT, offsetof(StatsRow, f.touched)},
	{"others", COLUMN_COUNT, offsetof(StatsRow, f.others)},
	{"resident", COLUMN_COUNT, offsetof(StatsRow, f.resident)},
	{"statement_peak", COLUMN_COUNT, offsetof(StatsRow, f.statement_peak)},
	{"transaction_peak", COLUMN_COUNT, offsetof(StatsRow, f.transaction_peak)},
	{"process_peak", COLUMN_COUNT, offsetof(StatsRow, f.process_peak)},
	{"rss_anon", COLUMN_COUNT, offsetof(StatsRow, rss_anon)},
	{"rss_shmem", COLUMN_COUNT, offsetof(StatsRow, rss_shmem)},
	{"limit_hits", COLUMN_COUNT, offsetof(StatsRow, f.limit_hits)},
	{"cancels", COLUMN_COUNT, offsetof(StatsRow, f.cancels)},
	{"total_limit_hits", COLUMN_COUNT, offsetof(StatsRow, of_server[COUNT_LIMIT_HITS])},
	{"total_cancels", COLUMN_COUNT, offsetof(StatsRow, of_server[COUNT_CANCELS])},
	{"total_terminations", COLUMN_COUNT, offsetof(StatsRow, of_server[COUNT_TERMINATIONS])},
	{"total_faults", COLUMN_COUNT, offsetof(StatsRow, of_server[COUNT_FAULTS])},
};

#define PUBLIC_COLUMNS 2

/*
 * stats_put
 *		The row of a process; kernel is NULL if the kernel says nothing of it.
 */
static void
stats_put(ReturnSetInfo *rows, const RegistryFigures *f, const KernelMemory *kernel, bool may_read)
{
	StatsRow row = {
		.f = *f,
		.backend_type = GetBackendTypeDesc(f->backend_type),
		.chunks = f->chunks_active + f->chunks_reuse + f->chunks_fault + f->chunks_quarantined +
				  f->chunks_ready,
		.unmapped = f->reserved - f->mapped,
		.rss_anon = kernel == NULL ? UINT64_MAX : kernel->anonymous,
		.rss_shmem = kernel == NULL ? UINT64_MAX : kernel->shared,
	};

	for (int i = 0; i < NUM_COUNTERS; i++)
		row.of_server[i] = CountersOfServer((Counter) i);
	ColumnsPut(rows, columns, &row, may_read ? lengthof(columns) : PUBLIC_COLUMNS);
}

/*
 * stats_put_other
 *		The row of the process in a slot.
 */
static void
stats_put_other(ReturnSetInfo *rows, int slot, const RegistryFigures *figures)
{
	bool may_read = MayRead(figures);
	KernelMemory kernel;
	bool known = may_read && KernelMemoryOf(slot, figures->pid, &kernel);

	stats_put(rows, figures, known ? &kernel : NULL, may_read);
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
	TimestampTz now;

	RequireActive();
	rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	RequestFigures(MayRead);
	now = GetCurrentTimestamp();
	RegistryLookClosely(now);
	RegistryMeasure(&figures, now);
	stats_put(rows, &figures, KernelMemoryRead(MyProcPid, &kernel) ? &kernel : NULL, true);
	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures) && figures.pid != MyProcPid)
			stats_put_other(rows, i, &figures);
	return (Datum) 0;
}

/*
 * goarena_total_held() returns bigint
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
