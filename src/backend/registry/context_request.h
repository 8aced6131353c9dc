/*-------------------------------------------------------------------------
 *
 * context_request.h
 *	  Asking another process for its contexts, or for its heap profile.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXT_REQUEST_H
#define GOARENA_CONTEXT_REQUEST_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* How asking for contexts ended. */
typedef enum RequestResult
{
	REQUEST_ANSWERED,
	REQUEST_GONE,	/* the process has ended */
	REQUEST_TIMEOUT /* it did not answer in time */
} RequestResult;

/*
 * Ask the process in a slot for its contexts and wait at most timeout_ms.  The
 * answer is a palloc'd copy for ContextsNext.  at is 0 if the process answered at its
 * work, and else says when the answer was true: if the process is idle, and after a
 * timeout, it can be what it left when it was last seen.  After a timeout there may also
 * be nothing, NULL.  Those who are privileged do not wait for others' turns.
 */
extern RequestResult RequestContexts(int slot, int pid, bool privileged, int64 timeout_ms,
									 void **answer, TimestampTz *at);

/* The same for its heap profile, for PackedNext.  Then at is always when the process answered. */
extern RequestResult RequestProfile(int slot, int pid, bool privileged, int64 timeout_ms,
									void **answer, TimestampTz *at);

#endif /* GOARENA_CONTEXT_REQUEST_H */
