/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Events of the server that an operator wants to count.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_COUNTERS_H
#define GOARENA_COUNTERS_H

#include "postgres.h"

typedef enum Counter
{
	COUNT_LIMIT_HITS,	/* allocations that a limit refused */
	COUNT_CANCELS,		/* statements cancelled because of the total limit */
	COUNT_TERMINATIONS, /* sessions ended because of it */
	COUNT_FAULTS,		/* accesses to freed memory, and the like */
	NUM_COUNTERS
} Counter;

/* For shared_memory.c. */
extern Size CountersSize(void);
extern void CountersAttach(void *memory, bool anew);

/* Count that it happened in this process.  Async-signal-safe. */
extern void CountersAdd(Counter counter);

/*
 * How often it happened in this process; and in all processes since the server was
 * started, also before a crash of one; 0 if the library is not preloaded.
 */
extern uint64 CountersOfProcess(Counter counter);
extern uint64 CountersOfServer(Counter counter);

#endif /* GOARENA_COUNTERS_H */
