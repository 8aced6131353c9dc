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

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/process/counters.h"
#include "backend/usage/malloced.h"
#include "backend/usage/usage.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "mcxt/process_heap.h"

/* With so much more, or an eighth, what contexts that are no arenas hold is looked at again. */
#define PLAIN_STEP ((Size) 256 << 10)

/* To look at them may take this many microseconds for each statement that is watched. */
#define CHEAP_MEASUREMENT 200

/* To give back as many bytes takes longer than most looks. */
#define LARGE_MEASUREMENT ((Size) 4 << 20)

static Size plain = 0;		 /* bytes of contexts that are no arenas, as last found */
static Size plain_grown = 0; /* what they took since */
static Size process_peak = 0;
static Size contexts_peak = 0;
static Size transaction_peak = 0;
static Size statement_peak = 0; /* of the last one at the top level */
static UsageMark *innermost = NULL;

static UsageMark top_mark; /* of the statement of the message of process_heap_statement */

/*
 * A transaction gives its memory back after its callbacks were called, so the
 * next one's mark is begun when its first statement takes memory.
 */
static bool transaction_ended = false;

void (*usage_plain_changed)(void) = NULL;
Size usage_undecided = 0;

Size
UsageContexts(void)
{
	return process_heap.in_use + plain;
}

Size
UsageHeld(void)
{
	return (process_heap_ready ? ga_heap_held(&process_heap) : 0) + plain + plain_grown;
}

/*
 * usage_held_surely
 *		Without what contexts that are no arenas may have given back.
 */
static Size
usage_held_surely(void)
{
	return UsageHeld() - plain_grown;
}

/*
 * usage_fold
 *		Raise all marks to the heap's peak, and begin a new one.  Marks that are open
 *		inside of others pass theirs on when they are closed.
 */
static void
usage_fold(void)
{
	Size peak = process_heap.peak + plain;
	Size held = Max(peak + process_heap.metadata.mapped, usage_held_surely());

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
 * usage_note_plain
 *		Contexts that are no arenas hold this many bytes.
 */
static void
usage_note_plain(Size bytes)
{
	ProcessHeapNoteStatement();
	plain_grown = 0;
	if (bytes == plain)
		return;
	usage_fold();
	plain = bytes;
	usage_fold();
	if (usage_plain_changed != NULL)
		usage_plain_changed();
}

/*
 * usage_sum_plain
 *		Bytes that do not come from the heap.
 */
static Size
usage_sum_plain(void)
{
	Size sum = 0;

	context_walk_foreach (walk, TopMemoryContext)
		sum += ContextIsArena(walk.context) ? ArenaSetElsewhere(ArenaSetOfContext(walk.context))
											: walk.context->mem_allocated;
	return sum + MallocedBytes() - usage_undecided;
}

void
UsageMeasurePlain(void)
{
	usage_note_plain(usage_sum_plain());
}

/* Until when it takes too long for each statement; 0: it does not. */
static TimestampTz cheap_again = 0;

static void
usage_note_time(TimestampTz began)
{
	int64 taken = GetCurrentTimestamp() - began;

	cheap_again = taken <= CHEAP_MEASUREMENT ? 0 : began + 20 * taken;
}

void
UsageMeasurePlainIfCheap(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < cheap_again)
		return;
	UsageMeasurePlain();
	usage_note_time(now);
}

/*
 * UsagePlainLeave
 *		What such a context held at most is known when it ends: until then nothing has
 *		to be done while it grows.  Children of the postmaster would inherit its peaks.
 */
void
UsagePlainLeave(Size bytes, bool listed)
{
	TimestampTz now = GetCurrentTimestamp();
	Size rest;

	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		return;
	if (now < cheap_again && bytes < LARGE_MEASUREMENT)
		return;
	rest = usage_sum_plain();
	if (listed)
		rest -= Min(bytes, rest);
	usage_note_plain(rest + bytes);
	usage_note_plain(rest);
	usage_note_time(now);
}

bool
UsagePlainGrew(Size bytes)
{
	plain_grown += bytes;
	return plain_grown >= Max(PLAIN_STEP, plain / 8);
}

/*
 * usage_mark_begin
 *		A mark begins with what is held now.
 */
static void
usage_mark_begin(UsageMark *mark)
{
	Size held;

	usage_fold();
	held = usage_held_surely();
	if (transaction_ended)
		transaction_peak = held;
	transaction_ended = false;
	mark->peak = UsageContexts();
	mark->held = held;
}

void
UsageMarkOpen(UsageMark *mark)
{
	usage_mark_begin(mark);
	mark->outer = innermost;
	mark->open = true;
	innermost = mark;
}

/*
 * usage_close_innermost
 *		What the innermost mark saw, the one outside of it saw, too.
 */
static void
usage_close_innermost(void)
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
	usage_fold();
	while (mark->open)
		usage_close_innermost();
}

Size
UsageMarkPeak(const UsageMark *mark)
{
	Size peak = mark->peak;

	if (!mark->open)
		return peak;
	usage_fold();
	for (const UsageMark *inner = innermost; inner != mark->outer; inner = inner->outer)
		peak = Max(peak, inner->peak);
	return peak;
}

/*
 * UsageStatementBegin
 *		Statements that are watched have marks of their own.
 */
void
UsageStatementBegin(void)
{
	if (innermost == &top_mark)
		usage_mark_begin(&top_mark);
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
	usage_fold();
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
	usage_fold();
	return transaction_peak;
}

Size
UsageProcessPeak(void)
{
	usage_fold();
	return process_peak;
}

Size
UsageContextsPeak(void)
{
	usage_fold();
	return contexts_peak;
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
usage_difference(uint64 from, uint64 to)
{
	return to >= from ? to - from : to;
}

void
UsageAddDifference(UsageCounters *sum, const UsageCounters *from, const UsageCounters *to)
{
	sum->objects += usage_difference(from->objects, to->objects);
	sum->bytes += usage_difference(from->bytes, to->bytes);
	sum->large_allocs += usage_difference(from->large_allocs, to->large_allocs);
	sum->limit_hits += usage_difference(from->limit_hits, to->limit_hits);
}

void
UsageAdd(UsageCounters *sum, const UsageCounters *more)
{
	sum->objects += more->objects;
	sum->bytes += more->bytes;
	sum->large_allocs += more->large_allocs;
	sum->limit_hits += more->limit_hits;
}

/*
 * UsageTransactionEnd
 *		What came since the last fold is folded in when the next mark is begun.
 */
void
UsageTransactionEnd(void)
{
	transaction_ended = true;
}
