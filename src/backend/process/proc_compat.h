/*-------------------------------------------------------------------------
 *
 * proc_compat.h
 *	  What differs between majors in a PGPROC.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PROC_COMPAT_H
#define GOARENA_PROC_COMPAT_H

#include "postgres.h"

#include "storage/proc.h"

#if PG_VERSION_NUM < 170000
#define ProcLocalTransactionId(proc) ((proc)->lxid)
#define ProcSignalNumber(proc)		 ((proc)->backendId)
#else
#define ProcLocalTransactionId(proc) ((proc)->vxid.lxid)
#define ProcSignalNumber(proc)		 GetNumberFromPGProc(proc)
#endif

#endif /* GOARENA_PROC_COMPAT_H */
