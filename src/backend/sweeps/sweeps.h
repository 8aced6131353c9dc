/*-------------------------------------------------------------------------
 *
 * sweeps.h
 *	  Running a sweep, and what a process remembers of its sweeps.
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
#include "mcxt/hot.h"

typedef enum SweepReason
{
	SWEEP_VOLUME,		   /* enough came into quarantine, on the allocation path */
	SWEEP_TRANSACTION_END, /* the same, at the end of a transaction */
	SWEEP_SQL,			   /* goarena_sweep() */
	SWEEP_RELEASE,		   /* goarena_release() */
	SWEEP_OUT_OF_MEMORY,   /* an allocation failed */
	SWEEP_LIMIT,		   /* an allocation would have crossed a limit */
	SWEEP_REQUEST,		   /* goarena_sweep(pid) in another process */
	SWEEP_IDLE			   /* soon due, and the session waits for its client */
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

HOT_EXTERN int goarena_trace;

/* A sweep runs, or something else during which none may. */
extern bool sweeps_paused;

/*
 * Is this a moment for a sweep, or for a message?  Not in a critical section, not
 * while interrupts are held off, and not while another sweep runs.
 */
extern bool SafeToSweep(void);

/*
 * Sweep now.  The caller has checked SafeToSweep, and publishes what the process holds afterwards.
 */
extern void RunSweep(SweepReason reason, ga_sweep_result *result);

/* Sweep, and give back all memory that is not in use.  Returns the bytes released. */
extern size_t RunRelease(void);

extern const char *SweepReasonName(SweepReason reason);

/* The i-th sweep from the last one backwards, or NULL. */
extern const SweepRecord *SweepHistory(int i);

#endif /* GOARENA_SWEEPS_H */
