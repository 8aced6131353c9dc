/*-------------------------------------------------------------------------
 *
 * fault_log.h
 *	  Writing to the server log in a signal handler.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_LOG_H
#define GOARENA_FAULT_LOG_H

#include "postgres.h"

#include "backend/faults/report_text.h"

/* Begin a log entry with a line: time, process, and what it is about. */
extern void FaultLogBegin(ReportText *text, const char *what);

/* The part of an entry behind that line. */
extern char *FaultLogBody(const ReportText *text);

/* Write an entry. */
extern void FaultLogWrite(const ReportText *text);

/* Write an entry of one line. */
extern void FaultLogLine(const char *what);

#endif /* GOARENA_FAULT_LOG_H */
