/*-------------------------------------------------------------------------
 *
 * snapshots.h
 *	  The contexts of each process as they were when it was last seen.
 *
 * A process that is stopped or hangs cannot be asked for its contexts.  So each one
 * leaves them in shared memory now and then, and when it is asked what it holds.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SNAPSHOTS_H
#define GOARENA_SNAPSHOTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Bytes of a snapshot: room for some 20 contexts, and for 20 names of others. */
#define SNAPSHOT_SIZE 8192

/* For shared_memory.c. */
extern Size SnapshotsSize(void);
extern void SnapshotsAttach(void *memory, bool anew);

/* This process has taken a slot; forget what an earlier one left there. */
extern void SnapshotsBegin(int slot);

/*
 * Leave a snapshot at the end of a transaction, unless the last is not old; or in any
 * case.  Allocates nothing.
 */
extern void SnapshotLeave(TimestampTz now);
extern void SnapshotLeaveNow(TimestampTz now);

/*
 * Leave one in the midst of a transaction, if bytes in use have moved much
 * since the last.
 */
extern void SnapshotLeaveMoved(void);

/*
 * Copy the snapshot of a slot into memory of SNAPSHOT_SIZE, and say when it was
 * known to be true.  False if there is none.
 */
extern bool SnapshotRead(int slot, void *memory, TimestampTz *at);

#endif /* GOARENA_SNAPSHOTS_H */
