/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  What a heap profile should find: a function that leaks among others that do not.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "goarena.h"

PG_FUNCTION_INFO_V1(test_plant);
PG_FUNCTION_INFO_V1(test_plant_small);

/* Objects that live for a while. */
#define KEPT 100

extern void test_planted_leak(MemoryContext context, int i);
extern void test_planted_churn(void **kept, int i);
extern void test_planted_small(MemoryContext context);
extern void test_planted_growth(MemoryContext context, Size bytes);

/*
 * test_planted_leak
 *		From 0 to 2,000 bytes, as one likes to forget about: 1,000 in the mean.
 */
pg_noinline void
test_planted_leak(MemoryContext context, int i)
{
	char *object = MemoryContextAlloc(context, (Size) (i * 7919 % 2001));

	*(volatile char *) object = 1;
}

/*
 * test_planted_churn
 *		Allocates as much, and some large objects that grow, but frees all of it.
 */
pg_noinline void
test_planted_churn(void **kept, int i)
{
	void **object = &kept[i % KEPT];

	if (*object != NULL)
		pfree(*object);
	*object = palloc((Size) (i * 7907 % 3001));
	if (i % 100 == 0)
		*object = repalloc(*object, 100 * 1000);
}

/*
 * test_plant(count integer) returns void
 *		Leaks 1,000 bytes as often.
 */
Datum
test_plant(PG_FUNCTION_ARGS)
{
	int count = PG_GETARG_INT32(0);
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "goarena planted", ALLOCSET_DEFAULT_SIZES);
	void *kept[KEPT] = {NULL};

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		test_planted_leak(context, i);
		test_planted_churn(kept, i);
	}
	PG_RETURN_VOID();
}

/*
 * test_planted_small
 *		1,000 bytes, as code with a context of its own does.
 */
pg_noinline void
test_planted_small(MemoryContext context)
{
	for (int i = 0; i < 10; i++)
		*(volatile char *) MemoryContextAlloc(context, 100) = 1;
}

/*
 * test_planted_growth
 *		One object that grows as a StringInfo does, and stays.
 */
pg_noinline void
test_planted_growth(MemoryContext context, Size bytes)
{
	char *object = MemoryContextAlloc(context, 100);

	for (Size size = 200; size < bytes; size *= 2)
		object = repalloc_huge(object, size);
	object = repalloc_huge(object, bytes);
	object[bytes - 1] = 1;
}

/*
 * test_plant_small(contexts integer, growth bigint) returns integer
 *		How many of the contexts that came and went were arenas in the end.
 */
Datum
test_plant_small(PG_FUNCTION_ARGS)
{
	int contexts = PG_GETARG_INT32(0);
	MemoryContext context;
	int arenas = 0;

	for (int i = 0; i < contexts; i++)
	{
		CHECK_FOR_INTERRUPTS();
		context =
			AllocSetContextCreate(CurrentMemoryContext, "goarena small", ALLOCSET_SMALL_SIZES);
		test_planted_small(context);
		arenas += GoarenaIsArena(context);
		MemoryContextDelete(context);
	}
	context = AllocSetContextCreate(TopMemoryContext, "goarena small", ALLOCSET_SMALL_SIZES);
	test_planted_growth(context, (Size) PG_GETARG_INT64(1));
	PG_RETURN_INT32(arenas);
}
