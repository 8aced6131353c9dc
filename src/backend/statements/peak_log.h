/*-------------------------------------------------------------------------
 *
 * peak_log.h
 *	  goarena.log_peak: log statements that use much memory.
 *
 * Each is logged with its largest contexts near the peak, see peak_watch.h.
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
