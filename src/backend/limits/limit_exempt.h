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
 * What may be held beyond limits for the sake of an allocation in this context, in
 * bytes; 0 for most.
 */
extern Size LimitExemption(MemoryContext context);

/*
 * Is an allocation of so many bytes never refused, because the server needs it to get to
 * the next message of the client?
 */
extern bool LimitExemptsMainLoop(MemoryContext context, Size bytes);

/* An allocation in this context was refused. */
extern void LimitExemptRefused(MemoryContext context);

/* A transaction or subtransaction is rolled back. */
extern void LimitExemptAfterError(void);

#endif /* GOARENA_LIMIT_EXEMPT_H */
