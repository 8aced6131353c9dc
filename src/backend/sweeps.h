/*-------------------------------------------------------------------------
 *
 * sweeps.h
 *	  When a process sweeps, and what it remembers of it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SWEEPS_H
#define GOARENA_SWEEPS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "engine/sweep.h"

typedef enum SweepReason
{
	SWEEP_VOLUME,		   /* enough came into quarantine, on the allocation path */
	SWEEP_TRANSACTION_END, /* the same, at the end of a transaction */
	SWEEP_SQL,			   /* goarena_sweep() */
	SWEEP_RELEASE,		   /* goarena_release() */
	SWEEP_OUT_OF_MEMORY,   /* an allocation failed */
	SWEEP_LIMIT,		   /* an allocation would have crossed a limit */
	SWEEP_REQUEST		   /* goarena_sweep(pid) in another process */
} SweepReason;

typedef struct SweepRecord
{
	TimestampTz at;
	SweepReason reason;
	ga_sweep_result result;
} SweepRecord;

#define SWEEP_HISTORY 256

typedef enum TraceLevel
{
	TRACE_OFF,
	TRACE_SWEEPS, /* a log line for each sweep */
	TRACE_ALL	  /* and for each release, and at the end of each process */
} TraceLevel;

extern int goarena_trace;

/* Install the callbacks; once, from _PG_init. */
extern void SweepsInit(void);

/* A transaction is about to commit: do what is due.  And: it has ended. */
extern void SweepsBeforeCommit(void);
extern void SweepsTransactionEnd(void);

/*
 * Is it a moment for a sweep, or for a message: no critical section, no
 * interrupts held off, not in the midst of another?
 */
extern bool SafeToSweep(void);

/* Sweep now; the caller has made sure that it is safe. */
extern void RunSweep(SweepReason reason, ga_sweep_result *result);

/* Sweep, and give back all memory not in use.  Returns bytes released. */
extern size_t RunRelease(void);

/*
 * What a statement gives up while it runs, it is likely to want again: let the
 * heap keep it, whatever goarena.retain says.  Begin says what to give to End.
 * An error is an end, too.
 */
extern bool KeepExcessBegin(void);
extern void KeepExcessEnd(bool before);

/* A statement has ended: do what is due, and what other processes asked for. */
extern void MaintainAtStatementEnd(void);

extern const char *SweepReasonName(SweepReason reason);

/* The i-th sweep from the last one backwards, or NULL. */
extern const SweepRecord *SweepHistory(int i);

#endif /* GOARENA_SWEEPS_H */
