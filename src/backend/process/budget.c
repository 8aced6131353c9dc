/*-------------------------------------------------------------------------
 *
 * budget.c
 *	  Work beside a process's own that may take a share of its time.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "backend/process/budget.h"
#include "engine/os.h"

/*
 * BudgetAllows
 *		To ask for processor time is a system call, and the clock is none.  A process cannot have run
 *		for longer than what passed, so most calls need only the clock.
 */
bool
BudgetAllows(Budget *budget, TimestampTz now)
{
	int64 missing;

	if (now < budget->not_before)
		return false;
	missing = budget->processor_time - ga_os_default()->processor_time();
	if (missing <= 0)
		return true;
	budget->not_before = now + missing;
	return false;
}

void
BudgetSpend(Budget *budget, TimestampTz begun, int share, int64 delay)
{
	TimestampTz now = GetCurrentTimestamp();
	int64 wait = Max(now - begun, 0) * share;

	budget->not_before = now + Max(wait, delay);
	budget->processor_time = ga_os_default()->processor_time() + wait;
}
