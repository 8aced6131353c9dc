/*-------------------------------------------------------------------------
 *
 * slot.h
 *	  The number of this process in arrays of shared memory.
 *
 * Shared memory has a place for each process that there can be, in each of several
 * arrays.  The place of a process has the number of its PGPROC.  A process takes it
 * when it first has something to publish, and gives it up before the server gives
 * the PGPROC to the next process.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SLOT_H
#define GOARENA_SLOT_H

#include "postgres.h"

#include "storage/proc.h"

/* The number of slots: of processes that can have a PGPROC at a time. */
extern int SlotCount(void);

/*
 * Called once, with the shared memory: set what to call when this process has taken its slot, and
 * when it gives it up.
 */
extern void SlotInit(void (*taken)(int slot), void (*given_up)(void));

/*
 * Take the slot, unless this process has it already.  False if it cannot have one:
 * there is no shared memory, no PGPROC, or the process exits.
 */
extern bool SlotTake(void);

/*
 * Give up the slot if this process has it, and never take it again: the process only looks at
 * others, and no process can ask it for anything.
 */
extern void SlotDecline(void);

/* The slot of this process, or -1. */
extern int SlotOwn(void);

/* The PGPROC that a slot belongs to. */
static inline PGPROC *
SlotProc(int slot)
{
	return &ProcGlobal->allProcs[slot];
}

/*
 * Is a process in a transaction, and does it wait for its client?  Both are read
 * without a lock, so the answer may be out of date already.
 */
extern bool ProcessInTransaction(const PGPROC *proc);
extern bool ProcessAwaitsClient(const PGPROC *proc);

#endif /* GOARENA_SLOT_H */
