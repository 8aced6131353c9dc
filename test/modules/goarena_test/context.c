/*-------------------------------------------------------------------------
 *
 * context.c
 *	  A memory context of our own, created through goarena.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "goarena_test.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(test_create);
PG_FUNCTION_INFO_V1(test_reset);
PG_FUNCTION_INFO_V1(test_delete);
PG_FUNCTION_INFO_V1(test_fill);
PG_FUNCTION_INFO_V1(test_free_all);
PG_FUNCTION_INFO_V1(test_alloc);
PG_FUNCTION_INFO_V1(test_accounting);
PG_FUNCTION_INFO_V1(test_chunk_space);
PG_FUNCTION_INFO_V1(test_print_stats);
PG_FUNCTION_INFO_V1(test_scatter);

static MemoryContext test_context = NULL;

MemoryContext
TestContext(void)
{
	if (test_context == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("there is no test context"), errhint("Call test_create().")));
	return test_context;
}

/*
 * test_create(quarantined boolean) returns boolean
 *		With an argument, make sure that the arena is quarantined, or is not, by
 *		the rate at which it is drawn.
 */
Datum
test_create(PG_FUNCTION_ARGS)
{
	if (test_context != NULL)
		MemoryContextDelete(test_context);
	test_context = NULL;
	if (!PG_ARGISNULL(0))
		SetConfigOption("goarena.quarantine_sample_rate", PG_GETARG_BOOL(0) ? "1" : "0", PGC_SUSET,
						PGC_S_SESSION);
	test_context = GoarenaContextCreate(TopMemoryContext, "goarena test");
	PG_RETURN_BOOL(GoarenaIsArena(test_context));
}

Datum
test_reset(PG_FUNCTION_ARGS)
{
	MemoryContextReset(TestContext());
	PG_RETURN_VOID();
}

Datum
test_delete(PG_FUNCTION_ARGS)
{
	MemoryContextDelete(TestContext());
	test_context = NULL;
	PG_RETURN_VOID();
}

Datum
test_fill(PG_FUNCTION_ARGS)
{
	int64 bytes = PG_GETARG_INT64(0);
	Size size = (Size) PG_GETARG_INT32(1);
	int64 count = 0;

	for (int64 filled = 0; filled < bytes; filled += (int64) size)
	{
		memset(MemoryContextAllocHuge(TestContext(), size), 'f', size);
		count++;
	}
	PG_RETURN_INT64(count);
}

/*
 * test_free_all(count integer) returns void
 *		Allocate that many objects and free them one by one, the first first.
 */
Datum
test_free_all(PG_FUNCTION_ARGS)
{
	int count = PG_GETARG_INT32(0);
	void **objects = palloc(sizeof(void *) * (Size) count);

	for (int i = 0; i < count; i++)
		objects[i] = MemoryContextAllocZero(TestContext(), 1000);
	for (int i = 0; i < count; i++)
		pfree(objects[i]);
	PG_RETURN_VOID();
}

/*
 * test_alloc(size bigint, flags text) returns text
 *		Large objects are touched at each page only.
 */
Datum
test_alloc(PG_FUNCTION_ARGS)
{
	Size size = (Size) PG_GETARG_INT64(0);
	const char *names = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int flags = 0;
	char *object;

	if (strstr(names, "no_oom") != NULL)
		flags |= MCXT_ALLOC_NO_OOM;
	if (strstr(names, "huge") != NULL)
		flags |= MCXT_ALLOC_HUGE;
	if (strstr(names, "zero") != NULL)
		flags |= MCXT_ALLOC_ZERO;

	if (strstr(names, "critical") != NULL)
	{
		MemoryContextAllowInCriticalSection(TestContext(), true);
		START_CRIT_SECTION();
	}
	if (strstr(names, "held_off") != NULL)
		HOLD_INTERRUPTS();
	object = MemoryContextAllocExtended(TestContext(), size, flags);
	if (strstr(names, "held_off") != NULL)
		RESUME_INTERRUPTS();
	if (strstr(names, "critical") != NULL)
		END_CRIT_SECTION();
	if (object == NULL)
		PG_RETURN_TEXT_P(cstring_to_text("null"));
	if ((flags & MCXT_ALLOC_ZERO) != 0)
		for (Size i = 0; i < size; i++)
			if (object[i] != 0)
				PG_RETURN_TEXT_P(cstring_to_text("not zero"));
	for (Size i = 0; i < size; i += 4096)
		object[i] = 'a';
	if (size > 0)
		object[size - 1] = 'z';
	if (GetMemoryChunkContext(object) != TestContext() || GetMemoryChunkSpace(object) < size)
		PG_RETURN_TEXT_P(cstring_to_text("wrong header"));
	pfree(object);
	PG_RETURN_TEXT_P(cstring_to_text("ok"));
}

/*
 * test_accounting() returns record
 */
Datum
test_accounting(PG_FUNCTION_ARGS)
{
	MemoryContext context = TestContext();
	MemoryContextCounters counters = {0};
	TupleDesc desc;
	Datum values[5];
	bool nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	context->methods->stats(context, NULL, NULL, &counters, false);
	values[0] = Int64GetDatum((int64) MemoryContextMemAllocated(context, false));
	values[1] = Int64GetDatum((int64) counters.totalspace);
	values[2] = Int64GetDatum((int64) (counters.totalspace - counters.freespace));
	values[3] = Int64GetDatum((int64) counters.freespace);
	values[4] = Int64GetDatum((int64) counters.nblocks);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

Datum
test_chunk_space(PG_FUNCTION_ARGS)
{
	void *object = MemoryContextAllocHuge(TestContext(), (Size) PG_GETARG_INT64(0));
	Size space = GetMemoryChunkSpace(object);

	pfree(object);
	PG_RETURN_INT64((int64) space);
}

Datum
test_print_stats(PG_FUNCTION_ARGS)
{
	MemoryContextStats(TestContext());
	PG_RETURN_VOID();
}

/*
 * test_scatter(contexts integer) returns void
 *		Create that many contexts that are arenas and delete every second of
 *		them, so that freed memory alternates with memory in use.  The others
 *		are deleted by the next call.
 */
Datum
test_scatter(PG_FUNCTION_ARGS)
{
	static MemoryContext *scattered = NULL;
	static int count = 0;

	for (int i = 1; i < count; i += 2)
		MemoryContextDelete(scattered[i]);
	count = 0;

	if (scattered != NULL)
		pfree(scattered);
	scattered =
		MemoryContextAllocHuge(TopMemoryContext, sizeof(MemoryContext) * (PG_GETARG_INT32(0) + 1));
	for (; count < PG_GETARG_INT32(0); count++)
	{
		scattered[count] = GoarenaContextCreate(TopMemoryContext, "goarena scattered");
		(void) MemoryContextAllocZero(scattered[count], 8);
	}
	for (int i = 0; i < count; i += 2)
		MemoryContextDelete(scattered[i]);
	PG_RETURN_VOID();
}
