/*-------------------------------------------------------------------------
 *
 * budget.h
 *	  Work beside a process's own that may take a share of its time.
 *
 * The share is one of the time for which the process runs, not of the time that passes: where many
 * sessions take turns, each would do the work again whenever its turn comes.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_BUDGET_H
#define GOARENA_BUDGET_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* When the work may be done again; all zeroes: at once. */
typedef struct Budget
{
	TimestampTz not_before;
	int64 processor_time; /* nor before the process has run for so many microseconds */
} Budget;

/* May the work be done now? */
extern bool BudgetAllows(Budget *budget, TimestampTz now);

/*
 * The work was begun then and is done.  It may take one part in share of the process's time, and is
 * not done again within delay microseconds.
 */
extern void BudgetSpend(Budget *budget, TimestampTz begun, int share, int64 delay);

#endif /* GOARENA_BUDGET_H */
