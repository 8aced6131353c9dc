/*-------------------------------------------------------------------------
 *
 * fault_report.h
 *	  What a report of an access to freed memory says.
 *
 * A report is a text: lines "key: value", whose values goarena_faults() shows as columns, and then
 * the stacks.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_REPORT_H
#define GOARENA_FAULT_REPORT_H

#include "postgres.h"

#include "backend/faults/fault_find.h"
#include "backend/faults/report_text.h"
#include "engine/heap.h"
#include "mcxt/arena_context.h"

/* The number of functions of a stack that are reported. */
#define FAULT_STACK_DEPTH 48

/* An access, as the processor describes it. */
typedef struct FaultAccess
{
	uintptr_t address;
	bool guessed;		 /* the address is a pointer in a register, not where that led to */
	const char *kind;	 /* "read", "write", "execute", or NULL if unknown */
	const char *outcome; /* what happens to the process */
	int depth;			 /* of the stack: the instruction, then return addresses */
	uintptr_t stack[FAULT_STACK_DEPTH];
} FaultAccess;

/* The time, in a signal handler. */
extern TimestampTz FaultReportNow(void);

/*
 * Write what all reports begin with.  If a step fails, it is all that they have.
 * Async-signal-safe, as are all functions here.
 */
extern void FaultReportHead(ReportText *text, FaultKind kind, const FaultAccess *access);

/* Write that, and all else that is known, except the stacks. */
extern void FaultReport(ReportText *text, FaultKind kind, const FaultAccess *access,
						const FaultMemory *memory);

/* Write the stacks of the access, of the allocation if it was kept, and of the free. */
extern void FaultReportStacks(ReportText *text, FaultKind kind, const FaultAccess *access,
							  const FaultMemory *memory);

/* Write a report of an object whose poison was changed. */
extern void FaultReportEvent(ReportText *text, const ga_event *event);

/* Write a report of a pfree of what is no live object; stack is that of the pfree. */
extern void FaultReportBadPointer(ReportText *text, const BadPointer *bad, const uintptr_t *stack,
								  int depth);

/*
 * Write a sentence for the client, without addresses: which context, and how it was freed.
 */
extern void FaultSummary(ReportText *text, FaultKind kind, const FaultMemory *memory);

/* Write a sentence with the statement that the client sent; nothing if there is none. */
extern void FaultSummaryStatement(ReportText *text);

#endif /* GOARENA_FAULT_REPORT_H */
