/*-------------------------------------------------------------------------
 *
 * snapshots.c
 *	  The contexts of each process as they were when it was last seen.
 *
 * Most transactions end with the contexts and sizes that the one before ended
 * with.  Then the snapshot is not taken anew, but is said to be true for
 * longer.  As in the registry, it has two halves, and nobody waits.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "utils/timestamp.h"

#include "backend/contexts.h"
#include "backend/process.h"
#include "backend/shared_memory.h"
#include "backend/snapshots.h"
#include "mcxt/process_heap.h"

typedef struct Snapshot
{
	pg_atomic_uint64 version; /* halves[version % 2] is whole */
	pg_atomic_uint64 at;	  /* a TimestampTz */
	union
	{
		char bytes[SNAPSHOT_SIZE];
		uint64 alignment;
	} halves[2];
} Snapshot;

/* A process with more contexts does not take a snapshot of small changes at once. */
#define MANY_CONTEXTS 64
#define MANY_DELAY_MS 1000

/* In the midst of a transaction, changes below so many bytes are not shown. */
#define LEAST_MOVE ((size_t) 16 << 10)

static Snapshot *snapshots = NULL;
static Snapshot *own = NULL;

/* When the last one was taken. */
static size_t taken_in_use;
static size_t taken_arenas;
static TimestampTz taken_at;

Size
SnapshotsSize(void)
{
	return mul_size(sizeof(Snapshot), (Size) SharedMemoryProcesses());
}

void
SnapshotsAttach(void *memory, bool anew)
{
	snapshots = memory;
	if (!anew)
		return;
	for (int i = 0; i < SharedMemoryProcesses(); i++)
	{
		pg_atomic_init_u64(&snapshots[i].version, 0);
		pg_atomic_init_u64(&snapshots[i].at, 0);
		ContextsPackNone(snapshots[i].halves[0].bytes);
	}
}

/*
 * OtherHalf
 *		The half that nobody reads.  Nothing is written into it before it has
 *		ceased to be the one to read.
 */
static void *
OtherHalf(void)
{
	pg_write_barrier();
	return own->halves[(pg_atomic_read_u64(&own->version) + 1) % 2].bytes;
}

/* It is whole: let it be read. */
static void
TurnHalves(TimestampTz now)
{
	pg_atomic_write_u64(&own->at, (uint64) now);
	pg_write_barrier();
	pg_atomic_write_u64(&own->version, pg_atomic_read_u64(&own->version) + 1);
}

void
SnapshotsBegin(int slot)
{
	own = &snapshots[slot];
	ContextsPackNone(OtherHalf());
	TurnHalves(0);
	taken_in_use = SIZE_MAX / 2;
}

static void
Take(TimestampTz now)
{
	ContextsPack(OtherHalf(), SNAPSHOT_SIZE);
	TurnHalves(now);
	taken_in_use = process_heap.in_use;
	taken_arenas = process_heap.arenas.count;
	taken_at = now;
}

/*
 * MovedMuch
 *		By a quarter, so that a process that grows takes few.
 */
static bool
MovedMuch(void)
{
	size_t in_use = process_heap.in_use;
	size_t moved = in_use > taken_in_use ? in_use - taken_in_use : taken_in_use - in_use;

	return moved >= LEAST_MOVE && moved >= Min(in_use, taken_in_use) / 4;
}

/*
 * Outdated
 *		Must a snapshot be taken anew at the end of a transaction?
 */
static bool
Outdated(TimestampTz now)
{
	if (process_heap.in_use == taken_in_use && process_heap.arenas.count == taken_arenas)
		return false;
	return process_heap.arenas.count <= MANY_CONTEXTS || MovedMuch() ||
		   now >= TimestampTzPlusMilliseconds(taken_at, MANY_DELAY_MS);
}

void
SnapshotLeave(TimestampTz now)
{
	if (own == NULL || !ProcessIsOurs())
		return;
	if (Outdated(now))
		Take(now);
	else
		pg_atomic_write_u64(&own->at, (uint64) now);
}

void
SnapshotLeaveMoved(void)
{
	if (own != NULL && MovedMuch() && ProcessIsOurs())
		Take(GetCurrentTimestamp());
}

bool
SnapshotRead(int slot, void *memory, TimestampTz *at)
{
	Snapshot *snapshot = &snapshots[slot];
	uint64 version;

	do
	{
		version = pg_atomic_read_u64(&snapshot->version);
		pg_read_barrier();
		memcpy(memory, snapshot->halves[version % 2].bytes, SNAPSHOT_SIZE);
		*at = (TimestampTz) pg_atomic_read_u64(&snapshot->at);
		pg_read_barrier();
	} while (pg_atomic_read_u64(&snapshot->version) != version);
	return ContextsPacked(memory);
}
