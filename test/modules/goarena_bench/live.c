/*-------------------------------------------------------------------------
 *
 * live.c
 *	  Memory for sweeps to scan, and to compare them with a plain read.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "goarena.h"
#include "goarena_bench.h"

PG_FUNCTION_INFO_V1(bench_live);
PG_FUNCTION_INFO_V1(bench_read);
PG_FUNCTION_INFO_V1(bench_retire);

#define OBJECT_SIZE 1024
#define WORDS		(OBJECT_SIZE / sizeof(uint64))

static MemoryContext live_parent = NULL;
static uint64 **live_objects;
static int64 num_live;

/*
 * Fill
 *		As tuples, nodes and strings are: some pointers among small numbers,
 *		text and zeros.
 */
static uint64 *
Fill(uint64 *object, const void *neighbour)
{
	for (int i = 0; i < WORDS; i += 4)
	{
		object[i] = i % 8 == 0 ? (uint64) (uintptr_t) neighbour : 0;
		object[i + 1] = (uint64) i;
		memcpy(&object[i + 2], "goarena bench...", 2 * sizeof(uint64));
	}
	return object;
}

/*
 * bench_live(bytes bigint, arenas integer) returns void
 */
Datum
bench_live(PG_FUNCTION_ARGS)
{
	int64 count = PG_GETARG_INT64(0) / OBJECT_SIZE;
	int arenas = PG_GETARG_INT32(1);
	const void *last = NULL;

	if (count < 0 || arenas < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("bytes or arenas is out of range")));
	if (live_parent != NULL)
		MemoryContextDelete(live_parent);
	live_parent =
		AllocSetContextCreate(TopMemoryContext, "goarena bench live", ALLOCSET_DEFAULT_SIZES);
	live_objects = MemoryContextAllocHuge(live_parent, sizeof(void *) * (Size) (count + 1));
	num_live = 0;
	for (int i = 0; i < arenas; i++)
	{
		MemoryContext context = GoarenaContextCreate(live_parent, "goarena bench live arena");

		CHECK_FOR_INTERRUPTS();
		while (num_live < count * (i + 1) / arenas)
		{
			live_objects[num_live] = Fill(MemoryContextAlloc(context, OBJECT_SIZE), last);
			last = live_objects[num_live++];
		}
	}
	PG_RETURN_VOID();
}

/*
 * ReadAll
 *		The sum keeps the compiler from leaving it out.
 */
static uint64
ReadAll(void)
{
	uint64 sum = 0;

	for (int64 i = 0; i < num_live; i++)
	{
		const uint64 *object = live_objects[i];

		for (int j = 0; j < WORDS; j++)
			sum += object[j];
	}
	return sum;
}

/*
 * bench_read() returns record
 */
Datum
bench_read(PG_FUNCTION_ARGS)
{
	static volatile uint64 result;
	struct timespec start;
	struct timespec end;
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	clock_gettime(CLOCK_MONOTONIC, &start);
	result = ReadAll();
	clock_gettime(CLOCK_MONOTONIC, &end);
	(void) result;

	values[0] = Int64GetDatum(num_live * OBJECT_SIZE);
	values[1] = Float8GetDatum((double) (end.tv_sec - start.tv_sec) * 1e3 +
							   (double) (end.tv_nsec - start.tv_nsec) / 1e6);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * bench_retire(bytes bigint) returns void
 */
Datum
bench_retire(PG_FUNCTION_ARGS)
{
	MemoryContext context = GoarenaContextCreate(TopMemoryContext, "goarena bench retired");

	for (int64 done = 0; done < PG_GETARG_INT64(0); done += OBJECT_SIZE)
		Fill(MemoryContextAlloc(context, OBJECT_SIZE), context);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
