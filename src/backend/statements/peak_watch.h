/*-------------------------------------------------------------------------
 *
 * peak_watch.h
 *	  What the largest contexts were near the peak of a statement.
 *
 * When the statement is over, it is too late to find out, and before the peak it is too early.  So
 * goarena looks for the largest contexts when the memory that the statement added passes a
 * threshold, and again whenever that has grown by a quarter.  The last look is then from a moment
 * when at least four fifths of the peak were held.
 *
 * Several statements can be watched at a time, one inside the other.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PEAK_WATCH_H
#define GOARENA_PEAK_WATCH_H

#include "postgres.h"

#include "backend/usage/largest.h"

/* The watch over one statement.  The memory is the caller's. */
typedef struct PeakWatch
{
	struct PeakWatch *next; /* that is entered, too */
	bool entered;
	Size base;		 /* what contexts hold beyond this is the statement's */
	Size at;		 /* look when contexts hold so much */
	Size largest_at; /* bytes that the statement had added at the last look; 0 without one */
	LargestContexts largest;
} PeakWatch;

/* Set up; once. */
extern void PeakWatchInit(void);

/* Look, since contexts hold what a watch waits for.  See ProcessHeapCallbacks. */
extern void PeakWatchReached(void);

/* A statement begins: forget what was found. */
extern void PeakWatchForget(PeakWatch *watch);

/*
 * Enter: the statement runs from now on, contexts hold base bytes that are not its own, and
 * less than threshold bytes of it are of no interest.  Leave: it does not run any more.
 * Leaving does nothing where nothing was entered.
 */
extern void PeakWatchEnter(PeakWatch *watch, Size base, Size threshold);
extern void PeakWatchLeave(PeakWatch *watch);

/* Look now if that was not done yet. */
extern void PeakWatchLookOnce(PeakWatch *watch);

/*
 * The same for a statement that used peak bytes, unless that is little and it would take too long
 * to do it for each.  False if nobody ever looked.
 */
extern bool PeakWatchLookIfWorth(PeakWatch *watch, Size peak);

#endif /* GOARENA_PEAK_WATCH_H */
