/*-------------------------------------------------------------------------
 *
 * contexts.c
 *	  Contexts of all types, so that all are used in the same way.
 *
 * AllocSet contexts get the methods they have without goarena, which
 * TopMemoryContext always has, so that they are not adopted and nothing is
 * decided at their first allocation.  Arenas come about in the way the
 * server's do: by their first allocation.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/tuplestore.h"

#include "goarena.h"
#include "goarena_bench.h"

PG_MODULE_MAGIC;

void _PG_init(void);

const char *const bench_type_names[BENCH_TYPES] = {
	[BENCH_ALLOCSET] = "AllocSet",
	[BENCH_ALLOCSET_AGAIN] = "again",
	[BENCH_GENERATION] = "Generation",
	[BENCH_SLAB] = "Slab",
	[BENCH_BUMP] = "Bump",
	[BENCH_ARENA_OFF] = "arena, off",
	[BENCH_ARENA_ON] = "arena, on",
	[BENCH_ARENA_STRICT] = "arena, strict",
};

/* goarena.quarantine for each type of arena */
static const char *const quarantine_of[BENCH_TYPES] = {
	[BENCH_ARENA_OFF] = "off",
	[BENCH_ARENA_ON] = "on",
	[BENCH_ARENA_STRICT] = "strict",
};

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		RecorderInit();
}

bool
BenchTypeExists(BenchType type)
{
	if (type == BENCH_BUMP)
		return PG_VERSION_NUM >= 170000;
	return quarantine_of[type] == NULL || GoarenaGetApi() != NULL;
}

void
BenchPrepare(BenchType type)
{
	if (quarantine_of[type] == NULL)
		return;
	SetConfigOption("goarena.quarantine", quarantine_of[type], PGC_SUSET, PGC_S_SESSION);
	SetConfigOption("goarena.quarantine_sample_rate", "1", PGC_SUSET, PGC_S_SESSION);
}

/*
 * SlabBlockSize
 *		Some objects a block.
 */
static Size
SlabBlockSize(Size size)
{
	Size result = SLAB_DEFAULT_BLOCK_SIZE;

	while (result < 8 * (size + 64))
		result *= 2;
	return result;
}

static MemoryContext
CreateAllocSet(MemoryContext parent, bool small)
{
	if (small)
		return AllocSetContextCreate(parent, "goarena bench", ALLOCSET_SMALL_SIZES);
	return AllocSetContextCreate(parent, "goarena bench", ALLOCSET_DEFAULT_SIZES);
}

MemoryContext
BenchContextCreate(BenchType type, MemoryContext parent, Size size, bool small)
{
	MemoryContext context;

	switch (type)
	{
		case BENCH_GENERATION:
			return GenerationContextCreate(parent, "goarena bench", ALLOCSET_DEFAULT_SIZES);
		case BENCH_SLAB:
			return SlabContextCreate(parent, "goarena bench", SlabBlockSize(size), size);
#if PG_VERSION_NUM >= 170000
		case BENCH_BUMP:
			return BumpContextCreate(parent, "goarena bench", ALLOCSET_DEFAULT_SIZES);
#endif
		case BENCH_ALLOCSET:
		case BENCH_ALLOCSET_AGAIN:
			context = CreateAllocSet(parent, small);
			context->methods = TopMemoryContext->methods;
			return context;
		default:
			return CreateAllocSet(parent, small);
	}
}

void
BenchCheck(BenchType type, MemoryContext context)
{
	if (GoarenaIsArena(context) != (quarantine_of[type] != NULL))
		elog(ERROR, "a context of type \"%s\" is not what it should be", bench_type_names[type]);
}

double
BenchCpuTime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

void
BenchPutRow(FunctionCallInfo fcinfo, const char *type, int round, double ns)
{
	ReturnSetInfo *rows = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[3];
	bool nulls[3] = {false};

	values[0] = CStringGetTextDatum(type);
	values[1] = Int32GetDatum(round);
	values[2] = Float8GetDatum(ns);
	tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
}
