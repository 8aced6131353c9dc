/*-------------------------------------------------------------------------
 *
 * newer.c
 *	  What memory contexts of 16 and later can do.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "goarena.h"
#include "utils/builtins.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_aligned);
PG_FUNCTION_INFO_V1(test_other_types);

#if PG_VERSION_NUM >= 160000

#define OBJECTS 200

typedef struct Aligned
{
	char *object;
	Size size;
	Size alignment;
	char fill;
} Aligned;

/*
 * Wrong
 *		What is wrong with an object, or NULL.
 */
static const char *
Wrong(const Aligned *aligned, Size size)
{
	if ((uintptr_t) aligned->object % aligned->alignment != 0)
		return "not aligned";
	if (GetMemoryChunkContext(aligned->object) != TestContext())
		return "of another context";
	if (GetMemoryChunkSpace(aligned->object) < aligned->size)
		return "too small";
	for (Size i = 0; i < size; i++)
		if (aligned->object[i] != aligned->fill)
			return "not what was written";
	return NULL;
}

/*
 * Operate
 *		Allocate, reallocate or free one object.
 */
static const char *
Operate(pg_prng_state *random, Aligned *aligned)
{
	Size size =
		(Size) pg_prng_uint64_range(random, 1, (uint64) 1 << pg_prng_uint64_range(random, 3, 17));
	Size kept = 0;
	const char *wrong;

	if (aligned->object != NULL && pg_prng_bool(random))
	{
		pfree(aligned->object);
		aligned->object = NULL;
		return NULL;
	}
	if (aligned->object == NULL)
	{
		aligned->alignment = (Size) 1 << pg_prng_uint64_range(random, 3, 14);
		aligned->object = MemoryContextAllocAligned(TestContext(), size, aligned->alignment, 0);
	}
	else
	{
		kept = Min(size, aligned->size);
		aligned->object = repalloc(aligned->object, size);
	}
	aligned->size = size;
	wrong = Wrong(aligned, kept);
	aligned->fill = (char) pg_prng_uint32(random);
	memset(aligned->object, aligned->fill, size);
	return wrong;
}

/*
 * test_aligned(seed integer, operations integer) returns text
 *		"ok", or what is wrong.
 */
Datum
test_aligned(PG_FUNCTION_ARGS)
{
	static Aligned objects[OBJECTS];
	const char *wrong = NULL;
	pg_prng_state random;

	memset(objects, 0, sizeof(objects));
	MemoryContextReset(TestContext());
	pg_prng_seed(&random, (uint64) PG_GETARG_INT32(0));
	for (int i = 0; i < PG_GETARG_INT32(1) && wrong == NULL; i++)
		wrong = Operate(&random, &objects[pg_prng_uint64_range(&random, 0, OBJECTS - 1)]);
	for (int i = 0; i < OBJECTS && wrong == NULL; i++)
		if (objects[i].object != NULL)
			wrong = Wrong(&objects[i], objects[i].size);
	PG_RETURN_TEXT_P(cstring_to_text(wrong == NULL ? "ok" : wrong));
}

/*
 * IsLeftAlone
 *		Allocates in a context, so that it is decided on, and deletes it.
 */
static bool
IsLeftAlone(MemoryContext context, Size size)
{
	char *object = MemoryContextAlloc(context, size);
	bool result = !GoarenaIsArena(context);

	memset(object, 'o', size);
	MemoryContextDelete(context);
	return result;
}

/*
 * test_other_types() returns boolean
 *		Are contexts of other types than AllocSet left as they are?
 */
Datum
test_other_types(PG_FUNCTION_ARGS)
{
	bool result = IsLeftAlone(
		GenerationContextCreate(CurrentMemoryContext, "generation", ALLOCSET_DEFAULT_SIZES), 100);

	result &= IsLeftAlone(SlabContextCreate(CurrentMemoryContext, "slab", 8192, 100), 100);
#if PG_VERSION_NUM >= 170000
	result &=
		IsLeftAlone(BumpContextCreate(CurrentMemoryContext, "bump", ALLOCSET_DEFAULT_SIZES), 100);
#endif
	PG_RETURN_BOOL(result);
}

#else

Datum
test_aligned(PG_FUNCTION_ARGS)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("this server cannot allocate aligned memory")));
}

Datum
test_other_types(PG_FUNCTION_ARGS)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("not for this server")));
}

#endif
