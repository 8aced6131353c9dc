/*-------------------------------------------------------------------------
 *
 * stress.c
 *	  Random allocations, checked against what was written.
 *
 * Objects have between 0 and 3 MB, half of them below 1 kB: small ones, large
 * ones with a span to themselves, and all that lies between.  Each is filled
 * with bytes that follow from its number; that is what is checked whenever it
 * is resized, freed or reset.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_stress);
PG_FUNCTION_INFO_V1(test_churn);

#define NUM_OBJECTS 256
#define MAX_SIZE	(3 * 1024 * 1024)

typedef struct StressObject
{
	char *data; /* NULL if there is none */
	Size size;
	uint8 seed;
	bool in_child;
} StressObject;

typedef struct Stress
{
	pg_prng_state random;
	MemoryContext context;
	MemoryContext child;
	StressObject objects[NUM_OBJECTS];
	int64 allocs;
	int64 reallocs;
	int64 frees;
	int64 resets;
	int64 bytes;
} Stress;

/*
 * RandomSize
 *		Half below 1 kB, and one in 64 of up to 3 MB.
 */
static Size
RandomSize(Stress *stress)
{
	static const Size limits[] = {16, 128, 1024, 1024, 8 * 1024, 64 * 1024, 256 * 1024};
	uint64 kind = pg_prng_uint64_range(&stress->random, 0, 63);

	if (kind == 63)
		return pg_prng_uint64_range(&stress->random, 0, MAX_SIZE);
	return pg_prng_uint64_range(&stress->random, 0, limits[kind % lengthof(limits)]);
}

static inline char
ByteAt(const StressObject *object, Size offset)
{
	return (char) (object->seed + offset * 7 + (offset >> 12));
}

static void
Fill(StressObject *object, Size from)
{
	for (Size i = from; i < object->size; i++)
		object->data[i] = ByteAt(object, i);
}

/*
 * Verify
 *		Does the object hold what was written, and does it know its context?
 */
static void
Verify(Stress *stress, const StressObject *object, Size size)
{
	MemoryContext context = object->in_child ? stress->child : stress->context;

	if (GetMemoryChunkContext(object->data) != context)
		elog(ERROR, "object of %zu bytes has lost its context", object->size);
	if (GetMemoryChunkSpace(object->data) < object->size)
		elog(ERROR, "object of %zu bytes has a space of %zu", object->size,
			 GetMemoryChunkSpace(object->data));
	if ((uintptr_t) object->data % MAXIMUM_ALIGNOF != 0)
		elog(ERROR, "object of %zu bytes is not aligned", object->size);
	for (Size i = 0; i < size; i++)
		if (object->data[i] != ByteAt(object, i))
			elog(ERROR, "object of %zu bytes has changed at offset %zu", object->size, i);
}

static void
Allocate(Stress *stress, StressObject *object)
{
	int flags = MCXT_ALLOC_HUGE;

	object->size = RandomSize(stress);
	object->seed = (uint8) pg_prng_uint32(&stress->random);
	object->in_child = pg_prng_bool(&stress->random);
	if (pg_prng_uint64_range(&stress->random, 0, 7) == 0)
		flags |= MCXT_ALLOC_ZERO;
	object->data = MemoryContextAllocExtended(object->in_child ? stress->child : stress->context,
											  object->size, flags);
	if ((flags & MCXT_ALLOC_ZERO) != 0)
		for (Size i = 0; i < object->size; i++)
			if (object->data[i] != 0)
				elog(ERROR, "object of %zu bytes is not zero at offset %zu", object->size, i);
	Fill(object, 0);
	stress->allocs++;
	stress->bytes += (int64) object->size;
}

static void
Reallocate(Stress *stress, StressObject *object)
{
	Size old_size = object->size;

	object->size = RandomSize(stress);
	object->data = repalloc_huge(object->data, object->size);
	Verify(stress, object, Min(old_size, object->size));
	if (object->size > old_size)
		Fill(object, old_size);
	stress->reallocs++;
	stress->bytes += (int64) object->size;
}

static void
Release(Stress *stress, StressObject *object)
{
	Verify(stress, object, object->size);
	pfree(object->data);
	object->data = NULL;
	stress->frees++;
}

/*
 * ResetChild
 *		Sometimes by deleting it.
 */
static void
ResetChild(Stress *stress)
{
	for (int i = 0; i < NUM_OBJECTS; i++)
	{
		StressObject *object = &stress->objects[i];

		if (object->data == NULL || !object->in_child)
			continue;
		Verify(stress, object, object->size);
		object->data = NULL;
	}
	if (pg_prng_bool(&stress->random))
		MemoryContextReset(stress->child);
	else
	{
		MemoryContextDelete(stress->child);
		stress->child =
			AllocSetContextCreate(stress->context, "goarena stress child", ALLOCSET_DEFAULT_SIZES);
	}
	stress->resets++;
}

/*
 * test_stress(seed integer, operations integer) returns record
 */
Datum
test_stress(PG_FUNCTION_ARGS)
{
	int32 operations = PG_GETARG_INT32(1);
	Stress *stress = palloc0(sizeof(Stress));
	TupleDesc desc;
	Datum values[5];
	bool nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	pg_prng_seed(&stress->random, (uint64) PG_GETARG_INT32(0));
	stress->context =
		AllocSetContextCreate(CurrentMemoryContext, "goarena stress", ALLOCSET_DEFAULT_SIZES);
	stress->child =
		AllocSetContextCreate(stress->context, "goarena stress child", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < operations; i++)
	{
		StressObject *object =
			&stress->objects[pg_prng_uint64_range(&stress->random, 0, NUM_OBJECTS - 1)];

		CHECK_FOR_INTERRUPTS();
		if (pg_prng_uint64_range(&stress->random, 0, 499) == 0)
			ResetChild(stress);
		else if (object->data == NULL)
			Allocate(stress, object);
		else if (pg_prng_bool(&stress->random))
			Reallocate(stress, object);
		else
			Release(stress, object);
	}
	for (int i = 0; i < NUM_OBJECTS; i++)
		if (stress->objects[i].data != NULL)
			Release(stress, &stress->objects[i]);
	MemoryContextDelete(stress->context);

	values[0] = Int64GetDatum(stress->allocs);
	values[1] = Int64GetDatum(stress->reallocs);
	values[2] = Int64GetDatum(stress->frees);
	values[3] = Int64GetDatum(stress->resets);
	values[4] = Int64GetDatum(stress->bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * test_churn(bytes bigint, held boolean) returns void
 *		A megabyte between two resets.
 */
Datum
test_churn(PG_FUNCTION_ARGS)
{
	int64 bytes = PG_GETARG_INT64(0);
	bool held = PG_GETARG_BOOL(1);
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "goarena churn", ALLOCSET_DEFAULT_SIZES);

	if (held)
		HOLD_INTERRUPTS();
	for (int64 done = 0; done < bytes; done += 1024 * 1024)
	{
		for (int i = 0; i < 1024; i++)
			memset(MemoryContextAlloc(context, 1000), 'c', 1000);
		MemoryContextReset(context);
	}
	if (held)
		RESUME_INTERRUPTS();
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
