/*-------------------------------------------------------------------------
 *
 * snapshots.c
 *	  The contexts of each process as they were when it was last seen.
 *
 * A process takes a snapshot when it is asked for its figures; by then the last transaction has
 * given everything back.  It also leaves one unasked now and then, in case it cannot answer later.
 * A snapshot has its time, so that a reader knows how old it is.  As in the registry, it has two
 * halves, and no process waits.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "utils/timestamp.h"

#include "backend/process/budget.h"
#include "backend/process/double_buffer.h"
#include "backend/process/process.h"
#include "backend/process/slot.h"
#include "backend/registry/snapshots.h"
#include "backend/usage/contexts.h"
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

/* Milliseconds that the last snapshot must be old before a process takes one unasked. */
#define UNASKED_DELAY_MS 1000

/* Snapshots that are taken unasked may take one part in this many of the process's time. */
#define UNASKED_SHARE 1000

/* In the midst of a transaction, a change of fewer bytes is not shown. */
#define LEAST_MOVE ((size_t) 16 << 10)

static Snapshot *snapshots = NULL;
static Snapshot *own = NULL;

/* When the last one was taken. */
static size_t taken_in_use;
static TimestampTz taken_at = 0;
static Budget unasked; /* snapshots */

Size
SnapshotsSize(void)
{
	return mul_size(sizeof(Snapshot), (Size) SlotCount());
}

void
SnapshotsAttach(void *memory, bool anew)
{
	snapshots = memory;
	if (!anew)
		return;
	for (int i = 0; i < SlotCount(); i++)
	{
		pg_atomic_init_u64(&snapshots[i].version, 0);
		pg_atomic_init_u64(&snapshots[i].at, 0);
		ContextsPackNone(snapshots[i].halves[0].bytes);
	}
}

static void *
snapshot_other_half(void)
{
	return own->halves[DoubleBufferOther(&own->version)].bytes;
}

static void
snapshot_turn(TimestampTz now)
{
	pg_atomic_write_u64(&own->at, (uint64) now);
	DoubleBufferTurn(&own->version);
}

void
SnapshotsBegin(int slot)
{
	own = &snapshots[slot];
	ContextsPackNone(snapshot_other_half());
	snapshot_turn(0);
	taken_in_use = SIZE_MAX / 2;
}

static void
snapshot_take(TimestampTz now)
{
	TimestampTz begun = GetCurrentTimestamp();

	ContextsPack(snapshot_other_half(), SNAPSHOT_SIZE);
	snapshot_turn(now);
	taken_in_use = process_heap.in_use;
	taken_at = now;
	BudgetSpend(&unasked, begun, UNASKED_SHARE, 0);
}

/*
 * snapshot_is_old
 *		Has memory in use changed by a quarter since the last snapshot?  So a process that grows
 *		takes few.
 */
static bool
snapshot_is_old(void)
{
	size_t in_use = process_heap.in_use;
	size_t moved = in_use > taken_in_use ? in_use - taken_in_use : taken_in_use - in_use;

	return moved >= LEAST_MOVE && moved >= Min(in_use, taken_in_use) / 4;
}

void
SnapshotLeave(TimestampTz now)
{
	if (now >= TimestampTzPlusMilliseconds(taken_at, UNASKED_DELAY_MS) &&
		BudgetAllows(&unasked, now))
		SnapshotLeaveNow(now);
}

void
SnapshotLeaveNow(TimestampTz now)
{
	if (own != NULL && ProcessIsOurs())
		snapshot_take(now);
}

void
SnapshotLeaveMoved(void)
{
	TimestampTz now;

	if (own == NULL || !snapshot_is_old())
		return;
	now = GetCurrentTimestamp();
	if (BudgetAllows(&unasked, now))
		SnapshotLeaveNow(now);
}

bool
SnapshotRead(int slot, void *memory, TimestampTz *at)
{
	Snapshot *snapshot = &snapshots[slot];

	*at = (TimestampTz) pg_atomic_read_u64(&snapshot->at);
	DoubleBufferRead(&snapshot->version, snapshot->halves, SNAPSHOT_SIZE, memory);
	return ContextsPacked(memory);
}
