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
 * executed more than once launches workers each time, with the same numbers: of each
 * number the highest peak counts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_WORKERS_H
#define GOARENA_WORKERS_H

#include "postgres.h"

#include "port/atomics.h"

#include "backend/usage/usage.h"

/* For shared_memory.c. */
extern Size WorkersSize(void);
extern void WorkersAttach(void *memory, bool anew);

/* How often workers of this process reported since it took that last; NULL before it is found. */
extern pg_atomic_uint32 *workers_reports;
extern void WorkersFindSlot(void);

/* In a parallel worker that ends: tell the leader what it used. */
extern void WorkersReport(Size peak, const UsageCounters *counters);

/*
 * In a leader: have ended workers reported since the last take?  Without shared
 * memory they never have.
 */
static inline bool
WorkersReported(void)
{
	if (unlikely(workers_reports == NULL))
		WorkersFindSlot();
	return unlikely(pg_atomic_read_u32(workers_reports) > 0);
}

/* Take what they reported. */
extern void WorkersTake(Size *peak, UsageCounters *counters);

#endif /* GOARENA_WORKERS_H */
