/*-------------------------------------------------------------------------
 *
 * workers.c
 *	  What parallel workers used, for the statement of their leader.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"

#include "backend/process/hooks.h"
#include "backend/process/process.h"
#include "backend/statements/workers.h"

/* Workers with higher numbers share the last peak, which is then a sum. */
#define WORKER_PEAKS 32

typedef struct WorkerReports
{
	pg_atomic_uint32 reports; /* since the leader took them last */
	pg_atomic_uint64 objects;
	pg_atomic_uint64 bytes;
	pg_atomic_uint64 large_allocs;
	pg_atomic_uint64 limit_hits;
	pg_atomic_uint64 peaks[WORKER_PEAKS]; /* by number of the worker */
} WorkerReports;

static WorkerReports *slots = NULL; /* by index of the leader's PGPROC */
pg_atomic_uint32 *workers_reports = NULL;

Size
WorkersSize(void)
{
	return mul_size(sizeof(WorkerReports), MaxBackends);
}

void
WorkersAttach(void *memory, bool anew)
{
	slots = memory;
	if (!anew)
		return;
	for (int i = 0; i < MaxBackends; i++)
	{
		WorkerReports *slot = &slots[i];

		pg_atomic_init_u32(&slot->reports, 0);
		pg_atomic_init_u64(&slot->objects, 0);
		pg_atomic_init_u64(&slot->bytes, 0);
		pg_atomic_init_u64(&slot->large_allocs, 0);
		pg_atomic_init_u64(&slot->limit_hits, 0);
		for (int j = 0; j < WORKER_PEAKS; j++)
			pg_atomic_init_u64(&slot->peaks[j], 0);
	}
}

/*
 * workers_slot_of
 *		Find the slot of a process that is or could be a leader.
 */
static WorkerReports *
workers_slot_of(PGPROC *proc)
{
	int index;

	if (slots == NULL || proc == NULL)
		return NULL;
	index = ProcIndex(proc);
	return index >= 0 && index < MaxBackends ? &slots[index] : NULL;
}

void
WorkersReport(Size peak, const UsageCounters *counters)
{
	WorkerReports *slot = MyProc == NULL ? NULL : workers_slot_of(MyProc->lockGroupLeader);

	if (slot == NULL || ParallelWorkerNumber < 0 || !ProcessIsOurs())
		return;
	pg_atomic_fetch_add_u64(&slot->objects, (int64) counters->objects);
	pg_atomic_fetch_add_u64(&slot->bytes, (int64) counters->bytes);
	pg_atomic_fetch_add_u64(&slot->large_allocs, (int64) counters->large_allocs);
	pg_atomic_fetch_add_u64(&slot->limit_hits, (int64) counters->limit_hits);

	/* No other worker of this leader has the number now. */
	if (ParallelWorkerNumber < WORKER_PEAKS - 1)
	{
		pg_atomic_uint64 *highest = &slot->peaks[ParallelWorkerNumber];

		if (peak > pg_atomic_read_u64(highest))
			pg_atomic_write_u64(highest, peak);
	}
	else
		pg_atomic_fetch_add_u64(&slot->peaks[WORKER_PEAKS - 1], (int64) peak);
	pg_write_barrier();
	pg_atomic_fetch_add_u32(&slot->reports, 1);
}

void
WorkersFindSlot(void)
{
	static pg_atomic_uint32 never;
	WorkerReports *slot = workers_slot_of(MyProc);

	workers_reports = slot == NULL ? &never : &slot->reports;
}

void
WorkersTake(Size *peak, UsageCounters *counters)
{
	WorkerReports *slot = workers_slot_of(MyProc);

	*peak = 0;
	memset(counters, 0, sizeof(*counters));
	if (!ProcessIsOurs())
		return;
	pg_atomic_exchange_u32(&slot->reports, 0);
	counters->objects = pg_atomic_exchange_u64(&slot->objects, 0);
	counters->bytes = pg_atomic_exchange_u64(&slot->bytes, 0);
	counters->large_allocs = pg_atomic_exchange_u64(&slot->large_allocs, 0);
	counters->limit_hits = pg_atomic_exchange_u64(&slot->limit_hits, 0);
	for (int i = 0; i < WORKER_PEAKS; i++)
		*peak += pg_atomic_exchange_u64(&slot->peaks[i], 0);
}
