/*-------------------------------------------------------------------------
 *
 * allocator.c
 *	  Time patterns of allocation over contexts of all types.
 *
 * A sample is the CPU time of one operation on contexts of one type, measured
 * over some milliseconds after a warm-up.  In each round there is a sample of
 * each type, beginning with another one each time.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "goarena_bench.h"

PG_FUNCTION_INFO_V1(bench_allocator);

#define GROW_TO		   (16 * 1024 * 1024) /* bytes of all objects together */
#define OPS_BETWEEN	   1000				  /* at least, between looks at the clock */
#define MAX_COUNT	   1000000
#define BYTES_PER_PAGE 4096

typedef struct Pattern Pattern;

/* What is being measured. */
typedef struct Trial
{
	const Pattern *pattern;
	BenchType type;
	Size size;
	int count;
	MemoryContext parent;
	MemoryContext context;
	void **objects; /* count of them */
	int oldest;		/* index in objects, for fifo */
} Trial;

struct Pattern
{
	const char *name;
	void (*begin)(Trial *trial);
	int (*cycle)(Trial *trial); /* returns the number of operations */
	bool long_cycles;			/* look at the clock after each */
	bool frees;					/* uses pfree */
	bool reallocs;				/* uses repalloc */
};

/*
 * Touch
 *		Nobody allocates what is not written to.
 */
static inline void *
Touch(void *object)
{
	*(uint64 *) object = 0;
	return object;
}

static void
BeginContext(Trial *trial)
{
	trial->context = BenchContextCreate(trial->type, trial->parent, trial->size, false);
}

static int
BulkCycle(Trial *trial)
{
	for (int i = 0; i < trial->count; i++)
		Touch(MemoryContextAlloc(trial->context, trial->size));
	MemoryContextReset(trial->context);
	return trial->count;
}

static void
BeginFifo(Trial *trial)
{
	BeginContext(trial);
	for (int i = 0; i < trial->count; i++)
		trial->objects[i] = Touch(MemoryContextAlloc(trial->context, trial->size));
	trial->oldest = 0;
}

static int
FifoCycle(Trial *trial)
{
	int i = trial->oldest;

	for (int done = 0; done < OPS_BETWEEN; done++)
	{
		pfree(trial->objects[i]);
		trial->objects[i] = Touch(MemoryContextAlloc(trial->context, trial->size));
		if (++i == trial->count)
			i = 0;
	}
	trial->oldest = i;
	return OPS_BETWEEN;
}

/*
 * GrowCycle
 *		As strings and arrays grow: each doubles, in turn, and the new half is
 *		written to.
 */
static int
GrowCycle(Trial *trial)
{
	Size limit = GROW_TO / (Size) trial->count;
	int operations = trial->count;

	for (int i = 0; i < trial->count; i++)
		trial->objects[i] = Touch(MemoryContextAlloc(trial->context, trial->size));
	for (Size size = 2 * trial->size; size <= limit; size *= 2)
	{
		for (int i = 0; i < trial->count; i++)
		{
			char *object = repalloc(trial->objects[i], size);

			for (Size at = size / 2; at < size; at += BYTES_PER_PAGE)
				object[at] = 0;
			trial->objects[i] = object;
		}
		operations += trial->count;
	}
	MemoryContextReset(trial->context);
	return operations;
}

static void
BeginNothing(Trial *trial)
{
	trial->context = NULL;
}

static int
CreateCycle(Trial *trial)
{
	MemoryContext context = BenchContextCreate(trial->type, trial->parent, trial->size, false);

	for (int i = 0; i < trial->count; i++)
		Touch(MemoryContextAlloc(context, trial->size));
	MemoryContextDelete(context);
	return 1;
}

static const Pattern patterns[] = {
	{"bulk", BeginContext, BulkCycle, false, false, false},
	{"fifo", BeginFifo, FifoCycle, true, true, false},
	{"grow", BeginContext, GrowCycle, true, false, true},
	{"create", BeginNothing, CreateCycle, false, false, false},
};

static const Pattern *
FindPattern(const char *name)
{
	for (int i = 0; i < lengthof(patterns); i++)
		if (strcmp(patterns[i].name, name) == 0)
			return &patterns[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no such pattern: \"%s\"", name)));
}

static bool
Applies(const Pattern *pattern, BenchType type)
{
	if (type == BENCH_BUMP && pattern->frees)
		return false;
	if ((type == BENCH_BUMP || type == BENCH_SLAB) && pattern->reallocs)
		return false;
	return BenchTypeExists(type);
}

/*
 * CheckType
 *		Make sure that what is measured is what it is said to be.  That is done in the first round: by
 *		the second, goarena has learned which contexts stay small, and leaves these to AllocSet, as
 *		in a server, unless they are quarantined.
 */
static void
CheckType(const Trial *trial)
{
	MemoryContext context = BenchContextCreate(trial->type, trial->parent, trial->size, false);

	(void) MemoryContextAlloc(context, trial->size);
	BenchCheck(trial->type, context);
	MemoryContextDelete(context);
}

/*
 * RunFor
 *		Run cycles for that long and return the time of an operation.
 */
static double
RunFor(Trial *trial, double ns)
{
	int step = trial->pattern->long_cycles ? OPS_BETWEEN : trial->count + 1;
	double start = BenchCpuTime();
	double operations = 0;
	double passed;

	do
	{
		for (int n = 0; n < OPS_BETWEEN; n += step)
			operations += trial->pattern->cycle(trial);
		CHECK_FOR_INTERRUPTS();
		passed = BenchCpuTime() - start;
	} while (passed < ns);
	return passed / operations;
}

static double
Sample(Trial *trial, double ns, bool first_round)
{
	double result;

	BenchPrepare(trial->type);
	if (first_round)
		CheckType(trial);
	trial->pattern->begin(trial);
	(void) RunFor(trial, ns / 10);
	result = RunFor(trial, ns);
	if (trial->context != NULL)
		MemoryContextDelete(trial->context);
	return result;
}

/*
 * bench_allocator(pattern text, size integer, count integer, rounds integer,
 *				   sample_ms double precision) returns setof record
 */
Datum
bench_allocator(PG_FUNCTION_ARGS)
{
	Trial trial = {0};
	int rounds = PG_GETARG_INT32(3);
	double ns = PG_GETARG_FLOAT8(4) * 1e6;

	trial.pattern = FindPattern(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (PG_GETARG_INT32(1) < 8 || PG_GETARG_INT32(1) > GROW_TO || PG_GETARG_INT32(2) < 1 ||
		PG_GETARG_INT32(2) > MAX_COUNT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("size or count is out of range")));
	trial.size = (Size) PG_GETARG_INT32(1);
	trial.count = PG_GETARG_INT32(2);
	trial.parent =
		AllocSetContextCreate(CurrentMemoryContext, "goarena bench parent", ALLOCSET_SMALL_SIZES);
	trial.objects = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(void *) * trial.count);

	InitMaterializedSRF(fcinfo, 0);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < BENCH_TYPES; i++)
		{
			trial.type = (BenchType) ((i + round) % BENCH_TYPES);
			if (Applies(trial.pattern, trial.type))
				BenchPutRow(fcinfo, bench_type_names[trial.type], round + 1,
							Sample(&trial, ns, round == 0));
		}
	return (Datum) 0;
}
