/*-------------------------------------------------------------------------
 *
 * usage_plain.c
 *	  What contexts that are no arenas hold.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/faults/guard.h"
#include "backend/process/budget.h"
#include "backend/usage/malloced.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "mcxt/process_heap.h"

/* To add all of them up may take one part in this many of the process's time. */
#define MEASUREMENT_SHARE 50

/* To add up those of statements is cheap if they are at most this many. */
#define FEW_CONTEXTS 64

/* To give back this many bytes takes longer than to add up what is left, however much that is. */
#define LARGE_MEASUREMENT ((Size) 4 << 20)

void (*usage_plain_changed)(void) = NULL;
Size usage_undecided = 0;

/*
 * plain_note
 *		They hold this many bytes.  What they held until now makes a peak, too.
 */
static void
plain_note(Size bytes)
{
	bool same;

	ProcessHeapNoteStatement();
	same = bytes == UsagePlain();
	if (!same)
		UsageMarksFold();
	UsagePlainFound(bytes);
	if (same)
		return;
	UsageMarksFold();
	if (usage_plain_changed != NULL)
		usage_plain_changed();
}

/* How many contexts statements had the last time. */
static int statement_contexts = 0;

/*
 * plain_sum_below
 *		Add up the bytes of a context and all below it that do not come from the heap.
 */
static Size
plain_sum_below(MemoryContext top)
{
	Size sum = 0;

	context_walk_foreach (walk, top)
	{
		statement_contexts++;
		sum += ContextIsArena(walk.context) ? ArenaSetElsewhere(ArenaSetOfContext(walk.context))
											: walk.context->mem_allocated;
	}
	return sum;
}

/*
 * plain_top_portal_context
 *		The server keeps it for ever, but tells nobody where.  PortalContext may be gone.
 */
static MemoryContext
plain_top_portal_context(void)
{
	static MemoryContext found = NULL;

	for (MemoryContext child = TopMemoryContext->firstchild; found == NULL && child != NULL;
		 child = child->nextchild)
		if (strcmp(GuardName(child), "TopPortalContext") == 0)
			found = child;
	return found;
}

/*
 * plain_sum_of_statements
 *		Add up the same for statements alone, whose contexts are below three of the server's.  One
 *		that is being deleted has no parent any more.
 */
static Size
plain_sum_of_statements(void)
{
	MemoryContext tops[] = {MessageContext, TopTransactionContext, plain_top_portal_context()};
	Size sum = 0;

	statement_contexts = 0;
	for (int i = 0; i < lengthof(tops); i++)
		if (tops[i] != NULL && tops[i]->parent == TopMemoryContext)
			sum += plain_sum_below(tops[i]);
	return sum;
}

/* What all else held the last time, and when to add it up again. */
static Size session_bytes = 0;
static Budget full_sums;

static Size
plain_sum(void)
{
	Size all = plain_sum_below(TopMemoryContext) + MallocedBytes();

	session_bytes = all - plain_sum_of_statements();
	return all - usage_undecided;
}

void
UsageMeasurePlain(void)
{
	plain_note(plain_sum());
}

/*
 * plain_sum_if_cheap
 *		Add up those of statements, if they are few, and of the session, if that was not done lately.
 *		Returns false if it would take too long.
 */
static bool
plain_sum_if_cheap(Size *sum)
{
	TimestampTz now = GetCurrentTimestamp();

	if (BudgetAllows(&full_sums, now))
	{
		*sum = plain_sum();
		BudgetSpend(&full_sums, now, MEASUREMENT_SHARE, 0);
		return true;
	}
	if (statement_contexts > FEW_CONTEXTS)
		return false;
	*sum = session_bytes + plain_sum_of_statements() - usage_undecided;
	return true;
}

void
UsageMeasurePlainIfCheap(void)
{
	Size sum;

	if (plain_sum_if_cheap(&sum))
		plain_note(sum);
}

/*
 * UsagePlainLeave
 *		What such a context held at most shows when it ends, so nothing need be done while it grows.
 *		Not in the postmaster, whose children would inherit the peaks.
 */
void
UsagePlainLeave(Size bytes, bool listed)
{
	Size rest;

	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		return;
	if (!plain_sum_if_cheap(&rest))
	{
		if (bytes < LARGE_MEASUREMENT)
			return;
		rest = plain_sum();
	}
	if (listed)
		rest -= Min(bytes, rest);
	plain_note(rest + bytes);
	plain_note(rest);
}
