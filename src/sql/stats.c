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
#include "sql/sql.h"

SQL_FUNCTION(goarena_stats);
SQL_FUNCTION(goarena_total_held);
SQL_FUNCTION(goarena_reset_stats);
SQL_FUNCTION(goarena_check);

#define STATS_COLUMNS 49

/*
 * stats_put
 *		The row of a process; kernel is NULL if the kernel tells nothing of it.
 */
static void
stats_put(ReturnSetInfo *rows, const RegistryFigures *f, const KernelMemory *kernel, bool may_read)
{
	Datum values[STATS_COLUMNS] = {0};
	bool nulls[STATS_COLUMNS] = {false};
	int i = 0;

	values[i++] = Int32GetDatum(f->pid);
	values[i++] = CStringGetTextDatum(GetBackendTypeDesc(f->backend_type));
	if (!may_read)
	{
		memset(nulls + i, true, sizeof(nulls) - (size_t) i * sizeof(bool));
		PutRow(rows, values, nulls);
		return;
	}
	values[i++] = BytesDatum(f->arenas);
	values[i++] = BytesDatum(f->chunks_active);
	values[i++] = BytesDatum(f->chunks_reuse);
	values[i++] = BytesDatum(f->chunks_fault);
	values[i++] = BytesDatum(f->chunks_quarantined);
	values[i++] = BytesDatum(f->chunks_ready);
	values[i++] = BytesDatum(f->in_use);
	values[i++] = BytesDatum(f->total_allocated);
	values[i++] = BytesDatum(f->reserved);
	values[i++] = BytesDatum(f->mapped);
	values[i++] = BytesDatum(f->retained);
	values[i++] = BytesDatum(f->released);
	values[i++] = BytesDatum(f->quarantined);
	values[i++] = BytesDatum(f->metadata);
	values[i++] = BytesDatum(f->allocs);
	values[i++] = BytesDatum(f->frees);
	values[i++] = BytesDatum(f->large_allocs);
	values[i++] = BytesDatum(f->resets);
	values[i++] = BytesDatum(f->sweeps);
	values[i++] = MillisecondsDatum((int64) f->sweep_us);
	values[i++] = MillisecondsDatum((int64) f->max_sweep_us);
	values[i++] = BytesDatum(f->chunks_freed);
	values[i++] = BytesDatum(f->chunks_pinned);
	nulls[i] = f->next_sweep == UINT64_MAX;
	values[i++] = BytesDatum(f->next_sweep);
	nulls[i] = f->last_sweep == 0;
	values[i++] = TimestampTzGetDatum(f->last_sweep);
	values[i++] = BytesDatum(f->chunks_active + f->chunks_reuse + f->chunks_fault +
							 f->chunks_quarantined + f->chunks_ready);
	values[i++] = BytesDatum(f->owned);
	values[i++] = BytesDatum(f->fresh);
	values[i++] = BytesDatum(f->reserved - f->mapped);
	values[i++] = BytesDatum(f->since_sweep);
	values[i++] = BytesDatum(f->mappings);
	values[i++] = BytesDatum(f->held);
	values[i++] = TimestampTzGetDatum(f->at);
	values[i++] = BytesDatum(f->touched);
	values[i++] = BytesDatum(f->others);
	values[i++] = BytesDatum(f->resident);
	values[i++] = BytesDatum(f->statement_peak);
	values[i++] = BytesDatum(f->transaction_peak);
	values[i++] = BytesDatum(f->process_peak);
	nulls[i] = nulls[i + 1] = kernel == NULL;
	values[i++] = kernel == NULL ? (Datum) 0 : BytesDatum(kernel->anonymous);
	values[i++] = kernel == NULL ? (Datum) 0 : BytesDatum(kernel->shared);
	values[i++] = BytesDatum(f->limit_hits);
	values[i++] = BytesDatum(f->cancels);
	values[i++] = BytesDatum(CountersOfServer(COUNT_LIMIT_HITS));
	values[i++] = BytesDatum(CountersOfServer(COUNT_CANCELS));
	values[i++] = BytesDatum(CountersOfServer(COUNT_TERMINATIONS));
	values[i++] = BytesDatum(CountersOfServer(COUNT_FAULTS));
	Assert(i == STATS_COLUMNS);
	PutRow(rows, values, nulls);
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
	rows = BeginRows(fcinfo);
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
