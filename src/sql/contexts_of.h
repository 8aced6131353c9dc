/*-------------------------------------------------------------------------
 *
 * contexts_of.h
 *	  The contexts of another process, for the functions that show them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXTS_OF_H
#define GOARENA_CONTEXTS_OF_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* Raise an error unless a user may wait for so many seconds: from 0 to a day. */
extern void ContextsCheckTimeout(float8 seconds);

/*
 * Ask a process for its contexts, and wait for at most so many seconds.  The answer is a
 * palloc'd copy for ContextsNext, and at says of when it is, see RequestContexts.  NULL
 * after a WARNING if nothing is known of the process; an error if the user may not see it.
 * There is a WARNING, too, if the process did not answer in time.
 */
extern void *ContextsOfProcess(int pid, float8 seconds, TimestampTz *at);

/* How old an answer of that time is; NULL for 0. */
extern const Interval *ContextsAge(TimestampTz at);

/* An identifier, which can be a whole query, cut off at a character.  palloc'd. */
extern const char *ContextShownIdent(const char *ident);

#endif /* GOARENA_CONTEXTS_OF_H */
