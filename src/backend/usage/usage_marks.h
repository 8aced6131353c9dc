/*-------------------------------------------------------------------------
 *
 * usage_marks.h
 *	  High-water marks: the most memory that the process, the transaction and
 *	  the statement held.
 *
 * The engine keeps one mark, heap->peak.  To fold it means: to raise all marks that are open to it,
 * and to lower it to what is in use now.  That is done whenever a mark is opened, closed or read.  So
 * an allocation costs no more than the engine's one comparison, and marks may be nested to any depth.
 *
 * There are two figures for each mark.  What contexts held is what arenas are charged for, and what
 * the other contexts had when the process last looked at them; by it a statement is judged.  What the
 * process held (see UsageHeldSurely) also has memory that is kept for later; it is what others see.
 * The mark of a statement takes in what was held before it: what the statement added is the difference
 * to its beginning.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_USAGE_MARKS_H
#define GOARENA_USAGE_MARKS_H

#include "postgres.h"

#include "mcxt/hot.h"

/* The mark of a stretch of time.  The memory is the caller's. */
typedef struct UsageMark
{
	struct UsageMark *outer; /* the mark opened before it, or NULL */
	Size peak;				 /* most that contexts held so far, as of the last fold */
	Size held;				 /* most that the process held */
	bool open;
} UsageMark;

/* Raise all marks to the heap's peak, and lower that to what is in use now. */
extern void UsageMarksFold(void);

/*
 * A transaction gives its memory back after its callbacks were called, so the mark of the next one
 * begins when its first statement takes memory.
 */
HOT_EXTERN bool usage_transaction_ended;

/*
 * A transaction ended.  What came since the last fold is folded in when the next mark begins.
 */
static inline void
UsageTransactionEnd(void)
{
	usage_transaction_ended = true;
}

/* Begin a stretch of time.  If no mark is open, it is that of a statement at the top level. */
extern void UsageMarkOpen(UsageMark *mark);

/*
 * End it; mark->peak is final then.  Marks that were opened since and are still
 * open end, too.  Does nothing if the mark is not open.
 */
extern void UsageMarkClose(UsageMark *mark);

/*
 * Begin and end the mark of a statement at the top level that is not watched.  It begins when
 * memory is first taken after a message from the client.  It ends when the next one begins, or when
 * the executor's hooks open a mark of their own for the statement.
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

/* The most bytes that contexts held: since this process began, and while a mark was open. */
extern Size UsageContextsPeak(void);
extern Size UsageMarkPeak(const UsageMark *mark);

#endif /* GOARENA_USAGE_MARKS_H */
