/*-------------------------------------------------------------------------
 *
 * contexts.c
 *	  Memory of contexts that were reset or deleted on purpose.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(bug_hash_after_error);
PG_FUNCTION_INFO_V1(bug_error_text);
PG_FUNCTION_INFO_V1(bug_callback_child);
PG_FUNCTION_INFO_V1(bug_callback_own);
PG_FUNCTION_INFO_V1(bug_own_struct);
PG_FUNCTION_INFO_V1(bug_interior);
PG_FUNCTION_INFO_V1(bug_nested_reset);
PG_FUNCTION_INFO_V1(bug_pfree_after_reset);

static HTAB *
MakeTable(MemoryContext context)
{
	HASHCTL control = {
		.keysize = sizeof(int),
		.entrysize = 2 * sizeof(int),
		.hcxt = context,
	};
	HTAB *table =
		hash_create("goarena_bugs table", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	for (int key = 1; key <= 10; key++)
	{
		int *entry = hash_search(table, &key, HASH_ENTER, NULL);

		entry[1] = 100 * key;
	}
	return table;
}

/*
 * ForgetEverything
 *		What the error handler does.
 */
static pg_noinline void
ForgetEverything(MemoryContext context)
{
	FlushErrorState();
	MemoryContextReset(context);
}

/*
 * bug_hash_after_error() returns text
 *		A hash table lives in a context that an error handler resets.
 *
 * As the cache in timescale/timescaledb#9610.
 */
Datum
bug_hash_after_error(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs cache");
	MemoryContext caller = CurrentMemoryContext;
	HTAB *volatile table = MakeTable(context);
	int key = 7;
	int *entry;

	PG_TRY();
	{
		elog(ERROR, "an error that is handled");
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		ForgetEverything(context);
	}
	PG_END_TRY();

	Meanwhile();
	entry = hash_search(table, &key, HASH_FIND, NULL);
	PG_RETURN_TEXT_P(cstring_to_text(entry == NULL ? "found nothing" : LookAtInt(&entry[1], 700)));
}

/* What an error handler keeps of an error. */
typedef struct KeptError
{
	const char *text;
} KeptError;

/*
 * KeepError
 *		In PG_CATCH the current context is that of the error.
 */
static pg_noinline KeptError *
KeepError(void)
{
	KeptError *kept = palloc(sizeof(KeptError));

	kept->text = pstrdup("an error that is handled");
	return kept;
}

/*
 * bug_error_text() returns text
 *		An error handler copies what it wants to keep in the context of the error.
 */
Datum
bug_error_text(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	KeptError *volatile kept = NULL;

	PG_TRY();
	{
		elog(ERROR, "an error that is handled");
	}
	PG_CATCH();
	{
		kept = KeepError();
		FlushErrorState();
		MemoryContextSwitchTo(caller);
	}
	PG_END_TRY();

	Meanwhile();
	PG_RETURN_TEXT_P(
		cstring_to_text(kept->text[0] == 'a' ? "read the old value" : "read something else"));
}

/* What a reset callback found, or kept. */
static const char *callback_saw;
static char *callback_kept;

static void
LookAtArgument(void *arg)
{
	callback_saw = Look(arg);
}

static pg_noinline void
DropTree(MemoryContext context)
{
	MemoryContextDelete(context);
}

/*
 * bug_callback_child() returns text
 *		A reset callback uses memory of a child context.  Children are deleted
 *		before the callbacks of their parent are called.
 *
 * Callbacks that come too late for their memory: greenplum-db/gpdb#797.
 */
Datum
bug_callback_child(PG_FUNCTION_ARGS)
{
	MemoryContext parent = MakeContext("goarena_bugs parent");
	MemoryContext child = AllocSetContextCreate(parent, "goarena_bugs child", ALLOCSET_SMALL_SIZES);
	MemoryContextCallback *callback = MemoryContextAlloc(parent, sizeof(MemoryContextCallback));

	callback->func = LookAtArgument;
	callback->arg = MakeObject(child, 400);
	MemoryContextRegisterResetCallback(parent, callback);
	DropTree(parent);
	PG_RETURN_TEXT_P(cstring_to_text(callback_saw));
}

static void
KeepCopy(void *arg)
{
	callback_kept = MemoryContextStrdup(arg, callback_kept);
}

/*
 * bug_callback_own() returns text
 *		A reset callback allocates in the very context that is being deleted, and
 *		what it allocated is used later.
 */
Datum
bug_callback_own(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs session");
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	callback_kept = MakeString(context, 400);
	callback->func = KeepCopy;
	callback->arg = context;
	MemoryContextRegisterResetCallback(context, callback);
	DropTree(context);
	GoOn();
	PG_RETURN_TEXT_P(cstring_to_text(Look(callback_kept)));
}

/* A compiled function that lives in the context that it points to. */
typedef struct Compiled
{
	MemoryContext volatile context;
	char source[400];
} Compiled;

static pg_noinline Compiled *
Compile(void)
{
	MemoryContext context = MakeContext("goarena_bugs function");
	Compiled *function = MemoryContextAllocZero(context, sizeof(Compiled));

	function->context = context;
	return function;
}

static pg_noinline void
FreeCompiled(Compiled *function)
{
	MemoryContextDelete(function->context);
}

/*
 * bug_own_struct() returns text
 *		The struct whose context was deleted is told that it has none any more.
 *
 * As in babelfish-for-postgresql/babelfish_extensions#38.
 */
Datum
bug_own_struct(PG_FUNCTION_ARGS)
{
	Compiled *function = Compile();
	Compiled *next;

	FreeCompiled(function);
	Meanwhile();
	next = Compile();
	function->context = NULL;
	PG_RETURN_TEXT_P(cstring_to_text(next->context == NULL ? "overwrote somebody else's data"
														   : "overwrote free memory"));
}

static pg_noinline const char *
FindInDocument(void)
{
	MemoryContext context = MakeContext("goarena_bugs document");
	const char *document = MakeString(context, 800);
	const char *found = document + 480;

	MemoryContextDelete(context);
	return found;
}

/*
 * bug_interior() returns text
 *		A pointer into the middle of an object outlives its context.
 */
Datum
bug_interior(PG_FUNCTION_ARGS)
{
	const char *found = FindInDocument();

	GoOn();
	PG_RETURN_TEXT_P(cstring_to_text(Look(found)));
}

static MemoryContext hook_context = NULL;

/*
 * EnterHook
 *		The hook's context serves one query at a time, or so it was thought.
 */
static pg_noinline void
EnterHook(void)
{
	if (hook_context == NULL)
		hook_context =
			AllocSetContextCreate(TopMemoryContext, "goarena_bugs hook", ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(hook_context);
}

/*
 * bug_nested_reset() returns text
 *		A hook is entered a second time while the first call goes on, and resets
 *		the context of both.
 *
 * As in postgrespro/aqo#126 and supabase/wrappers#473.
 */
Datum
bug_nested_reset(PG_FUNCTION_ARGS)
{
	const char *state;

	EnterHook();
	state = MakeObject(hook_context, 400);
	EnterHook();
	(void) MakeOtherObject(hook_context, 400);
	PG_RETURN_TEXT_P(cstring_to_text(Look(state)));
}

static pg_noinline void
NextTuple(MemoryContext context)
{
	MemoryContextReset(context);
}

/*
 * bug_pfree_after_reset() returns text
 *		A tuple is freed by pfree() after the reset of its context freed it.
 *
 * As in greenplum-db/gpdb#4925.
 */
Datum
bug_pfree_after_reset(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs tuple");
	char *tuple = MakeObject(context, 400);

	NextTuple(context);
	Meanwhile();
	pfree(tuple);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text("freed free memory"));
}
