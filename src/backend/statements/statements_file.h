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
 * Read at most the first most rows into memory of the current context, and remove the file.
 * Returns NULL and *count = 0 if there is none.  A damaged file is logged and removed, and counts as
 * none.
 */
extern StatementRow *StatementsFileRead(int most, int *count);

#endif /* GOARENA_STATEMENTS_FILE_H */
