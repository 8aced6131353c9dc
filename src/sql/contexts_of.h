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

/* Raise an error unless seconds is a time that a user may wait: from 0 to a day. */
extern void ContextsCheckTimeout(float8 seconds);

/*
 * Ask a process for its contexts, and wait for its answer for at most the given seconds.  Returns a
 * palloc'd copy for ContextsNext, and in *at when the process wrote it, see RequestContexts.  Returns
 * NULL after a WARNING if nothing is known of the process.  Raises an error if the user may not see
 * it, and a WARNING if the process did not answer in time.
 */
extern void *ContextsOfProcess(int pid, float8 seconds, TimestampTz *at);

/* How old an answer of that time is; NULL for 0. */
extern const Interval *ContextsAge(TimestampTz at);

/* An identifier, which can be a whole query, cut off at a character.  palloc'd. */
extern const char *ContextShownIdent(const char *ident);

#endif /* GOARENA_CONTEXTS_OF_H */
