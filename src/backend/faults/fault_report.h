/*-------------------------------------------------------------------------
 *
 * fault_report.h
 *	  What a report of an access to freed memory says.
 *
 * A report is a text of lines "key: value", the values of which
 * goarena_faults() shows as columns, followed by the stacks.
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

/* Functions of the stack that are reported. */
#define FAULT_STACK_DEPTH 48

/* An access, as far as the processor tells. */
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
 * What all reports begin with, and may end with.  Async-signal-safe, as all that
 * follows.
 */
extern void FaultReportHead(ReportText *text, FaultKind kind, const FaultAccess *access);

/* The same, and what else is known but for the stacks. */
extern void FaultReport(ReportText *text, FaultKind kind, const FaultAccess *access,
						const FaultMemory *memory);

/* The stacks, of the access, of the allocation if it was kept, and of the free. */
extern void FaultReportStacks(ReportText *text, FaultKind kind, const FaultAccess *access,
							  const FaultMemory *memory);

/* Report a changed poison. */
extern void FaultReportEvent(ReportText *text, const ga_event *event);

/* Report a pfree of what is no live object, with the stack of that. */
extern void FaultReportBadPointer(ReportText *text, const BadPointer *bad, const uintptr_t *stack,
								  int depth);

/*
 * One sentence without addresses for the client: the context and how it was
 * freed.
 */
extern void FaultSummary(ReportText *text, FaultKind kind, const FaultMemory *memory);

/* Another one with the statement that the client sent; nothing if there is none. */
extern void FaultSummaryStatement(ReportText *text);

#endif /* GOARENA_FAULT_REPORT_H */
