/*-------------------------------------------------------------------------
 *
 * limit_exempt.h
 *	  Contexts in which the server is not prepared for an allocation that fails.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LIMIT_EXEMPT_H
#define GOARENA_LIMIT_EXEMPT_H

#include "postgres.h"

/*
 * How many bytes may the process hold beyond limits, so that an allocation in this context does not
 * fail? 0 for most contexts.
 */
extern Size LimitExemption(MemoryContext context);

/*
 * Must an allocation of this many bytes never be refused, because the server needs it to get to the
 * next message of the client?
 */
extern bool LimitExemptsMainLoop(MemoryContext context, Size bytes);

/* To be called when an allocation in this context was refused. */
extern void LimitExemptRefused(MemoryContext context);

/* To be called when a transaction or subtransaction is rolled back. */
extern void LimitExemptAfterError(void);

#endif /* GOARENA_LIMIT_EXEMPT_H */
