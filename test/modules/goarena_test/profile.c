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

PG_FUNCTION_INFO_V1(test_plant);

/* Objects that live for a while. */
#define KEPT 100

extern void test_planted_leak(MemoryContext context, int i);
extern void test_planted_churn(void **kept, int i);

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
