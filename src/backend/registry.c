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
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "backend/limits.h"
#include "backend/registry.h"
#include "backend/requests.h"
#include "backend/shared_memory.h"
#include "backend/snapshots.h"
#include "backend/sweeps.h"
#include "mcxt/process_heap.h"

#define STEPS (1 << GA_STEPS_LOG2)

typedef struct RegistrySlot
{
	pg_atomic_uint64 version; /* halves[version % 2] is whole */
	RegistryFigures halves[2];
	char pad[PG_CACHE_LINE_SIZE]; /* neighbours are written by others */
} RegistrySlot;

typedef struct Registry
{
	pg_atomic_uint64 total_held;
	int num_slots;
	RegistrySlot slots[FLEXIBLE_ARRAY_MEMBER];
} Registry;

static Registry *registry = NULL;
static RegistrySlot *own_slot = NULL;
static bool own_slot_closed = false; /* this process is on its way out */
static uint64 own_counted = 0;		 /* its part of total_held */

Size
RegistrySize(void)
{
	return add_size(offsetof(Registry, slots),
					mul_size(sizeof(RegistrySlot), (Size) SharedMemoryProcesses()));
}

void
RegistryAttach(void *memory, bool anew)
{
	registry = memory;
	if (!anew)
		return;
	memset(registry, 0, RegistrySize());
	pg_atomic_init_u64(&registry->total_held, 0);
	registry->num_slots = SharedMemoryProcesses();
	for (int i = 0; i < registry->num_slots; i++)
		pg_atomic_init_u64(&registry->slots[i].version, 0);
}

bool
RegistryExists(void)
{
	return registry != NULL;
}

int
RegistrySlots(void)
{
	return registry == NULL ? 0 : registry->num_slots;
}

uint64
RegistryTotalHeld(void)
{
	return registry == NULL ? 0 : pg_atomic_read_u64(&registry->total_held);
}

/*
 * MeasureClasses
 *		Sums over the size classes.
 */
static void
MeasureClasses(const ga_counters *counters, RegistryFigures *figures)
{
	uint64 allocs = counters->large_allocs;
	uint64 frees = counters->large_frees;
	uint64 bytes = counters->large_bytes;

	for (int i = 0; i < GA_NUM_CLASSES; i++)
	{
		allocs += counters->class_allocs[i];
		frees += counters->class_frees[i];
	}
	for (int i = 0; i < GA_LINEAR_COUNT; i++)
		bytes += counters->class_allocs[i] * (uint64) (i + 1) << 3;

	/* As ga_class_size, but with loops of constant length. */
	for (int i = GA_LINEAR_COUNT; i < GA_NUM_CLASSES; i += STEPS)
	{
		const uint64 *steps = &counters->class_allocs[i];
		uint64 units = 0;

		for (int step = 0; step < STEPS; step++)
			units += steps[step] * (uint64) (STEPS + 1 + step);
		bytes += units * (ga_class_size(i) / (STEPS + 1));
	}
	figures->allocs = allocs;
	figures->frees = frees;
	figures->total_allocated = bytes;
}

void
RegistryMeasure(RegistryFigures *figures, TimestampTz now)
{
	const ga_heap *heap = &process_heap;
	const ga_counters *counters = &heap->counters;
	const size_t *chunks = heap->state_chunks;
	const size_t *bytes = heap->state_bytes;
	const SweepRecord *last = SweepHistory(0);

	figures->pid = MyProcPid;
	figures->backend_type = MyBackendType;
	figures->role = MyProc == NULL ? InvalidOid : MyProc->roleId;
	figures->at = now;

	figures->held = UsageHeld();
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
	MeasureClasses(counters, figures);
	figures->large_allocs = counters->large_allocs;
	figures->resets = counters->resets;
	figures->sweeps = counters->sweeps;
	figures->sweep_us = counters->sweep_us;
	figures->max_sweep_us = counters->max_sweep_us;
	figures->chunks_freed = counters->chunks_freed;
	figures->chunks_pinned = counters->chunks_pinned;
	figures->next_sweep = heap->next_sweep == SIZE_MAX ? UINT64_MAX : heap->next_sweep;
	figures->last_sweep = last == NULL ? 0 : last->at;
	figures->owned = bytes[GA_ACTIVE] + bytes[GA_FULL] + bytes[GA_REUSE];
	figures->fresh = bytes[GA_FRESH];
	figures->since_sweep = heap->fresh_quarantine;
	figures->mappings = heap->mappings;
}

/*
 * OtherHalf
 *		The half of the own slot that nobody reads.
 */
static RegistryFigures *
OtherHalf(void)
{
	/* Nothing is written into it before it has ceased to be the one to read. */
	pg_write_barrier();
	return &own_slot->halves[(pg_atomic_read_u64(&own_slot->version) + 1) % 2];
}

/* It is whole: let it be read. */
static void
TurnHalves(void)
{
	pg_write_barrier();
	pg_atomic_write_u64(&own_slot->version, pg_atomic_read_u64(&own_slot->version) + 1);
}

/*
 * Count
 *		Correct this process's part of the sum.
 */
static void
Count(uint64 held)
{
	if (held == own_counted)
		return;
	pg_atomic_fetch_add_u64(&registry->total_held, (int64) (held - own_counted));
	own_counted = held;
}

/*
 * GiveUpSlot
 *		The PGPROC is given up after this, since it was taken before.
 */
static void
GiveUpSlot(int code, Datum arg)
{
	RegistryFigures *half = OtherHalf();

	Count(0);
	memset(half, 0, sizeof(*half));
	TurnHalves();
	own_slot = NULL;
	own_slot_closed = true;
}

/*
 * TakeSlot
 *		False if there is none for this process, or not yet.
 */
static bool
TakeSlot(void)
{
	int number;

	if (registry == NULL || own_slot_closed || MyProc == NULL)
		return false;
	number = (int) (MyProc - ProcGlobal->allProcs);
	if (number >= registry->num_slots)
		return false;
	own_slot = &registry->slots[number];
	SnapshotsBegin(number);
	RequestsBegin(number);
	on_shmem_exit(GiveUpSlot, (Datum) 0);
	return true;
}

void
RegistryPublishAt(TimestampTz now)
{
	RegistryFigures *half;

	if (unlikely(own_slot == NULL) && !TakeSlot())
		return;
	half = OtherHalf();
	RegistryMeasure(half, now);
	TurnHalves();
	Count(half->held);
	ProcessHeapShown();
}

void
RegistryPublish(void)
{
	RegistryPublishAt(GetCurrentTimestamp());
}

/*
 * RegistryRead
 *		The half read is written again only after the other one took its place.
 */
bool
RegistryRead(int number, RegistryFigures *figures)
{
	RegistrySlot *slot = &registry->slots[number];
	uint64 version;

	do
	{
		version = pg_atomic_read_u64(&slot->version);
		pg_read_barrier();
		*figures = slot->halves[version % 2];
		pg_read_barrier();
	} while (pg_atomic_read_u64(&slot->version) != version);
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
