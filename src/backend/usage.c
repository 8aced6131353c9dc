/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  High-water marks of the process, the transaction and the statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/counters.h"
#include "backend/usage.h"
#include "mcxt/process_heap.h"

static Size process_peak = 0;
static Size transaction_peak = 0;
static Size statement_peak = 0; /* of the last one at the top level */
static UsageMark *innermost = NULL;

static UsageMark top_mark; /* of the statement that was begun by its address */
static const void *top_statement;

/*
 * A transaction gives its memory back after its callbacks were called, so the
 * next one's mark is begun at the first statement of it.
 */
static bool transaction_ended = false;

/*
 * Fold
 *		Raise all marks to the heap's peak, and begin a new one.  An outer mark
 *		is never below an inner one.
 */
static void
Fold(void)
{
	Size peak = process_heap.peak;

	for (UsageMark *mark = innermost; mark != NULL && mark->peak < peak; mark = mark->outer)
		mark->peak = peak;
	transaction_peak = Max(transaction_peak, peak);
	process_peak = Max(process_peak, peak);
	process_heap.peak = process_heap.in_use;
}

void
UsageMarkOpen(UsageMark *mark)
{
	Fold();
	if (unlikely(transaction_ended))
	{
		transaction_ended = false;
		transaction_peak = process_heap.in_use;
	}
	mark->outer = innermost;
	mark->peak = process_heap.in_use;
	mark->open = true;
	innermost = mark;
}

void
UsageMarkClose(UsageMark *mark)
{
	if (!mark->open)
		return;
	Fold();
	do
	{
		Assert(innermost != NULL);
		innermost->open = false;
		innermost = innermost->outer;
	} while (mark->open);
	if (innermost == NULL)
		statement_peak = mark->peak;
}

void
UsageStatementBegin(const void *statement)
{
	UsageMarkClose(&top_mark);
	UsageMarkOpen(&top_mark);
	top_statement = statement;
}

void
UsageStatementContinue(const void *statement)
{
	if (!top_mark.open || top_statement != statement)
		UsageStatementBegin(statement);
}

void
UsageStatementEnd(const void *statement)
{
	if (statement == NULL || top_statement == statement)
		UsageMarkClose(&top_mark);
}

Size
UsageStatementPeak(void)
{
	UsageMark *mark = innermost;

	Fold();
	if (mark == NULL)
		return statement_peak;
	while (mark->outer != NULL)
		mark = mark->outer;
	return mark->peak;
}

Size
UsageTransactionPeak(void)
{
	Fold();
	return transaction_peak;
}

Size
UsageProcessPeak(void)
{
	Fold();
	return process_peak;
}

void
UsageReadCounters(UsageCounters *counters)
{
	ga_allocated allocated;

	ga_counters_allocated(&process_heap.counters, &allocated);
	counters->objects = allocated.objects;
	counters->bytes = allocated.bytes;
	counters->large_allocs = process_heap.counters.large_allocs;
	counters->limit_hits = CountersOfProcess(COUNT_LIMIT_HITS);
}

static inline uint64
Difference(uint64 from, uint64 to)
{
	return to >= from ? to - from : to;
}

void
UsageAddDifference(UsageCounters *sum, const UsageCounters *from, const UsageCounters *to)
{
	sum->objects += Difference(from->objects, to->objects);
	sum->bytes += Difference(from->bytes, to->bytes);
	sum->large_allocs += Difference(from->large_allocs, to->large_allocs);
	sum->limit_hits += Difference(from->limit_hits, to->limit_hits);
}

void
UsageAdd(UsageCounters *sum, const UsageCounters *more)
{
	sum->objects += more->objects;
	sum->bytes += more->bytes;
	sum->large_allocs += more->large_allocs;
	sum->limit_hits += more->limit_hits;
}

void
UsageTransactionEnd(void)
{
	Fold();
	transaction_ended = true;
}
