/*-------------------------------------------------------------------------
 *
 * dump_request.h
 *	  Asking another process for a heap dump, and waiting for it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_REQUEST_H
#define GOARENA_DUMP_REQUEST_H

#include "postgres.h"

typedef enum DumpResult
{
	DUMP_TRIED,	 /* error and number say how it went */
	DUMP_GONE,	 /* the process has ended */
	DUMP_TIMEOUT /* it has not done so in that time */
} DumpResult;

/*
 * Ask the process in a slot to write a heap dump, and wait for at most timeout_ms. *number names
 * the dump, see DumpFileName, and *error is what DumpWrite returned.  Checks for interrupts.
 */
extern DumpResult AwaitDump(int slot, int pid, int64 timeout_ms, int64 *number, int *error);

#endif /* GOARENA_DUMP_REQUEST_H */
