/*-------------------------------------------------------------------------
 *
 * fault_test.c
 *	  Loading.  Preloaded before goarena, the library is one that handled
 *	  SIGSEGV first.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "fault_test.h"

PG_MODULE_MAGIC;

void _PG_init(void);

void
_PG_init(void)
{
	FaultSignalsInit();
	FaultSituationsInit();
	MarkGUCPrefixReserved("goarena_fault_test");
}
