/*-------------------------------------------------------------------------
 *
 * requests.h
 *	  Asking another process to sweep, to release, or for its contexts.
 *
 * Who asks sets a flag.  The other process looks at it where its allocation is
 * slow anyway, at the end of a statement and of a transaction.  What it answers
 * goes into memory that the one who asks has prepared; nothing is allocated on
 * its behalf, and no lock is taken.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_REQUESTS_H
#define GOARENA_REQUESTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "mcxt/process_heap.h"

/* What a process can be asked for. */
#define WANT_CONTEXTS 0x01
#define WANT_SWEEP	  0x02
#define WANT_RELEASE  0x04

/* For shared_memory.c. */
extern Size RequestsSize(void);
extern void RequestsAttach(void *memory, bool anew);

/* This process has taken a slot. */
extern void RequestsBegin(int slot);

/* Do what was asked for, as far as now is a moment for it. */
extern void RequestsServe(void);

/* Ask the process in a slot to sweep or to release. */
extern void RequestWork(int slot, int pid, uint32 want);

/* How asking for contexts ended. */
typedef enum RequestResult
{
	REQUEST_ANSWERED,
	REQUEST_GONE,	/* the process has ended */
	REQUEST_TIMEOUT /* it did not answer in time, or there was no room to do so */
} RequestResult;

/*
 * Ask the process in a slot for its contexts and wait at most so many
 * milliseconds.  The answer is a palloc'd copy for ContextsNext; at says since
 * when it is known if it is a snapshot of an idle process, and is 0 if not.
 */
extern RequestResult RequestContexts(int slot, int pid, int64 timeout_ms, void **answer,
									 TimestampTz *at);

/* To be called where a statement or a transaction ends. */
static inline void
RequestsSafePoint(void)
{
	if (unlikely(*process_heap_wanted != 0))
		RequestsServe();
}

#endif /* GOARENA_REQUESTS_H */
