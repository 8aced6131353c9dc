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

/* Log an allocation or free, unless there were too many in this second. */
extern void AllocTrace(const AllocationTrace *trace);

/* To be called at the end of a transaction: logs how many were left out. */
extern void AllocTraceTransactionEnd(void);

#endif /* GOARENA_ALLOC_TRACE_H */
