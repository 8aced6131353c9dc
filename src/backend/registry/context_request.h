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

/* How a request ended. */
typedef enum RequestResult
{
	REQUEST_ANSWERED,
	REQUEST_GONE,	/* the process has ended */
	REQUEST_TIMEOUT /* it did not answer in time */
} RequestResult;

/*
 * Ask the process in a slot for its contexts, and wait for at most timeout_ms. *answer is a
 * palloc'd copy for ContextsNext. *at is 0 if the process answered at its work.  Otherwise it says
 * when the answer was true: of an idle process, and after a timeout, it can be the last snapshot.
 * After a timeout it can also be NULL. Requests that are privileged come before others.
 */
extern RequestResult RequestContexts(int slot, int pid, bool privileged, int64 timeout_ms,
									 void **answer, TimestampTz *at);

/* Ask for its heap profile, for PackedNext. *at is always when the process answered. */
extern RequestResult RequestProfile(int slot, int pid, bool privileged, int64 timeout_ms,
									void **answer, TimestampTz *at);

#endif /* GOARENA_CONTEXT_REQUEST_H */
