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
#include "backend/double_buffer.h"
#include "backend/process.h"
#include "backend/shared_memory.h"
#include "backend/snapshots.h"
#include "mcxt/process_heap.h"

typedef struct Snapshot
{
	pg_atomic_uint64 version; /* of the halves, see double_buffer.h */
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

static void *
OtherHalf(void)
{
	return own->halves[DoubleBufferOther(&own->version)].bytes;
}

static void
TurnHalves(TimestampTz now)
{
	pg_atomic_write_u64(&own->at, (uint64) now);
	DoubleBufferTurn(&own->version);
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

static bool
IsSameAsTaken(void)
{
	return process_heap.in_use == taken_in_use && process_heap.arenas.count == taken_arenas;
}

void
SnapshotLeave(TimestampTz now)
{
	if (own == NULL || !ProcessIsOurs())
		return;
	if (IsSameAsTaken())
		pg_atomic_write_u64(&own->at, (uint64) now);
	else if (process_heap.arenas.count <= MANY_CONTEXTS || MovedMuch() ||
			 now >= TimestampTzPlusMilliseconds(taken_at, MANY_DELAY_MS))
		Take(now);
}

void
SnapshotLeaveNow(TimestampTz now)
{
	if (own != NULL && ProcessIsOurs())
		Take(now);
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

	*at = (TimestampTz) pg_atomic_read_u64(&snapshot->at);
	DoubleBufferRead(&snapshot->version, snapshot->halves, SNAPSHOT_SIZE, memory);
	return ContextsPacked(memory);
}
