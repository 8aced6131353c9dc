/*-------------------------------------------------------------------------
 *
 * plain_contexts.c
 *	  Contexts that are no arenas, and memory outside of contexts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(test_leak);
PG_FUNCTION_INFO_V1(test_others);
PG_FUNCTION_INFO_V1(test_malloc);
PG_FUNCTION_INFO_V1(test_linger);

/*
 * Create
 *		AllocSets are no arenas if goarena.contexts excludes "goarena other".
 */
static MemoryContext
Create(const char *type, Size size)
{
	if (strcmp(type, "AllocSet") == 0)
		return AllocSetContextCreate(CurrentMemoryContext, "goarena other", ALLOCSET_DEFAULT_SIZES);
	if (strcmp(type, "Generation") == 0)
		return GenerationContextCreate(CurrentMemoryContext, "goarena other",
									   ALLOCSET_DEFAULT_SIZES);
	if (strcmp(type, "Slab") == 0)
		return SlabContextCreate(CurrentMemoryContext, "goarena other", SLAB_LARGE_BLOCK_SIZE,
								 size);
#if PG_VERSION_NUM >= 170000
	if (strcmp(type, "Bump") == 0)
		return BumpContextCreate(CurrentMemoryContext, "goarena other", ALLOCSET_DEFAULT_SIZES);
#endif
	elog(ERROR, "no contexts of type \"%s\"", type);
}

/*
 * Fill
 *		Allocate and write objects.  False if there is no memory.
 */
static bool
Fill(MemoryContext context, Size size, int64 bytes, int flags)
{
	for (int64 filled = 0; filled < bytes; filled += (int64) size)
	{
		char *object = MemoryContextAllocExtended(context, size, flags);

		if (object == NULL)
			return false;
		memset(object, 'o', size);
	}
	return true;
}

/*
 * Grow
 *		Have one object grow in steps of size.  Its contents stay.
 */
static void
Grow(MemoryContext context, Size size, Size bytes)
{
	char *object = MemoryContextAlloc(context, size);

	memset(object, 'o', size);
	for (Size has = size; has < bytes; has += size)
	{
		object = repalloc_huge(object, has + size);
		if (object[0] != 'o' || object[has - 1] != 'o')
			elog(ERROR, "contents have changed");
		memset(object + has, 'o', size);
	}
}

/*
 * test_others(type text, size bigint, bytes bigint, flags text) returns text
 */
Datum
test_others(PG_FUNCTION_ARGS)
{
	Size size = (Size) PG_GETARG_INT64(1);
	int64 bytes = PG_GETARG_INT64(2);
	const char *names = text_to_cstring(PG_GETARG_TEXT_PP(3));
	MemoryContext context = Create(text_to_cstring(PG_GETARG_TEXT_PP(0)), size);
	int flags = MCXT_ALLOC_HUGE;
	bool filled = true;

	if (strstr(names, "no_oom") != NULL)
		flags |= MCXT_ALLOC_NO_OOM;
	if (strstr(names, "held_off") != NULL)
		HOLD_INTERRUPTS();
	if (strstr(names, "critical") != NULL)
	{
		MemoryContextAllowInCriticalSection(context, true);
		START_CRIT_SECTION();
	}
	if (strstr(names, "grow") != NULL)
		Grow(context, size, (Size) bytes);
	else
		filled = Fill(context, size, bytes, flags);
	if (strstr(names, "critical") != NULL)
		END_CRIT_SECTION();
	if (strstr(names, "held_off") != NULL)
		RESUME_INTERRUPTS();
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text(filled ? "ok" : "null"));
}

/*
 * test_malloc(bytes bigint) returns void
 *		As libraries do that know nothing of contexts.
 */
Datum
test_malloc(PG_FUNCTION_ARGS)
{
	static char *volatile kept;
	size_t size = (size_t) PG_GETARG_INT64(0);

	kept = malloc(size);
	if (kept == NULL)
		elog(ERROR, "malloc failed");
	memset(kept, 'm', size);
	PG_RETURN_VOID();
}

/*
 * test_leak(context text, size bigint, count bigint) returns bigint
 *		What an extension's function leaks into a context that lives too long.
 */
Datum
test_leak(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int64 count = PG_GETARG_INT64(2);
	MemoryContext context = NULL;

	if (strcmp(name, "top") == 0)
		context = TopMemoryContext;
	else if (strcmp(name, "cache") == 0)
		context = CacheMemoryContext;
	else if (strcmp(name, "transaction") == 0)
		context = TopTransactionContext;
	else if (strcmp(name, "small") != 0)
		elog(ERROR, "no context \"%s\"", name);
	for (int64 i = 0; i < count; i++)
	{
		if (context == NULL)
			(void) AllocSetContextCreate(TopMemoryContext, "goarena leaked", ALLOCSET_SMALL_SIZES);
		else
			(void) MemoryContextAlloc(context, (Size) PG_GETARG_INT64(1));
	}
	PG_RETURN_INT64(count);
}

/*
 * linger
 *		Called when the process has given up its place in shared memory.
 */
static void
linger(int code, Datum arg)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), DatumGetInt32(arg));

	while (GetCurrentTimestamp() < end)
		pg_usleep(10000);
}

/*
 * test_linger(ms integer) returns void
 *		Have the exit of this process last so long, as some library can.
 */
Datum
test_linger(PG_FUNCTION_ARGS)
{
	on_proc_exit(linger, PG_GETARG_DATUM(0));
	PG_RETURN_VOID();
}
