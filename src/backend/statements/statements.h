/*-------------------------------------------------------------------------
 *
 * statements.h
 *	  The table of what statements used, in shared memory.
 *
 * A process finds an entry under a shared lock, and changes it under the entry's own spinlock; only
 * to add and remove entries takes the lock exclusively.  Each process remembers some entries, which
 * it changes without the lock if they are still those of their keys.  When the table is full, the
 * entries used least are dropped.  A clean shutdown saves the table to a file that the next start
 * reads and removes.
 *
 * After contrib/pg_stat_statements, which does the same for time.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STATEMENTS_H
#define GOARENA_STATEMENTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "backend/usage/usage.h"

/* GUC variable: how many entries there may be. */
extern int goarena_statements_max;

/* It is hashed and compared byte by byte, so it must have no padding. */
typedef struct StatementKey
{
	Oid userid;
	Oid dbid;
	int64 queryid;
	uint64 toplevel; /* 0 or 1 */
} StatementKey;

StaticAssertDecl(sizeof(StatementKey) == 2 * sizeof(Oid) + sizeof(int64) + sizeof(uint64),
				 "StatementKey must have no padding");

/* What one execution used. */
typedef struct StatementUse
{
	Size peak; /* bytes, workers' included */
	UsageCounters counters;
} StatementUse;

/* What all executions used. */
typedef struct StatementSums
{
	int64 calls;
	int64 peak_max; /* bytes */
	double peak_mean;
	double peak_squares; /* sum of squares of differences from the mean */
	UsageCounters counters;
	TimestampTz since; /* when the entry was made */
} StatementSums;

typedef struct StatementRow
{
	StatementKey key;
	StatementSums sums;
	double usage; /* how much it is used, for dropping */
} StatementRow;

/* For shared_memory.c.  Request asks the server for what is not in the size. */
extern Size StatementsSize(void);
extern void StatementsRequest(void);
extern void StatementsAttach(void *memory, bool anew);

/* Is there a table? */
extern bool StatementsReady(void);

/* Add an execution.  Allocates nothing and raises no error. */
extern void StatementsRecord(const StatementKey *key, const StatementUse *use);

/*
 * Copy all entries to memory of the current context; returns it, and their
 * number.  Also how often entries were dropped, and since when.
 */
extern StatementRow *StatementsCopy(int *count);
extern void StatementsInfo(int64 *dropped, TimestampTz *reset_at);

/* Forget all entries. */
extern void StatementsReset(void);

#endif /* GOARENA_STATEMENTS_H */
