/*-------------------------------------------------------------------------
 *
 * peak_watch.c
 *	  What the largest contexts were near the peak of a statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "backend/process/budget.h"
#include "backend/statements/peak_watch.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_plain.h"
#include "mcxt/process_heap.h"

/*
 * Contexts of statements that stay below this many bytes are looked at only when the statement
 * ends.
 */
#define WATCH_LEAST ((Size) 64 << 10)

/*
 * To watch all statements must not cost a walk over a hundred thousand contexts in each.  Walks that
 * take more than LOOK_CHEAP microseconds may take one part in LOOK_SHARE of the time, except in
 * statements with a peak of at least LOOK_WORTH bytes.
 */
#define LOOK_CHEAP 200
#define LOOK_SHARE 20
#define LOOK_WORTH ((Size) 4 << 20)

static PeakWatch *entered = NULL; /* the last one first */
static Budget looks;

static void
peak_watch_look(PeakWatch *watch)
{
	TimestampTz began = GetCurrentTimestamp();

	watch->largest_at = UsageContexts() > watch->base ? UsageContexts() - watch->base : 1;
	FindLargestContexts(&watch->largest);
	if (GetCurrentTimestamp() - began > LOOK_CHEAP)
		BudgetSpend(&looks, began, LOOK_SHARE, 0);
}

/*
 * peak_watch_next
 *		Look when contexts hold as much as the first of the watches waits for: arenas, with
 *		what plain contexts were last found to hold.
 */
static void
peak_watch_next(void)
{
	Size plain = UsageContexts() - process_heap.in_use;
	Size at = SIZE_MAX;

	for (PeakWatch *watch = entered; watch != NULL; watch = watch->next)
		at = Min(at, watch->at);
	process_heap_watch = at == SIZE_MAX ? SIZE_MAX : at - Min(at, plain);
}

/*
 * PeakWatchReached
 *		Also called when contexts that are no arenas were found to hold more or less than before.
 */
void
PeakWatchReached(void)
{
	if (entered == NULL)
		return;
	for (PeakWatch *watch = entered; watch != NULL; watch = watch->next)
	{
		if (UsageContexts() < watch->at)
			continue;
		peak_watch_look(watch);
		watch->at = UsageContexts() + Max(watch->largest_at / 4, WATCH_LEAST);
	}
	peak_watch_next();
}

void
PeakWatchForget(PeakWatch *watch)
{
	watch->largest_at = 0;
}

void
PeakWatchEnter(PeakWatch *watch, Size base, Size threshold)
{
	PeakWatchLeave(watch);
	threshold = Max(threshold, WATCH_LEAST);
	watch->base = base;
	watch->at = base + Max(threshold, watch->largest_at + watch->largest_at / 4);
	watch->next = entered;
	watch->entered = true;
	entered = watch;
	peak_watch_next();
}

void
PeakWatchLeave(PeakWatch *watch)
{
	PeakWatch **link = &entered;

	if (!watch->entered)
		return;
	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	watch->entered = false;
	peak_watch_next();
}

void
PeakWatchLookOnce(PeakWatch *watch)
{
	if (watch->largest_at == 0)
		peak_watch_look(watch);
}

bool
PeakWatchLookIfWorth(PeakWatch *watch, Size peak)
{
	if (watch->largest_at == 0 &&
		(peak >= LOOK_WORTH || BudgetAllows(&looks, GetCurrentTimestamp())))
		peak_watch_look(watch);
	return watch->largest_at > 0;
}

void
PeakWatchInit(void)
{
	usage_plain_changed = PeakWatchReached;
}
