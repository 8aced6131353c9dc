/*-------------------------------------------------------------------------
 *
 * goarena_bench.h
 *	  What the parts of this module share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_BENCH_H
#define GOARENA_BENCH_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

typedef enum BenchType
{
	BENCH_ALLOCSET,
	BENCH_ALLOCSET_AGAIN, /* the same, to show how far equal ones are apart */
	BENCH_GENERATION,
	BENCH_SLAB,
	BENCH_BUMP,
	BENCH_ARENA_OFF,
	BENCH_ARENA_ON,
	BENCH_ARENA_STRICT,
	BENCH_TYPES
} BenchType;

extern const char *const bench_type_names[BENCH_TYPES];

/* Does this server have the type?  Arenas need goarena to be preloaded. */
extern bool BenchTypeExists(BenchType type);

/* Before contexts of a type are created: settings of goarena. */
extern void BenchPrepare(BenchType type);

/*
 * Create a context of a type; size is that of its objects for BENCH_SLAB.
 * small asks for the block sizes of contexts that stay small, where there is a
 * choice.  An arena is one after its first allocation.
 */
extern MemoryContext BenchContextCreate(BenchType type, MemoryContext parent, Size size,
										bool small);

/* An error if the context, in which something was allocated, is not of the type. */
extern void BenchCheck(BenchType type, MemoryContext context);

/* CPU time of this process in nanoseconds. */
extern double BenchCpuTime(void);

/* A row with what was measured, round and time, for a function that was begun by InitMaterializedSRF. */
extern void BenchPutRow(FunctionCallInfo fcinfo, const char *type, int round, double ns);

/* recorder.c: install it. */
extern void RecorderInit(void);

#endif /* GOARENA_BENCH_H */
