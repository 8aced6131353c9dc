/*-------------------------------------------------------------------------
 *
 * workers.h
 *	  What parallel workers used, for the statement of their leader.
 *
 * There is a slot in shared memory for each process that could be a leader.
 * A worker adds to its leader's slot when it ends; the leader waits for its
 * workers before the statement ends, and then takes what is there.
 *
 * Peaks of workers add up, since they run side by side.  A plan node that is
 * executed more than once launches workers anew, with the same numbers: of each
 * number the highest peak counts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_WORKERS_H
#define GOARENA_WORKERS_H

#include "postgres.h"

#include "backend/usage.h"

/* For the hooks of shared memory: the slots' size, and their place. */
extern Size WorkersShmemSize(void);
extern void WorkersShmemInit(void);

/* In a parallel worker that ends: tell the leader what it used. */
extern void WorkersReport(Size peak, const UsageCounters *counters);

/*
 * In a leader: take what ended workers reported since the last call.  False if
 * nothing was.  Without shared memory nothing ever is.
 */
extern bool WorkersTake(Size *peak, UsageCounters *counters);

#endif /* GOARENA_WORKERS_H */
