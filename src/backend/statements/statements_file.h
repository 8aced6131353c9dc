/*-------------------------------------------------------------------------
 *
 * statements_file.h
 *	  Where the table of statements is kept while the server is down.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STATEMENTS_FILE_H
#define GOARENA_STATEMENTS_FILE_H

#include "backend/statements/statements.h"

/* Write the rows.  What goes wrong is logged, and there is no file then. */
extern void StatementsFileWrite(const StatementRow *rows, int count);

/*
 * Read the first rows, so many at most, into memory of the current context, and remove the file.
 * NULL and 0 if there is none.  A file that is not as it should be is logged and
 * removed as well, and counts as none.
 */
extern StatementRow *StatementsFileRead(int most, int *count);

#endif /* GOARENA_STATEMENTS_FILE_H */
