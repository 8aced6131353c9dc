/*-------------------------------------------------------------------------
 *
 * peak_log.h
 *	  goarena.log_peak: log statements that use much memory.
 *
 * What the largest contexts are at the peak cannot be known when the statement
 * is over, and not before the peak was reached.  So they are looked for when
 * the memory that the statement added passes the setting, and again whenever it
 * has grown by a quarter: what is logged is from a moment when at least four
 * fifths of the peak were held.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PEAK_LOG_H
#define GOARENA_PEAK_LOG_H

#include "postgres.h"

/* GUC variable: kB, 0 for all statements, -1 for none; and its hook. */
extern int goarena_log_peak;
extern void AssignLogPeak(int newval, void *extra);

/* Set up; once, from _PG_init. */
extern void PeakLogInit(void);

/* Contexts hold so much that the largest are to be looked at, see ProcessHeapCallbacks. */
extern void PeakLogReached(void);

/*
 * Resume: a statement at the top level runs from now on, and what contexts hold
 * beyond base is its own.  first says that it begins, and does not go on after
 * another one ran.  Pause: it does not run any more.
 */
extern void PeakLogResume(Size base, bool first);
extern void PeakLogPause(void);

/*
 * The statement is about to end, and peak bytes were its peak so far.  If that is to
 * be logged and its contexts were not looked at while it ran, look at them now.
 */
extern void PeakLogAtEnd(Size peak);

/* The statement is over: log it if its peak, in bytes, is to be logged. */
extern void PeakLogStatement(Size peak, Size workers_peak);

#endif /* GOARENA_PEAK_LOG_H */
