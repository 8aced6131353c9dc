/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Accesses to freed memory: reporting them, and what happens then.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_H
#define GOARENA_FAULT_H

#include "postgres.h"

#include "engine/heap.h"
#include "mcxt/arena_context.h"

/* Values of goarena.on_fault */
enum
{
	FAULT_CRASH,	/* as any segmentation fault */
	FAULT_TERMINATE /* only this backend ends, if that is safe */
};

/* GUC variable */
extern int goarena_on_fault;

/* Install the handlers; once, from _PG_init. */
extern void FaultInit(void);

/* Report that the poison of a freed object was changed. */
extern void FaultReportWrite(const ga_event *event);

/* Report a pfree of what is no live object. */
extern void FaultReportPfree(const BadPointer *bad);

#endif /* GOARENA_FAULT_H */
