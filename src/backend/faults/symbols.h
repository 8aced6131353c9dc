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

#include "backend/faults/report_text.h"

/* Set up; once, from _PG_init. */
extern void SymbolsInit(void);

/*
 * Append a line for each address of a stack: function, offset and library,
 * and file and line where debug information is installed.  They are return
 * addresses, but for the first one if it is said to be of an instruction.  May be
 * called in a signal handler.
 */
extern void SymbolsReport(ReportText *text, const uintptr_t *frames, int depth, bool exact);

/*
 * Copy the name of the function that has an address.  False if it has none.  In either
 * case, say where it starts; 0 if that is not known.
 */
extern bool SymbolsName(uintptr_t pc, char *name, size_t size, uintptr_t *start);

#endif /* GOARENA_SYMBOLS_H */
