/*-------------------------------------------------------------------------
 *
 * symbols.h
 *	  Names for addresses of code.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SYMBOLS_H
#define GOARENA_SYMBOLS_H

#include "backend/report_text.h"

/* Set up; once, from _PG_init. */
extern void SymbolsInit(void);

/*
 * Append a line for each address of a stack: function, offset and library,
 * and file and line where debug information is installed.  May be called in a
 * signal handler.
 */
extern void SymbolsReport(ReportText *text, const uintptr_t *frames, int depth);

/* Append the present stack, seen from a signal handler, without the handler. */
extern void SymbolsReportCaller(ReportText *text, uintptr_t pc);

#endif /* GOARENA_SYMBOLS_H */
