/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  What each process of the server holds, for the others to see.
 *
 * The idea of a slot for each process that only its owner writes is that of
 * backend_status.c.  There a reader waits until a counter is even; here it
 * never waits for a writer, since a slot has two halves.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "backend/process/budget.h"
#include "backend/process/counters.h"
#include "backend/process/double_buffer.h"
#include "backend/process/process.h"
#include "backend/process/slot.h"
#include "backend/registry/owners.h"
#include "backend/registry/registry.h"
#include "backend/sweeps/sweeps.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"

/* See RegistryLookClosely: microseconds and bytes. */
#define CLOSE_FIRST_DELAY 500
#define CLOSE_DELAY		  100000
#define CLOSE_STEP		  ((size_t) 1 << 20)

/* These looks may take one part in this many of the process's time. */
#define CLOSE_SHARE 1000

typedef struct RegistrySlot
{
	pg_atomic_uint64 version; /* of the halves, see double_buffer.h */
	pg_atomic_uint32 deferred;
	RegistryFigures halves[2];
	char pad[PG_CACHE_LINE_SIZE]; /* neighbours are written by others */
} RegistrySlot;

typedef struct Registry
{
	pg_atomic_uint64 total_held;
	RegistrySlot slots[FLEXIBLE_ARRAY_MEMBER];
} Registry;

static HOT_DATA Registry *registry = NULL;
static RegistrySlot *registry_own = NULL;
static uint64 registry_counted = 0; /* its part of total_held */

/* Bytes by which what is published of a process may differ from what it holds. */
#define FAR_FROM_PUBLISHED ((uint64) 1 << 20)

/* When this process looks closely again, and what it found the last time. */
static Budget close_looks;
static int64 delay = CLOSE_FIRST_DELAY;
static size_t looked_touched = 0;
static size_t resident = 0;

Size
RegistrySize(void)
{
	return add_size(offsetof(Registry, slots), mul_size(sizeof(RegistrySlot), (Size) SlotCount()));
}

void
RegistryAttach(void *memory, bool anew)
{
	registry = memory;
	if (!anew)
		return;
	memset(registry, 0, RegistrySize());
	pg_atomic_init_u64(&registry->total_held, 0);
	for (int i = 0; i < SlotCount(); i++)
	{
		pg_atomic_init_u64(&registry->slots[i].version, 0);
		pg_atomic_init_u32(&registry->slots[i].deferred, 0);
	}
}

pg_attribute_hot bool
RegistryExists(void)
{
	return registry != NULL;
}

int
RegistrySlots(void)
{
	return registry == NULL ? 0 : SlotCount();
}

uint64
RegistryTotalHeld(void)
{
	return registry == NULL ? 0 : pg_atomic_read_u64(&registry->total_held);
}

static uint64
registry_frees(const ga_counters *counters)
{
	uint64 sum = counters->large_frees;

	for (int i = 0; i < GA_NUM_CLASSES; i++)
		sum += counters->classes[i].frees;
	return sum;
}

void
RegistryLookClosely(TimestampTz now)
{
	UsageMeasurePlain();
	if (process_heap_ready && !process_heap.sweeping)
		resident = ga_heap_resident(&process_heap);
	looked_touched = process_heap.touched;

	/* At first, wait twice as long each time. */
	delay = Min(delay * 2, CLOSE_DELAY);
	BudgetSpend(&close_looks, now, CLOSE_SHARE, delay);
}

void
RegistryMeasure(RegistryFigures *figures, TimestampTz now)
{
	const ga_heap *heap = &process_heap;
	const ga_counters *counters = &heap->counters;
	const size_t *chunks = heap->state_chunks;
	const size_t *bytes = heap->state_bytes;
	const SweepRecord *last = SweepHistory(0);
	ga_allocated allocated;

	figures->pid = MyProcPid;
	figures->backend_type = MyBackendType;
	figures->role = MyProc == NULL ? InvalidOid : MyProc->roleId;
	figures->database = MyProc == NULL ? InvalidOid : MyProc->databaseId;
	figures->at = now;

	figures->held = UsageHeld();
	figures->touched = heap->touched;
	figures->others = figures->held - Min(figures->held, ga_heap_held(heap));
	figures->resident = resident;
	figures->statement_peak = UsageStatementPeak();
	figures->transaction_peak = UsageTransactionPeak();
	figures->process_peak = UsageProcessPeak();
	figures->limit_hits = CountersOfProcess(COUNT_LIMIT_HITS);
	figures->cancels = CountersOfProcess(COUNT_CANCELS);
	figures->arenas = heap->arenas.count;
	figures->chunks_active = chunks[GA_ACTIVE] + chunks[GA_FULL];
	figures->chunks_reuse = chunks[GA_REUSE];
	figures->chunks_fault = chunks[GA_FAULT];
	figures->chunks_quarantined = chunks[GA_QUARANTINED];
	figures->chunks_ready = chunks[GA_READY];
	figures->in_use = heap->in_use;
	figures->reserved = heap->reserved;
	figures->mapped = heap->mapped;
	figures->retained = heap->retained;
	figures->released = heap->released;
	figures->quarantined = bytes[GA_QUARANTINED];
	figures->metadata = heap->metadata.mapped;
	ga_counters_allocated(counters, &allocated);
	figures->allocs = allocated.objects;
	figures->total_allocated = allocated.bytes;
	figures->frees = registry_frees(counters);
	figures->large_allocs = counters->large_allocs;
	figures->resets = counters->resets;
	figures->sweeps = counters->sweeps;
	figures->sweep_us = counters->sweep_us;
	figures->max_sweep_us = counters->max_sweep_us;
	figures->chunks_freed = counters->chunks_freed;
	figures->chunks_pinned = counters->chunks_pinned;
	figures->next_sweep = heap->next_sweep == SIZE_MAX ? UINT64_MAX : heap->next_sweep;
	figures->last_sweep = last == NULL ? 0 : last->at;
	figures->owned =
		bytes[GA_ACTIVE] + bytes[GA_FULL] + bytes[GA_REUSE] + bytes[GA_NURSERY] + bytes[GA_FAULT];
	figures->fresh = bytes[GA_FRESH];
	figures->since_sweep = heap->fresh_quarantine;
	figures->mappings = ga_heap_mappings(heap);
	figures->status = MyBEEntry;
}

static RegistryFigures *
registry_other_half(void)
{
	return &registry_own->halves[DoubleBufferOther(&registry_own->version)];
}

/*
 * registry_count
 *		Correct this process's part of the sum.
 */
static void
registry_count(uint64 held)
{
	if (held == registry_counted)
		return;
	pg_atomic_fetch_add_u64(&registry->total_held, (int64) (held - registry_counted));
	registry_counted = held;
}

void
RegistryBegin(int slot)
{
	registry_own = &registry->slots[slot];
}

void
RegistryEnd(void)
{
	RegistryFigures *half = registry_other_half();

	registry_count(0);
	OwnersLeave();
	pg_atomic_write_u32(&registry_own->deferred, 0);
	memset(half, 0, sizeof(*half));
	DoubleBufferTurn(&registry_own->version);
	registry_own = NULL;
}

void
RegistrySetDeferred(bool deferred)
{
	pg_write_barrier();
	if (registry_own != NULL && ProcessIsOurs())
		pg_atomic_write_u32(&registry_own->deferred, deferred);
}

bool
RegistryIsDeferred(int number)
{
	bool deferred = pg_atomic_read_u32(&registry->slots[number].deferred) != 0;

	pg_read_barrier();
	return deferred;
}

/*
 * registry_look_if_due
 *		Look closely if it is time for that: in the first transactions of a process, in which caches fill;
 *		when the heap has grown or shrunk by a quarter; and now and then.
 */
static void
registry_look_if_due(TimestampTz now)
{
	size_t touched = process_heap.touched;
	size_t moved = touched > looked_touched ? touched - looked_touched : looked_touched - touched;

	if (BudgetAllows(&close_looks, now) || (moved >= CLOSE_STEP && moved >= looked_touched / 4))
		RegistryLookClosely(now);
}

/*
 * registry_count_held
 *		Count what this process holds in all sums, and begin the next step from there.
 */
static void
registry_count_held(uint64 held)
{
	registry_count(held);
	OwnersCount(held);
	ProcessHeapShown();
}

bool
RegistryCountHeld(TimestampTz now)
{
	uint64 published;
	uint64 held;

	if (registry_own == NULL || !ProcessIsOurs())
		return false;
	registry_look_if_due(now);
	published = registry_own->halves[1 - DoubleBufferOther(&registry_own->version)].held;
	held = UsageHeld();
	if (Max(held, published) - Min(held, published) >= FAR_FROM_PUBLISHED)
		return false;
	registry_count_held(held);
	return true;
}

void
RegistryPublishAt(TimestampTz now)
{
	RegistryFigures *half;

	if (unlikely(!ProcessIsOurs()))
		return;
	registry_look_if_due(now);
	if (unlikely(registry_own == NULL) && !SlotTake())
		return;
	half = registry_other_half();
	RegistryMeasure(half, now);
	DoubleBufferTurn(&registry_own->version);
	registry_count_held(half->held);
}

void
RegistryPublish(void)
{
	RegistryPublishAt(GetCurrentTimestamp());
}

bool
RegistryRead(int number, RegistryFigures *figures)
{
	RegistrySlot *slot = &registry->slots[number];

	DoubleBufferRead(&slot->version, slot->halves, sizeof(*figures), figures);
	return figures->pid != 0;
}

int
RegistryFind(int pid)
{
	RegistryFigures figures;

	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures) && figures.pid == pid)
			return i;
	return -1;
}

uint64
RegistryGroupHeld(const PGPROC *leader)
{
	RegistryFigures figures;
	uint64 sum = 0;

	for (int i = 0; i < RegistrySlots(); i++)
	{
		const PGPROC *proc = SlotProc(i);

		if ((proc == leader || proc->lockGroupLeader == leader) && RegistryRead(i, &figures))
			sum += figures.held;
	}
	return sum;
}
