/*-------------------------------------------------------------------------
 *
 * tracking.h
 *	  Which memory belongs to which statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TRACKING_H
#define GOARENA_TRACKING_H

#include "postgres.h"

typedef enum TrackStatements
{
	TRACK_STATEMENTS_OFF,
	TRACK_STATEMENTS_TOP, /* those that clients send */
	TRACK_STATEMENTS_ALL  /* those in functions, too */
} TrackStatements;

/* GUC variable */
extern int goarena_track_statements;
extern void AssignTrackStatements(int newval, void *extra);

/* Install the hooks; once, from _PG_init. */
extern void TrackingInit(void);

/* A transaction or subtransaction is rolled back. */
extern void TrackingAfterError(void);

/* A parallel worker is about to end: tell its leader what it used. */
extern void TrackingReportToLeader(void);

/* Hand on what is known of statements that failed, which else waits for the transaction's end. */
extern void TrackingFlush(void);

#endif /* GOARENA_TRACKING_H */
