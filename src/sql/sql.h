/*-------------------------------------------------------------------------
 *
 * sql.h
 *	  What the SQL functions share.
 *
 * Set-returning functions take a snapshot of the engine's lists before they
 * build rows: building rows allocates, and may so change the lists.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SQL_H
#define GOARENA_SQL_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "backend/registry/registry.h"
#include "mcxt/process_heap.h"

/* Only functions declared so are visible outside of the library. */
#define SQL_FUNCTION(name)                                                                         \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                               \
	PG_FUNCTION_INFO_V1(name)

/* Raise an error with a hint unless contexts are being adopted. */
extern void RequireActive(void);

/* Has the user the privileges of pg_read_all_stats? */
extern bool MayReadAll(void);

/*
 * May the user see figures and contexts of a process?  As for pg_stat_activity:
 * those of roles that are theirs, or all with pg_read_all_stats.
 */
extern bool MayRead(const RegistryFigures *process);

/* Raise an error unless the user may. */
extern void RequireMayRead(const RegistryFigures *process);

/* Raise an error unless the user could cancel what the process does. */
extern void RequireMaySignal(const RegistryFigures *process);

/*
 * The slot of another process, with its figures.  -1 after a WARNING if there is
 * no such process, so that a query over many goes on when one has ended; an
 * error without shared memory.
 */
extern int FindProcess(int pid, RegistryFigures *process);
extern void WarnNoProcess(int pid);

static inline Datum
CountDatum(size_t bytes)
{
	return Int64GetDatum((int64) bytes);
}

#endif /* GOARENA_SQL_H */
