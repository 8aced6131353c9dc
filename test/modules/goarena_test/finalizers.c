/*-------------------------------------------------------------------------
 *
 * finalizers.c
 *	  Finalizers that note when they are called, and such as do what they should not.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_finalizers);
PG_FUNCTION_INFO_V1(test_finalized);
PG_FUNCTION_INFO_V1(test_finalize_many);

/* Names of objects whose finalizers were called, and what else happened. */
static char calls[1000];
static MemoryContext context; /* of the objects */
static void *other;			  /* an object, for a finalizer to do something with */
static int64 count;

static void
note(const char *what)
{
	if (calls[0] != '\0')
		strlcat(calls, " ", sizeof(calls));
	strlcat(calls, what, sizeof(calls));
}

/* An object has its name in it, which must still be there. */
static void
noting(void *object, void *arg)
{
	note(strcmp(object, arg) == 0 ? (char *) arg : "overwritten");
}

static char *
new_object(Size size, const char *name, GoarenaFinalizer function)
{
	char *object = MemoryContextAlloc(context, size);

	strlcpy(object, name, size);
	GoarenaSetFinalizer(object, function, (void *) name);
	return object;
}

static void
counting(void *object, void *arg)
{
	count++;
}

static void
failing(void *object, void *arg)
{
	noting(object, arg);
	ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("%s fails", (char *) arg),
					errdetail("It was meant to."), errhint("Do nothing.")));
}

static void
freeing_other(void *object, void *arg)
{
	noting(object, arg);
	pfree(other);
}

static void
freeing_itself(void *object, void *arg)
{
	noting(object, arg);
	pfree(object);
}

static void
growing_itself(void *object, void *arg)
{
	noting(object, arg);
	note(repalloc(object, 5000));
}

static void
setting_another(void *object, void *arg)
{
	noting(object, arg);
	GoarenaSetFinalizer(MemoryContextAlloc(context, 10), counting, NULL);
}

static void
setting_again(void *object, void *arg)
{
	noting(object, arg);
	GoarenaSetFinalizer(object, counting, NULL);
}

static void
resetting(void *object, void *arg)
{
	noting(object, arg);
	MemoryContextReset(context);
}

static void
deleting(void *object, void *arg)
{
	noting(object, arg);
	MemoryContextDelete(context);
}

static void
allocating(void *object, void *arg)
{
	noting(object, arg);
	for (int i = 0; i < 10000; i++)
	{
		(void) MemoryContextAllocZero(context, 100);
		(void) palloc0(100);
	}
	(void) palloc0(10 * 1024 * 1024);
}

/* Each frees the one before it. */
static void
freeing_chain(void *object, void *arg)
{
	count++;
	if (arg != NULL)
		pfree(arg);
}

/*
 * report_handled
 *		Handle an error by ending the context, and see whether the error survives.
 */
static void
end_while_handling(bool inner_too)
{
	PG_TRY();
	{
		ereport(ERROR, (errcode(ERRCODE_RAISE_EXCEPTION), errmsg("the error that is handled"),
						errdetail("Its detail.")));
	}
	PG_CATCH();
	{
		(void) new_object(10, "first", failing);
		(void) new_object(10, "second", noting);
		(void) new_object(10, "third", failing);
		MemoryContextReset(context);
		if (inner_too)
		{
			GoarenaFree(new_object(10, "fourth", failing));
			MemoryContextReset(context);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
scenario_order(void)
{
	(void) new_object(10, "a", noting);
	(void) new_object(5000, "b", noting);
	(void) new_object(1000000, "c", noting);
	MemoryContextReset(context);
	note("reset");
	(void) new_object(10, "d", noting);
	(void) new_object(10, "e", noting);
	MemoryContextDelete(context);
	note("deleted");
}

static void
scenario_free(void)
{
	char *a = new_object(10, "a", noting);
	char *b = new_object(2000000, "b", noting);
	char *c = new_object(10, "c", noting);
	char *d = new_object(10, "d", noting);

	GoarenaFree(a);
	GoarenaFree(b);
	note("freed");
	GoarenaSetFinalizer(c, NULL, NULL);
	GoarenaSetFinalizer(c, NULL, NULL);
	GoarenaFree(c);
	GoarenaSetFinalizer(d, NULL, NULL);
	GoarenaSetFinalizer(d, noting, "d");
	MemoryContextDelete(context);
}

static void
scenario_pfree(void)
{
	pfree(new_object(10, "a", noting));
	note("freed");
	MemoryContextDelete(context);
}

static void
scenario_move(void)
{
	char *a = new_object(10, "a", noting);
	char *b = new_object(10, "b", noting);

	for (Size size = 20; size < 20000000; size *= 3)
	{
		a = repalloc(a, size);
		(void) MemoryContextAlloc(context, 10);
	}
	b = repalloc(repalloc(b, 3000), 100);
	pfree(b);
	MemoryContextDelete(context);
}

static void
scenario_twice(void)
{
	char *a = new_object(10, "a", noting);

	PG_TRY();
	{
		GoarenaSetFinalizer(a, counting, NULL);
	}
	PG_FINALLY();
	{
		MemoryContextDelete(context);
	}
	PG_END_TRY();
}

static void
scenario_wrong(void)
{
	GoarenaSetFinalizer(new_object(100, "a", noting) + 8, counting, NULL);
}

static void
scenario_fail(void)
{
	pfree(new_object(10, "a", failing));
	(void) new_object(10, "b", noting);
	(void) new_object(10, "c", failing);
	(void) new_object(10, "d", noting);
	MemoryContextDelete(context);
}

static void
scenario_handled(void)
{
	end_while_handling(false);
}

static void
scenario_handled_twice(void)
{
	end_while_handling(true);
}

static void
scenario_free_other(void)
{
	other = new_object(10, "a", noting);
	(void) new_object(10, "b", noting);
	(void) new_object(10, "c", freeing_other);
	MemoryContextDelete(context);
}

static void
scenario_bad_ends(void)
{
	(void) new_object(10, "a", noting);
	(void) new_object(10, "b", freeing_itself);
	(void) new_object(10, "c", growing_itself);
	(void) new_object(10, "d", setting_another);
	(void) new_object(10, "e", setting_again);
	(void) new_object(10, "f", resetting);
	(void) new_object(10, "g", deleting);
	MemoryContextReset(context);
	note("reset");
	pfree(new_object(10, "h", freeing_itself));
	pfree(new_object(10, "i", resetting));
	pfree(new_object(10, "j", deleting));
	pfree(new_object(10, "k", setting_again));
	pfree(new_object(10, "l", setting_another));
	note("freed");
	note(context->parent == TopTransactionContext ? "child" : "orphan");
	MemoryContextDelete(context);
}

static void
scenario_allocate(void)
{
	(void) new_object(10, "a", allocating);
	MemoryContextReset(context);
	note(GoarenaIsArena(context) && !context->isReset ? "not reset" : "empty");
	MemoryContextDelete(context);
}

static void
scenario_chain(void)
{
	void *last = NULL;

	for (int i = 0; i < 100000; i++)
	{
		void *object = MemoryContextAlloc(context, 100);

		GoarenaSetFinalizer(object, freeing_chain, last);
		last = object;
	}
	MemoryContextDelete(context);
	note(count == 100000 ? "all" : "not all");
}

static void
scenario_abort(void)
{
	(void) new_object(10, "a", noting);
	(void) new_object(10, "b", failing);
	elog(ERROR, "the transaction fails");
}

static void
scenario_critical(void)
{
	char *a = new_object(10, "a", noting);
	char *b = MemoryContextAlloc(context, 10);

	START_CRIT_SECTION();
	pfree(a);
	pfree(b);
	END_CRIT_SECTION();
	note("section ends");
	(void) new_object(10, "c", noting);
	START_CRIT_SECTION();
	MemoryContextReset(context);
	END_CRIT_SECTION();
	note("section ends");
	MemoryContextDelete(context);
}

static void
scenario_exit(void)
{
	(void) new_object(10, "a", noting);
	other = new_object(10, "b", failing);
	ereport(FATAL, (errmsg("the session ends")));
}

static void
ending_session(void *object, void *arg)
{
	ereport(FATAL, (errmsg("a finalizer ends the session")));
}

static void
scenario_fatal(void)
{
	(void) new_object(10, "a", failing);
	(void) new_object(10, "b", ending_session);
	MemoryContextReset(context);
}

static void
interrupted(void *object, void *arg)
{
	QueryCancelPending = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
	noting(object, arg);
}

static void
scenario_cancel(void)
{
	(void) new_object(10, "a", interrupted);
	(void) new_object(10, "b", failing);
	MemoryContextReset(context);
	note(InterruptHoldoffCount == 0 ? "not held off" : "held off");
	CHECK_FOR_INTERRUPTS();
}

static void
scenario_elsewhere(void)
{
	context = AllocSetContextCreate(TopTransactionContext, "plain", ALLOCSET_SMALL_SIZES);
	scenario_free();
	context = AllocSetContextCreate(TopTransactionContext, "plain", ALLOCSET_SMALL_SIZES);
	(void) new_object(10, "e", failing);
	GoarenaFree(new_object(10, "f", failing));
	MemoryContextDelete(context);
}

static const struct
{
	const char *name;
	void (*function)(void);
} scenarios[] = {
	{"order", scenario_order},
	{"free", scenario_free},
	{"pfree", scenario_pfree},
	{"move", scenario_move},
	{"twice", scenario_twice},
	{"wrong", scenario_wrong},
	{"fail", scenario_fail},
	{"handled", scenario_handled},
	{"handled twice", scenario_handled_twice},
	{"free other", scenario_free_other},
	{"bad ends", scenario_bad_ends},
	{"allocate", scenario_allocate},
	{"chain", scenario_chain},
	{"abort", scenario_abort},
	{"critical", scenario_critical},
	{"exit", scenario_exit},
	{"fatal", scenario_fatal},
	{"cancel", scenario_cancel},
	{"elsewhere", scenario_elsewhere},
};

/*
 * test_finalizers(scenario text) returns text
 *		What happened, in order.  The context is a child of the transaction's.
 */
Datum
test_finalizers(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	calls[0] = '\0';
	count = 0;
	context = GoarenaContextCreate(TopTransactionContext, "finalized");
	for (int i = 0; i < lengthof(scenarios); i++)
		if (strcmp(name, scenarios[i].name) == 0)
		{
			scenarios[i].function();
			PG_RETURN_TEXT_P(cstring_to_text(calls));
		}
	elog(ERROR, "no such scenario: %s", name);
}

/*
 * test_finalized() returns text
 *		What happened since the last scenario began.
 */
Datum
test_finalized(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(calls));
}

/*
 * test_finalize_many(objects bigint) returns bigint
 *		Set so many finalizers in a new context and delete it.  Returns how many were called.
 */
Datum
test_finalize_many(PG_FUNCTION_ARGS)
{
	int64 objects = PG_GETARG_INT64(0);

	count = 0;
	context = GoarenaContextCreate(TopTransactionContext, "finalized");
	for (int64 i = 0; i < objects; i++)
		GoarenaSetFinalizer(MemoryContextAlloc(context, 40), counting, NULL);
	MemoryContextDelete(context);
	PG_RETURN_INT64(count);
}
