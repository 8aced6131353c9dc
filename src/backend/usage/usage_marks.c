/*-------------------------------------------------------------------------
 *
 * usage_marks.c
 *	  High-water marks of the process, the transaction and the statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"

static Size process_peak = 0;
static Size contexts_peak = 0;
static Size transaction_peak = 0;
static Size statement_peak = 0; /* of the last one at the top level */
static UsageMark *innermost = NULL;

static UsageMark top_mark; /* of the statement of the message of process_heap_statement */

HOT_DATA bool usage_transaction_ended = false;

/*
 * UsageMarksFold
 *		Marks that are open inside of others pass theirs on when they are closed.
 */
void
UsageMarksFold(void)
{
	Size peak = process_heap.peak + UsagePlain();
	Size held = Max(peak + process_heap.metadata.mapped, UsageHeldSurely());

	if (innermost != NULL)
	{
		innermost->peak = Max(innermost->peak, peak);
		innermost->held = Max(innermost->held, held);
	}
	transaction_peak = Max(transaction_peak, held);
	process_peak = Max(process_peak, held);
	contexts_peak = Max(contexts_peak, peak);
	process_heap.peak = process_heap.in_use;
}

/*
 * marks_begin
 *		Begin a mark with what is held now.
 */
static void
marks_begin(UsageMark *mark)
{
	Size held;

	UsageMarksFold();
	held = UsageHeldSurely();
	if (usage_transaction_ended)
		transaction_peak = held;
	usage_transaction_ended = false;
	mark->peak = UsageContexts();
	mark->held = held;
}

void
UsageMarkOpen(UsageMark *mark)
{
	marks_begin(mark);
	mark->outer = innermost;
	mark->open = true;
	innermost = mark;
}

/*
 * marks_close_innermost
 *		Close the innermost mark, and pass its peaks on to the one outside of it.
 */
static void
marks_close_innermost(void)
{
	UsageMark *mark = innermost;

	Assert(mark != NULL);
	mark->open = false;
	innermost = mark->outer;
	if (innermost == NULL)
	{
		statement_peak = mark->held;
		return;
	}
	innermost->peak = Max(innermost->peak, mark->peak);
	innermost->held = Max(innermost->held, mark->held);
}

void
UsageMarkClose(UsageMark *mark)
{
	if (!mark->open)
		return;
	UsageMarksFold();
	while (mark->open)
		marks_close_innermost();
}

Size
UsageMarkPeak(const UsageMark *mark)
{
	Size peak = mark->peak;

	if (!mark->open)
		return peak;
	UsageMarksFold();
	for (const UsageMark *inner = innermost; inner != mark->outer; inner = inner->outer)
		peak = Max(peak, inner->peak);
	return peak;
}

/*
 * UsageStatementBegin
 *		Does nothing for statements that are watched, which have marks of their own.
 */
void
UsageStatementBegin(void)
{
	if (innermost == &top_mark)
		marks_begin(&top_mark);
	else if (innermost == NULL)
		UsageMarkOpen(&top_mark);
}

void
UsageStatementEnd(void)
{
	UsageMarkClose(&top_mark);
}

Size
UsageStatementPeak(void)
{
	Size held = 0;

	ProcessHeapNoteStatement();
	UsageMarksFold();
	if (innermost == NULL)
		return statement_peak;
	for (const UsageMark *mark = innermost; mark != NULL; mark = mark->outer)
		held = Max(held, mark->held);
	return held;
}

Size
UsageTransactionPeak(void)
{
	ProcessHeapNoteStatement();
	UsageMarksFold();
	return transaction_peak;
}

Size
UsageProcessPeak(void)
{
	UsageMarksFold();
	return process_peak;
}

Size
UsageContextsPeak(void)
{
	UsageMarksFold();
	return contexts_peak;
}
