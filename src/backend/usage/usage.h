/*-------------------------------------------------------------------------
 *
 * usage.h
 *	  What the process holds now, and what it has allocated so far.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_USAGE_H
#define GOARENA_USAGE_H

#include "postgres.h"

/* What a process allocated since it began; differences are what counts. */
typedef struct UsageCounters
{
	uint64 objects;		 /* allocated */
	uint64 bytes;		 /* of them, as rounded up, and by which they grew */
	uint64 large_allocs; /* those of them that got a span */
	uint64 limit_hits;	 /* allocations that failed because of a limit */
} UsageCounters;

/* Bytes that contexts hold: what arenas are charged for, and what UsagePlain says. */
extern Size UsageContexts(void);

/* Bytes that contexts which are no arenas held when they were last added up. */
extern Size UsagePlain(void);

/*
 * Bytes that this process holds: memory of arenas, with that of chunks not in use, the engine's own
 * data, UsagePlain, and, while there is a limit, what contexts that are no arenas took since then.
 * A few loads; may be called in a signal handler.
 */
extern Size UsageHeld(void);

/* The same without what was taken since then, since some of it may have been given back. */
extern Size UsageHeldSurely(void);

/*
 * Contexts that are no arenas took this many bytes more.  True if they should be added up again: what
 * they gave back meanwhile is not known.
 */
extern bool UsagePlainGrew(Size bytes);

/* They were added up, and hold this many bytes. */
extern void UsagePlainFound(Size bytes);

/* Read the counters.  Takes some hundred instructions: too many for each allocation. */
extern void UsageReadCounters(UsageCounters *counters);

/*
 * Add to sum what was counted between two readings.  Counters that were zeroed
 * in between began at 0.
 */
extern void UsageAddDifference(UsageCounters *sum, const UsageCounters *from,
							   const UsageCounters *to);

/* Add one set of counters to another. */
extern void UsageAdd(UsageCounters *sum, const UsageCounters *more);

#endif /* GOARENA_USAGE_H */
