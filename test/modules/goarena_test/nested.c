/*-------------------------------------------------------------------------
 *
 * nested.c
 *	  A chain of memory contexts, each the child of the one before.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(test_nest);
PG_FUNCTION_INFO_V1(test_unnest);

static MemoryContext innermost = NULL;

static double
processor_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void
nest(int depth, bool allocate)
{
	for (int i = 0; i < depth; i++)
	{
		innermost = AllocSetContextCreate(innermost, "goarena nested", ALLOCSET_SMALL_SIZES);
		if (allocate)
			(void) MemoryContextAlloc(innermost, 8);
	}
}

/*
 * test_nest(depth integer, allocate boolean) returns double precision
 *		Processor time that the innermost tenth took, in times of the outermost.
 */
Datum
test_nest(PG_FUNCTION_ARGS)
{
	int tenth = PG_GETARG_INT32(0) / 10;
	bool allocate = PG_GETARG_BOOL(1);
	double outermost_time;
	double start;

	if (innermost == NULL)
		innermost = TopMemoryContext;
	start = processor_time();
	nest(tenth, allocate);
	outermost_time = processor_time() - start;
	nest(8 * tenth, allocate);
	start = processor_time();
	nest(tenth, allocate);
	PG_RETURN_FLOAT8((processor_time() - start) / outermost_time);
}

/*
 * test_unnest() returns void
 *		One by one from the inside: to delete the outermost would have the server call
 *		itself for each.
 */
Datum
test_unnest(PG_FUNCTION_ARGS)
{
	while (innermost != NULL && innermost != TopMemoryContext)
	{
		MemoryContext parent = innermost->parent;

		MemoryContextDelete(innermost);
		innermost = parent;
	}
	PG_RETURN_VOID();
}
