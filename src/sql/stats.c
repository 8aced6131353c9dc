/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  goarena_stats(), goarena_reset_stats() and goarena_check().
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "backend/sweeps.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_stats);
SQL_FUNCTION(goarena_reset_stats);
SQL_FUNCTION(goarena_check);

#define STATS_COLUMNS 33

static uint64
SumOfClasses(const uint64 *per_class)
{
	uint64 sum = 0;

	for (int i = 0; i < GA_NUM_CLASSES; i++)
		sum += per_class[i];
	return sum;
}

/*
 * StatsRow
 *		The row of this process.  Fills the array without allocating in an
 *		arena, so that the figures belong to one moment.
 */
static int
StatsRow(const ga_heap *heap, Datum *values, bool *nulls)
{
	const ga_counters *counters = &heap->counters;
	const size_t *chunks = heap->state_chunks;
	const size_t *bytes = heap->state_bytes;
	const SweepRecord *last = SweepHistory(0);
	size_t owned = bytes[GA_ACTIVE] + bytes[GA_FULL] + bytes[GA_REUSE];
	ga_allocated allocated;
	size_t all = 0;
	int i = 0;

	ga_counters_allocated(counters, &allocated);

	for (int state = GA_ACTIVE; state < GA_NUM_STATES; state++)
		all += chunks[state];

	values[i++] = Int32GetDatum(MyProcPid);
	i++; /* backend_type, by the caller */
	values[i++] = BytesDatum(heap->arenas.count);
	values[i++] = BytesDatum(chunks[GA_ACTIVE] + chunks[GA_FULL]);
	values[i++] = BytesDatum(chunks[GA_REUSE]);
	values[i++] = BytesDatum(chunks[GA_FAULT]);
	values[i++] = BytesDatum(chunks[GA_QUARANTINED]);
	values[i++] = BytesDatum(chunks[GA_READY]);
	values[i++] = BytesDatum(heap->in_use);
	values[i++] = BytesDatum(allocated.bytes);
	values[i++] = BytesDatum(heap->reserved);
	values[i++] = BytesDatum(heap->mapped);
	values[i++] = BytesDatum(heap->retained);
	values[i++] = BytesDatum(heap->released);
	values[i++] = BytesDatum(bytes[GA_QUARANTINED]);
	values[i++] = BytesDatum(heap->metadata.mapped);
	values[i++] = BytesDatum(allocated.objects);
	values[i++] = BytesDatum(SumOfClasses(counters->class_frees) + counters->large_frees);
	values[i++] = BytesDatum(counters->large_allocs);
	values[i++] = BytesDatum(counters->resets);
	values[i++] = BytesDatum(counters->sweeps);
	values[i++] = MillisecondsDatum((int64) counters->sweep_us);
	values[i++] = MillisecondsDatum((int64) counters->max_sweep_us);
	values[i++] = BytesDatum(counters->chunks_freed);
	values[i++] = BytesDatum(counters->chunks_pinned);
	nulls[i] = heap->next_sweep == SIZE_MAX;
	values[i++] = BytesDatum(heap->next_sweep);
	nulls[i] = last == NULL;
	values[i++] = last == NULL ? (Datum) 0 : TimestampTzGetDatum(last->at);
	values[i++] = BytesDatum(all);
	values[i++] = BytesDatum(owned);
	values[i++] = BytesDatum(bytes[GA_FRESH]);
	values[i++] = BytesDatum(heap->reserved - heap->mapped);
	values[i++] = BytesDatum(heap->fresh_quarantine);
	values[i++] = BytesDatum(heap->mappings);
	return i;
}

/*
 * goarena_stats() returns setof record
 *		A row for each server process that the caller may see.
 */
Datum
goarena_stats(PG_FUNCTION_ARGS)
{
	Datum values[STATS_COLUMNS];
	bool nulls[STATS_COLUMNS] = {false};
	ReturnSetInfo *rows;

	RequireActive();
	rows = BeginRows(fcinfo);
	if (StatsRow(&process_heap, values, nulls) != STATS_COLUMNS)
		elog(ERROR, "goarena_stats has another number of columns");
	values[1] = CStringGetTextDatum(GetBackendTypeDesc(MyBackendType));
	PutRow(rows, values, nulls);
	return (Datum) 0;
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
