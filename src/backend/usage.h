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
 * What counts is in_use, what arenas are charged for, of the whole process: a
 * statement's mark takes in what was in use before it.  What the statement
 * added to it is the difference to in_use at its beginning.
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
	Size peak;				 /* highest in_use so far, as of the last fold */
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
 * The same for the statement at the top level, if nobody wants to know more of
 * it.  It is known by any address.  Begin ends the one before; Continue begins it
 * unless it runs; End does nothing for another one than that which runs, and
 * ends that if it is told none.
 */
extern void UsageStatementBegin(const void *statement);
extern void UsageStatementContinue(const void *statement);
extern void UsageStatementEnd(const void *statement);

/*
 * The highest in_use in bytes of the statement at the top level that is running,
 * or else the last one; of the transaction, or else the last one; and of the
 * process since it began.
 */
extern Size UsageStatementPeak(void);
extern Size UsageTransactionPeak(void);
extern Size UsageProcessPeak(void);

/* Some hundred instructions, so not for the way of each allocation. */
extern void UsageReadCounters(UsageCounters *counters);

/*
 * Add to sum what was counted between two readings.  Counters that were zeroed
 * in between began anew.
 */
extern void UsageAddDifference(UsageCounters *sum, const UsageCounters *from,
							   const UsageCounters *to);
extern void UsageAdd(UsageCounters *sum, const UsageCounters *more);

#endif /* GOARENA_USAGE_H */
