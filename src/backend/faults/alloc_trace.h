/*-------------------------------------------------------------------------
 *
 * alloc_trace.h
 *	  goarena.debug = alloctrace: a log of allocations and frees.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ALLOC_TRACE_H
#define GOARENA_ALLOC_TRACE_H

#include "mcxt/arena_context.h"
#include "mcxt/hot.h"

/* Log an allocation or free, unless there were too many in this second. */
extern void AllocTrace(const AllocationTrace *trace);

/* Entries that were left out since the last line that said so, and that line. */
HOT_EXTERN uint64 alloc_traces_left_out;
extern void AllocTraceLeftOut(void);

/* To be called at the end of a transaction: logs how many were left out. */
static inline void
AllocTraceTransactionEnd(void)
{
	if (unlikely(alloc_traces_left_out > 0))
		AllocTraceLeftOut();
}

#endif /* GOARENA_ALLOC_TRACE_H */
