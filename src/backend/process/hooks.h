/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  What differs between majors in the server's hooks and shared memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_HOOKS_H
#define GOARENA_HOOKS_H

#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#if PG_VERSION_NUM < 160000
#include "utils/queryjumble.h"
#else
#include "nodes/queryjumble.h"
#endif

/* Up to 17 the hook has a parameter that says whether the plan will be run once only. */
#if PG_VERSION_NUM < 180000
#define EXECUTOR_RUN_PARAMETERS                                                                    \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define EXECUTOR_RUN_ARGUMENTS queryDesc, direction, count, execute_once
#else
#define EXECUTOR_RUN_PARAMETERS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define EXECUTOR_RUN_ARGUMENTS	queryDesc, direction, count
#endif

#define UTILITY_PARAMETERS                                                                         \
	PlannedStmt *pstmt, const char *queryString, bool readOnlyTree, ProcessUtilityContext context, \
		ParamListInfo params, QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc
#define UTILITY_ARGUMENTS pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc

/* From 19 on the hook has a parameter for EXPLAIN. */
#if PG_VERSION_NUM < 190000
#define PLANNER_PARAMETERS                                                                         \
	Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams
#define PLANNER_ARGUMENTS parse, query_string, cursorOptions, boundParams
#else
#define PLANNER_PARAMETERS                                                                         \
	Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams,          \
		ExplainState *es
#define PLANNER_ARGUMENTS parse, query_string, cursorOptions, boundParams, es
#endif

/* The index of a PGPROC; those of backends are below MaxBackends. */
#if PG_VERSION_NUM < 170000
#define ProcIndex(proc) ((proc)->pgprocno)
#else
#define ProcIndex(proc) ((int) GetNumberFromPGProc(proc))
#endif

/* A hash table in shared memory of a fixed number of elements. */
#if PG_VERSION_NUM < 190000
#define ShmemInitHashFixed(name, count, info, flags) ShmemInitHash(name, count, count, info, flags)
#else
#define ShmemInitHashFixed(name, count, info, flags) ShmemInitHash(name, count, info, flags)
#endif

#endif /* GOARENA_HOOKS_H */
