/*-------------------------------------------------------------------------
 *
 * stack_trace.h
 *	  Return addresses of the calling functions.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STACK_TRACE_H
#define GOARENA_STACK_TRACE_H

#include "postgres.h"

/* Load what the fallback needs; once, from _PG_init. */
extern void StackTraceInit(void);

/*
 * Store return addresses, the innermost first, and return how many.  Follows
 * frame pointers, which Debian's builds have; where the chain breaks off
 * early, unwind tables are asked, which costs microseconds.
 */
extern int StackTraceTake(uintptr_t *frames, int room);

#endif /* GOARENA_STACK_TRACE_H */
