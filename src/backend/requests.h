/*-------------------------------------------------------------------------
 *
 * requests.h
 *	  Asking another process to sweep, to release, for its contexts, or to show
 *	  what it holds.
 *
 * Who asks sets a flag, and sends an interrupt to a process that takes it.  The
 * other process looks at the flag where it checks for interrupts, where its
 * allocation is slow anyway, and at the end of a statement and of a
 * transaction.  What it answers goes into shared memory that is there from the
 * start of the server on; nothing is allocated on behalf of the one who asks,
 * and no lock is taken.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_REQUESTS_H
#define GOARENA_REQUESTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "backend/registry.h"
#include "mcxt/process_heap.h"

/* What a process can be asked for. */
#define WANT_CONTEXTS 0x01
#define WANT_SWEEP	  0x02
#define WANT_RELEASE  0x04
#define WANT_FIGURES  0x08
#define WANT_TRIM	  0x10

/* For shared_memory.c. */
extern Size RequestsSize(void);
extern void RequestsAttach(void *memory, bool anew);

/* This process has taken a slot; it is about to give it up. */
extern void RequestsBegin(int slot);
extern void RequestsEnd(void);

/* Let others interrupt this process; to be called where memory can be allocated. */
extern void RequestsListen(void);
extern bool RequestsCanCome(void);

/* Do what was asked for, as far as now is a moment for it. */
extern void RequestsServe(void);

/*
 * Ask the process in a slot to give back pages that it does not use, which it does
 * wherever it checks for interrupts.  False if it cannot be asked, or was a while ago
 * and has not done so.  The one for this process itself is async-signal-safe.
 */
extern bool RequestTrim(int slot, int pid);
extern void RequestOwnTrim(void);

/* Has any process that was asked to not done so yet? */
extern bool RequestsTrimming(void);

/* Ask the process in a slot to sweep or to release. */
extern void RequestWork(int slot, int pid, uint32 want);

/*
 * Before figures of other processes are read: ask those whose figures may be old
 * to publish them, and wait for it, but only for some milliseconds in all.  Only
 * processes for which may_read says so are asked.
 */
extern void RequestFigures(bool (*may_read)(const RegistryFigures *process));

/* How asking for contexts ended. */
typedef enum RequestResult
{
	REQUEST_ANSWERED,
	REQUEST_GONE,	/* the process has ended */
	REQUEST_TIMEOUT /* it did not answer in time */
} RequestResult;

/*
 * Ask the process in a slot for its contexts and wait at most so many
 * milliseconds.  The answer is a palloc'd copy for ContextsNext.  at is 0 if the
 * process answered at its work, and else says when the answer was true: if it is idle,
 * and after a timeout, it can be what it left when it was last seen.  After a timeout there
 * may also be nothing, NULL.  privileged askers do not wait for others' turns.
 */
extern RequestResult RequestContexts(int slot, int pid, bool privileged, int64 timeout_ms,
									 void **answer, TimestampTz *at);

/* To be called where a statement or a transaction ends. */
static inline void
RequestsSafePoint(void)
{
	if (unlikely(*process_heap_wanted != 0))
		RequestsServe();
}

#endif /* GOARENA_REQUESTS_H */
