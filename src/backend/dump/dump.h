/*-------------------------------------------------------------------------
 *
 * dump.h
 *	  Writing what is in the heap of this process to a file.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_H
#define GOARENA_DUMP_H

#include "postgres.h"

/*
 * Write a heap dump of this process to the file that DumpFileName names for the number.  To be
 * called only at a moment for a sweep (SafeToSweep).  Returns 0, or an errno, and then there is no
 * file: ECANCELED if the query was cancelled, or the process is to end.  Allocates nothing and
 * raises no errors.
 */
extern int DumpWrite(int64 number);

#endif /* GOARENA_DUMP_H */
