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

#include "backend/report_text.h"
#include "mcxt/free_history.h"

/* An access, as far as the processor tells. */
typedef struct FaultAccess
{
	uintptr_t address;
	bool guessed;		 /* the address is a pointer in a register, not where that led to */
	uintptr_t pc;		 /* of the instruction */
	const char *kind;	 /* "read", "write", "execute", or NULL if unknown */
	const char *outcome; /* what happens to the process */
} FaultAccess;

/* Remember the names of user and database, once; in a transaction. */
extern void FaultReportLearnNames(void);

/* The time, in a signal handler. */
extern TimestampTz FaultReportNow(void);

/* Report an access to a chunk that is not in use.  Async-signal-safe. */
extern void FaultReportAccess(ReportText *text, const FaultAccess *access, const ga_chunk *chunk);

/*
 * Report that a pointer read from freed memory was followed.  object is what may
 * have been read, and found_in where its address was found ("register" or
 * "stack"), or NULL.  Async-signal-safe.
 */
extern void FaultReportFollowed(ReportText *text, const FaultAccess *access, const ga_event *object,
								const char *found_in);

/* Report a changed poison. */
extern void FaultReportEvent(ReportText *text, const ga_event *event);

/*
 * One sentence without addresses for the client: the context and how it was
 * freed.
 */
extern void FaultSummary(ReportText *text, const ga_chunk *chunk);
extern void FaultFollowedSummary(ReportText *text, const ga_event *object);

#endif /* GOARENA_FAULT_REPORT_H */
