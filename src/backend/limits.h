/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  How much memory a process, and all of them, may hold.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LIMITS_H
#define GOARENA_LIMITS_H

#include "postgres.h"

#include "utils/guc.h"

/* What becomes of the one who asks for memory beyond the total limit. */
typedef enum OnTotalLimit
{
	ON_TOTAL_ERROR,			/* it fails */
	ON_TOTAL_CANCEL_LARGEST /* it waits until the largest statement was cancelled, or fails */
} OnTotalLimit;

#define NO_LIMIT (-1)

/* The least limits, in kB: a session can begin and set another one. */
#define MIN_MEMORY_LIMIT_KB (16 * 1024)
#define MIN_TOTAL_LIMIT_KB	(64 * 1024)

/* GUC variables, and the hooks of the first two. */
extern int goarena_memory_limit_kb;
extern int goarena_total_memory_limit_kb;
extern int goarena_on_total_limit;

extern bool CheckMemoryLimit(int *newval, void **extra, GucSource source);
extern void AssignMemoryLimit(int newval, void *extra);
extern bool CheckTotalMemoryLimit(int *newval, void **extra, GucSource source);
extern void AssignTotalMemoryLimit(int newval, void *extra);

/*
 * goarena.memory_limit for this session in bytes, SIZE_MAX without one: what it is
 * set to, but not above what the superuser set unless the superuser does so.
 */
extern Size MemoryLimit(void);

/* A limit is set to so much: it is looked at again, and in all contexts. */
extern void LimitsChanged(int kb);

/* Install hooks; once, from _PG_init. */
extern void LimitsInit(void);
extern void LimitSettingInit(void);

/*
 * Bytes that this process holds: memory of arenas, with that of chunks not in
 * use, the engine's own data, and what contexts that are no arenas had when
 * that was last looked at, and took since then if there is a limit.  A few
 * loads; may be called in a signal handler.
 */
extern Size UsageHeld(void);

/* Look at the contexts that are no arenas: walks all contexts. */
extern void UsageMeasureOthers(void);

/*
 * The heap refused memory because of ga_heap.limit.  Find out whether a limit is
 * crossed, and if so, whether memory can be found.  True if the allocation may
 * be tried again; or else process_heap_refusal is set.
 */
extern bool LimitsFindRoom(void);

/* A transaction ended. */
extern void LimitsAtTransactionEnd(void);

/* Much memory was given back: look again when it grows. */
extern void LimitsAfterShrinking(void);

#endif /* GOARENA_LIMITS_H */
