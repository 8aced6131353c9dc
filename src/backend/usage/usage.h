/*-------------------------------------------------------------------------
 *
 * usage.h
 *	  High-water marks: the most memory that the process, the transaction and
 *	  the statement had in use.
 *
 * The engine keeps one mark, the heap's peak.  Here it is folded into all
 * marks that are open whenever one of them is opened, closed or read, and
 * lowered to what is in use then.  So nothing is done while memory is allocated
 * beyond the engine's one comparison, and marks may be nested to any depth.
 *
 * What contexts hold counts: what arenas are charged for, and what contexts that are
 * no arenas had when that was last looked at.  A statement's mark takes in what was
 * held before it; what the statement added is the difference to its beginning.  For
 * others to see there is besides what the whole process holds (see UsageHeld), with
 * memory that is kept for later.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_USAGE_H
#define GOARENA_USAGE_H

#include "postgres.h"

/* The mark of a stretch of time.  The memory is the caller's. */
typedef struct UsageMark
{
	struct UsageMark *outer; /* the mark opened before it, or NULL */
	Size peak;				 /* most that contexts held so far, as of the last fold */
	Size held;				 /* most that the process held */
	bool open;
} UsageMark;

/* What a process allocated since it began; differences are what counts. */
typedef struct UsageCounters
{
	uint64 objects;		 /* allocated */
	uint64 bytes;		 /* of them, as rounded up, and by which they grew */
	uint64 large_allocs; /* those of them that got a span */
	uint64 limit_hits;	 /* allocations that failed because of a limit */
} UsageCounters;

/* A transaction ended. */
extern void UsageTransactionEnd(void);

/*
 * Begin a stretch of time.  If no mark is open, it is that of a statement at
 * the top level.
 */
extern void UsageMarkOpen(UsageMark *mark);

/*
 * End it; mark->peak is final then.  Marks that were opened since and are still
 * open end, too.  Does nothing if the mark is not open.
 */
extern void UsageMarkClose(UsageMark *mark);

/*
 * The same for the statement at the top level, if it is not watched:
 * it begins when memory is first taken after a message from the client, and ends
 * when the next one begins, or when it is known better what the statement is.
 */
extern void UsageStatementBegin(void);
extern void UsageStatementEnd(void);

/*
 * The most bytes that the process held: during the statement at the top level that
 * runs or ran last, during the transaction that runs or ran last, and since the
 * process began.
 */
extern Size UsageStatementPeak(void);
extern Size UsageTransactionPeak(void);
extern Size UsageProcessPeak(void);

/*
 * Bytes that this process holds: memory of arenas, with that of chunks not in
 * use, the engine's own data, and what contexts that are no arenas had when
 * that was last looked at, and took since then if there is a limit.  A few
 * loads; may be called in a signal handler.
 */
extern Size UsageHeld(void);

/* Bytes that contexts hold. */
extern Size UsageContexts(void);

/* The most bytes that they held since this process began, and while a mark is open. */
extern Size UsageContextsPeak(void);
extern Size UsageMarkPeak(const UsageMark *mark);

/* Find out what contexts that are no arenas hold.  It walks all contexts. */
extern void UsageMeasurePlain(void);

/* The same, unless that would take more than a twentieth of the time. */
extern void UsageMeasurePlainIfCheap(void);

/* See ProcessHeapCallbacks. */
extern void UsagePlainLeave(Size bytes, bool listed);

/* What they took that may still be refused: it is not counted. */
extern Size usage_undecided;

/* Called, unless it is NULL, when they were found to hold something else than before. */
extern void (*usage_plain_changed)(void);

/*
 * They took bytes more since.  True if they should be looked at again: what they
 * gave back meanwhile is not known.
 */
extern bool UsagePlainGrew(Size bytes);

/* Some hundred instructions, so not for the way of each allocation. */
extern void UsageReadCounters(UsageCounters *counters);

/*
 * Add to sum what was counted between two readings.  Counters that were zeroed
 * in between began at 0.
 */
extern void UsageAddDifference(UsageCounters *sum, const UsageCounters *from,
							   const UsageCounters *to);
extern void UsageAdd(UsageCounters *sum, const UsageCounters *more);

#endif /* GOARENA_USAGE_H */
