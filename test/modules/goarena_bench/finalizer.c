/*-------------------------------------------------------------------------
 *
 * finalizer.c
 *	  What finalizers cost: so many objects are made and given one, and their context goes.
 *
 * The server's own way, a reset callback for each object, does the same in an AllocSet, and the
 * objects alone show what of it is memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"

#include "goarena.h"
#include "goarena_bench.h"

PG_FUNCTION_INFO_V1(bench_finalizers);

typedef enum FinalizerKind
{
	FINALIZER_CALLBACK,
	FINALIZER_NONE,
	FINALIZER_SET,
	FINALIZER_KINDS
} FinalizerKind;

static const char *const finalizer_names[FINALIZER_KINDS] = {"reset callbacks", "no finalizers",
															 "finalizers"};

/* An object, with what the server needs for a callback. */
typedef struct Resource
{
	MemoryContextCallback callback;
	int64 *closed;
} Resource;

static void
finalizer_close(void *object, void *arg)
{
	++*((Resource *) object)->closed;
}

static void
finalizer_callback(void *arg)
{
	finalizer_close(arg, NULL);
}

/*
 * finalizer_time
 *		CPU time of making so many objects and deleting their context, in nanoseconds.
 */
static double
finalizer_time(FinalizerKind kind, int64 count)
{
	int64 closed = 0;
	double begun;
	MemoryContext context;

	BenchPrepare(kind == FINALIZER_CALLBACK ? BENCH_ALLOCSET : BENCH_ARENA_OFF);
	begun = BenchCpuTime();
	context = kind == FINALIZER_CALLBACK
				  ? BenchContextCreate(BENCH_ALLOCSET, CurrentMemoryContext, 0, false)
				  : GoarenaContextCreate(CurrentMemoryContext, "goarena bench finalizers");
	for (int64 i = 0; i < count; i++)
	{
		Resource *resource = MemoryContextAlloc(context, sizeof(Resource));

		resource->closed = &closed;
		if (kind == FINALIZER_SET)
			GoarenaSetFinalizer(resource, finalizer_close, NULL);
		else if (kind == FINALIZER_CALLBACK)
		{
			resource->callback.func = finalizer_callback;
			resource->callback.arg = resource;
			MemoryContextRegisterResetCallback(context, &resource->callback);
		}
	}
	MemoryContextDelete(context);
	if (closed != (kind == FINALIZER_NONE ? 0 : count))
		elog(ERROR, "%lld of %lld objects were finalized", (long long) closed, (long long) count);
	return BenchCpuTime() - begun;
}

/*
 * bench_finalizers(objects integer, rounds integer) returns setof record
 */
Datum
bench_finalizers(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int round = 0; round <= PG_GETARG_INT32(1); round++)
		for (int i = 0; i < FINALIZER_KINDS; i++)
		{
			FinalizerKind kind = (FinalizerKind) ((i + round) % FINALIZER_KINDS);
			double ns;

			CHECK_FOR_INTERRUPTS();
			ns = finalizer_time(kind, PG_GETARG_INT32(0));

			/* Round 0 warms up. */
			if (round > 0)
				BenchPutRow(fcinfo, finalizer_names[kind], round, ns);
		}
	return (Datum) 0;
}
