/*-------------------------------------------------------------------------
 *
 * tracking.h
 *	  Which memory belongs to which statement.
 *
 * A statement's memory is what contexts hold beyond what they held when it began,
 * and its allocations are the differences of the process's counters.
 *
 * Statements nest: the executor calls functions that run statements.  A hook
 * that may do so opens a level, and on each level one statement at most is
 * running.  It runs from the first hook that is called for it until it is over,
 * or until the level ends or a hook is called for another statement.  Then it is
 * paused, as that of a cursor is while other statements come between the calls of
 * the executor.  The marks of usage_marks.h are opened and closed with that, so
 * statements on outer levels take in those on inner ones.
 *
 * A statement of the executor is found again by its QueryDesc.  It is forgotten
 * when the executor's memory goes, whether it ended in order or not.
 *
 * A statement that failed is recorded when the transaction or subtransaction is
 * rolled back, where it is safe to take locks and to log.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TRACKING_H
#define GOARENA_TRACKING_H

#include "postgres.h"

#include "executor/execdesc.h"

#include "backend/statements/statements.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_marks.h"

typedef enum TrackStatements
{
	TRACK_STATEMENTS_OFF,
	TRACK_STATEMENTS_TOP, /* those that clients send */
	TRACK_STATEMENTS_ALL  /* those in functions, too */
} TrackStatements;

/* GUC variable */
extern int goarena_track_statements;
extern void AssignTrackStatements(int newval, void *extra);

typedef enum StatementState
{
	STATEMENT_NEW,	  /* it has not run yet */
	STATEMENT_BEGUN,  /* it runs, or has run and may go on */
	STATEMENT_ENDING, /* ExecutorEnd runs */
	STATEMENT_GONE,	  /* and the executor's memory is gone */
	STATEMENT_OVER	  /* it is recorded, or waits for that with those that failed */
} StatementState;

typedef struct Statement
{
	struct Statement *next;	  /* alive, or spare */
	struct Statement **link;  /* where it is linked while it is alive */
	struct Level *running_on; /* NULL while it does not run */
	QueryDesc *query;		  /* NULL if it is not the executor's */
	StatementKey key;		  /* queryid is 0 if it is not to be recorded */
	StatementState state;
	bool at_top; /* on the outermost level */

	UsageMark mark; /* open while it runs */
	Size contexts;	/* bytes that contexts held when it began or went on */
	UsageCounters from;

	Size held; /* bytes of them that were its own */
	Size peak;
	Size workers_peak;
	UsageCounters counters;
	struct PeakWatch *watch; /* NULL unless it is explained; see explain.h */

	MemoryContextCallback forget;
} Statement;

typedef struct Level
{
	struct Level *outer;
	Statement *running; /* NULL if none is */
} Level;

/*
 * Does no setting ask what single statements use?  A statement that was watched
 * before a setting was changed goes on to be watched, with those inside.
 */
extern bool TrackingUnwatched(void);

/*
 * Are statements that EXPLAIN executes watched?  A setting that nobody sees, so that parallel
 * workers have it, too.
 */
#if PG_VERSION_NUM >= 180000
extern bool goarena_explaining;
extern void AssignExplaining(bool newval, void *extra);
#else
#define goarena_explaining false
#endif

/* Is no level open? */
extern bool TrackingIsOutermost(void);

/* Open a level, and close it.  Its memory is the caller's. */
extern void TrackingEnterLevel(Level *inner);
extern void TrackingLeaveLevel(Level *inner);

/* Is a statement that begins, at the top or not, to be recorded? */
extern bool TrackingRecords(bool at_top);

/*
 * Begin a statement that is not the executor's, in memory of the caller; or one that is,
 * which is NULL if there is no need to, or no memory.  The latter lives until
 * TrackingForget, or until the memory of its QueryDesc goes after TrackingForgetLater.
 */
extern void TrackingBegin(Statement *statement, int64 queryid, bool at_top);
extern Statement *TrackingBeginQuery(QueryDesc *query, bool at_top);
extern void TrackingForget(Statement *statement);
extern void TrackingForgetLater(Statement *statement);

/* The statement of a QueryDesc, or NULL. */
extern Statement *TrackingFind(const QueryDesc *query);

/* A statement begins or goes on, on the innermost level.  One that runs there is paused. */
extern void TrackingResume(Statement *statement);

/*
 * What runs on the innermost level has run, or failed, and holds its memory still.
 * Measure what contexts hold that are no arenas, and see which are the largest.
 */
extern void TrackingLookBeforeEnd(void);

/*
 * A statement has run, and if it is explained, what EXPLAIN does before it goes on is not
 * its own.
 */
extern void TrackingAfterRun(Statement *statement);

/* What the statement of a plan that is explained used so far. */
typedef struct ExplainedUse
{
	StatementUse use; /* its peak is that of this process */
	Size workers_peak;
	const struct PeakWatch *watch;
} ExplainedUse;

extern bool TrackingExplained(const PlannedStmt *planned, ExplainedUse *explained);

/* A statement is over.  Or it ended in an error, which the caller throws on. */
extern void TrackingComplete(Statement *statement);
extern void TrackingFail(Statement *statement);

/* Record the statements that failed, which else wait for the end of the transaction. */
extern void TrackingFlush(void);

/* A transaction or subtransaction is rolled back. */
extern void TrackingAfterError(void);

/* A parallel worker begins its statement; and tells its leader what it used. */
extern void TrackingBeginWorker(void);
extern void TrackingReportToLeader(void);

#endif /* GOARENA_TRACKING_H */
