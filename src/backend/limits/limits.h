/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  How much memory a process, and all of them, may hold.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LIMITS_H
#define GOARENA_LIMITS_H

#include "postgres.h"

#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"

/*
 * How many bytes this process can still take before it crosses a limit; SIZE_MAX without one.
 */
extern Size LimitsLeft(void);

/* Set up; once, from _PG_init. */
extern void LimitsInit(void);

/*
 * The heap refused memory because of ga_heap.limit.  Find out whether that crosses a limit, and if
 * so, try to find memory.  True if the allocation may be tried again; otherwise, refusal says which
 * limit it was.
 */
extern bool LimitsFindRoom(void);

/* See ProcessHeapCallbacks. */
extern void LimitsRaise(MemoryContext context, Size size);
extern bool LimitsPlainAsk(Size bytes, bool taken);
extern void LimitsPlainTook(Size bytes);

/* A command of the client begins, and allocates. */
extern void LimitsStatementBegun(void);

/* See LimitsAfterShrinking. */
extern void LimitsLookSooner(void);

/*
 * To be called when much memory was given back: look sooner.  Not needed if the next look is due,
 * or there is no limit.
 */
static inline void
LimitsAfterShrinking(void)
{
	if (unlikely(process_heap.limit - 1 < SIZE_MAX - 1))
		LimitsLookSooner();
}

/* A transaction ended. */
static inline void
LimitsAtTransactionEnd(void)
{
	refusal.crossed = NO_LIMIT_CROSSED;
	LimitsAfterShrinking();
}

#endif /* GOARENA_LIMITS_H */
