/*-------------------------------------------------------------------------
 *
 * finalizer.c
 *	  See finalizer.h.
 *
 * Contexts whose objects have finalizers get reset and delete methods from here, so that all others
 * pay nothing.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "engine/special.h"
#include "mcxt/arena_context.h"
#include "mcxt/finalizer.h"
#include "mcxt/foreign_text.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"
#include "mcxt/stack_trace.h"
#include "mcxt/zero_base.h"

/* What the data of a special is. */
#define DATA_FUNCTION 0
#define DATA_ARG	  1

/* A finalizer of an object that is not in an arena. */
typedef struct Callback
{
	MemoryContextCallback callback; /* must be first */
	void *object;
	Finalizer function;
	void *arg;
	MemoryContext context;
} Callback;

/* A context of which one finalizer, or all of them, are being called. */
typedef struct Running
{
	struct Running *outer;
	MemoryContext context;
	MemoryContext parent; /* when it began */
} Running;

static Running *running = NULL;			 /* innermost first */
static MemoryContext own_context = NULL; /* where finalizers allocate */
static uint64 failures = 0;				 /* ever */
static bool put_aside = false;			 /* the error under way, if any, is put aside */

/*
 * finalizer_put_error_aside
 *		Copy the error that is being handled; NULL if there is none.  The server does not say
 *		whether there is one.  But if ErrorContext holds nothing there is none, and otherwise
 *		CopyErrorData raises an error if there is none.
 */
static ErrorData *
finalizer_put_error_aside(void)
{
	MemoryContext caller = CurrentMemoryContext;
	uint32 holdoff = InterruptHoldoffCount;
	uint32 cancel_holdoff = QueryCancelHoldoffCount;
	ErrorData *volatile error = NULL;

	if (ErrorContext->isReset)
		return NULL;
	MemoryContextSwitchTo(TopMemoryContext);
	PG_TRY();
	{
		error = CopyErrorData();
	}
	PG_CATCH();
	{
		FlushErrorState();
		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return error;
}

/*
 * finalizer_put_error_back
 *		Put the copied error back if a finalizer failed since the counter stood at before: then the
 *		server has lost the error itself.
 */
static void
finalizer_put_error_back(ErrorData *error, uint64 before)
{
	MemoryContext caller = CurrentMemoryContext;

	if (error == NULL)
		return;
	if (failures != before && error->elevel == ERROR)
	{
		PG_TRY();
		{
			ReThrowError(error);
		}
		PG_CATCH();
		{
			/* The error is on the server's stack of errors again, where it was. */
		}
		PG_END_TRY();
		MemoryContextSwitchTo(caller);
	}
	FreeErrorData(error);
}

/*
 * finalizer_warn
 *		Turn the error that a finalizer raised into a WARNING.
 */
static void
finalizer_warn(MemoryContext context)
{
	MemoryContextSwitchTo(own_context);
	failures++;
	PG_TRY();
	{
		char name[CONTEXT_NAME_LENGTH];
		ErrorData *error = CopyErrorData();

		FlushErrorState();
		ereport(WARNING, (errcode(error->sqlerrcode),
						  errmsg("finalizer of an object in memory context \"%s\" failed: %s",
								 ForeignNameCopy(name, context->name, sizeof(name)),
								 error->message == NULL ? "" : error->message),
						  error->detail == NULL ? 0 : errdetail_internal("%s", error->detail),
						  error->hint == NULL ? 0 : errhint("%s", error->hint)));
		if (running->outer == NULL)
			MemoryContextReset(own_context);
	}
	PG_CATCH();
	{
		/* The warning itself failed, and nothing more can be done about that. */
		FlushErrorState();
	}
	PG_END_TRY();
}

/*
 * finalizer_guard
 *		Call a finalizer so that it returns, unless the process ends.
 */
static void
finalizer_guard(MemoryContext context, Finalizer function, void *object, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	uint32 holdoff = InterruptHoldoffCount;
	uint32 cancel_holdoff = QueryCancelHoldoffCount;
	bool outermost = running->outer == NULL;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(own_context);
	PG_TRY();
	{
		function(object, arg);
		if (outermost)
			MemoryContextReset(own_context);
	}
	PG_CATCH();
	{
		/* The error has set this to zero: set it back. */
		InterruptHoldoffCount = holdoff + 1;
		finalizer_warn(context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	InterruptHoldoffCount = holdoff;
	QueryCancelHoldoffCount = cancel_holdoff;
}

/*
 * finalizer_call
 *		Call a finalizer.  In a critical section nothing is caught, since an ERROR is a PANIC there.
 */
static void
finalizer_call(MemoryContext context, Finalizer function, void *object, void *arg)
{
	Running own = {running, context, context->parent};
	bool is_put_aside = put_aside;
	uint64 before = failures;
	ErrorData *error;

	if (CritSectionCount > 0)
	{
		function(object, arg);
		return;
	}
	error = is_put_aside ? NULL : finalizer_put_error_aside();
	put_aside = false;
	running = &own;
	finalizer_guard(context, function, object, arg);
	running = own.outer;
	put_aside = is_put_aside;
	finalizer_put_error_back(error, before);
}

/*
 * finalizer_run
 *		ga_heap.end_special for finalizers.
 */
static void
finalizer_run(ga_arena *arena, ga_special *special, ga_freed_by how)
{
	ga_place caller = stack_trace_caller;

	/* What the function frees is freed by the function, and not by the caller of the engine. */
	StackTraceCallerEnd();
	if (!proc_exit_inprogress)
		finalizer_call(ArenaSetOf(arena)->context, (Finalizer) special->data[DATA_FUNCTION],
					   ga_special_object(special), (void *) special->data[DATA_ARG]);
	stack_trace_caller = caller;
}

/*
 * finalizer_run_callback
 *		Call the finalizer that stands in a reset callback.
 */
static void
finalizer_run_callback(void *arg)
{
	Callback *callback = arg;

	if (!proc_exit_inprogress)
		finalizer_call(callback->context, callback->function, callback->object, callback->arg);
}

/*
 * finalizer_refuse_end
 *		Raise an error if a finalizer wants to reset or delete the context that it is called for.
 *		For a deletion, the server has taken the context from its parent already, so put it back
 *		first.
 */
static void
finalizer_refuse_end(MemoryContext context)
{
	char name[CONTEXT_NAME_LENGTH];

	for (const Running *at = running; at != NULL; at = at->outer)
	{
		if (at->context != context)
			continue;
		if (context->parent == NULL && at->parent != NULL)
			MemoryContextSetParent(context, at->parent);
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("memory context \"%s\" cannot be reset or deleted by a finalizer of "
							   "an object in it",
							   ForeignNameCopy(name, context->name, sizeof(name)))));
	}
}

/*
 * finalizers_end
 *		Call all finalizers of a context that is about to be reset or deleted.  When the process
 *		exits, it only forgets them: a finalizer that runs then never goes on.
 */
static void
finalizers_end(MemoryContext context, ga_freed_by how)
{
	ArenaSet *set = ArenaSetOfContext(context);
	bool is_put_aside = put_aside;
	uint64 before = failures;
	ErrorData *error = NULL;

	if (proc_exit_inprogress)
		ga_special_forget_all(&set->arena);
	else
	{
		finalizer_refuse_end(context);
		if (set->arena.specials != NULL && CritSectionCount == 0)
		{
			error = finalizer_put_error_aside();
			put_aside = true;
		}
		ga_special_end_all(&set->arena, how);
		put_aside = is_put_aside;
		finalizer_put_error_back(error, before);
	}
	set->methods.reset = ArenaContextReset;
	set->methods.delete_context = ArenaContextDelete;
}

static void
finalizers_reset(MemoryContext context)
{
	finalizers_end(context, GA_FREED_BY_RESET);
	ArenaContextReset(context);
}

static void
finalizers_delete(MemoryContext context)
{
	finalizers_end(context, GA_FREED_BY_DELETE);
	ArenaContextDelete(context);
}

/*
 * finalizer_add
 *		Attach a finalizer to an object of an arena, or raise an error.
 */
static ga_special *
finalizer_add(ArenaSet *set, void *object)
{
	refusal.crossed = NO_LIMIT_CROSSED;
	for (int tries = 0;; tries++)
	{
		ga_special *special = ga_special_add(&set->arena, object, GA_SPECIAL_FINALIZER);

		if (special != NULL)
			return special;
		refusal.context = set->context;
		refusal.size = sizeof(ga_special);
		if (tries < 2 && process_heap_callbacks->find_memory())
			continue;
		if (refusal.crossed != NO_LIMIT_CROSSED)
			process_heap_callbacks->raise_refusal(set->context, sizeof(ga_special));
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while setting a finalizer.")));
	}
}

/*
 * finalizer_set_in_arena
 *		Set or take away the finalizer of an object in an arena.
 */
static void
finalizer_set_in_arena(ArenaSet *set, void *object, Finalizer function, void *arg)
{
	ga_special *special = ga_special_find(&set->arena, object, GA_SPECIAL_FINALIZER);

	if (function == NULL)
	{
		if (special != NULL)
			ga_special_remove(&set->arena, special);
		return;
	}
	if (special != NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the object has a finalizer already")));
	if (ga_special_runs(&set->arena, object) ||
		(set->arena.specials != NULL && set->arena.specials->ending))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a finalizer cannot be set for an object that is about to end")));
	process_heap.end_special[GA_SPECIAL_FINALIZER] = finalizer_run;
	special = finalizer_add(set, object);
	special->data[DATA_FUNCTION] = (uintptr_t) function;
	special->data[DATA_ARG] = (uintptr_t) arg;
	set->methods.reset = finalizers_reset;
	set->methods.delete_context = finalizers_delete;
}

/*
 * finalizer_take_callback
 *		Take the callback with an object's finalizer off the context's list; NULL if there is none.
 */
static Callback *
finalizer_take_callback(MemoryContext context, const void *object)
{
	for (MemoryContextCallback **at = &context->reset_cbs; *at != NULL; at = &(*at)->next)
	{
		Callback *callback = (Callback *) *at;

		if ((*at)->func != finalizer_run_callback || callback->object != object)
			continue;
		*at = (*at)->next;
		return callback;
	}
	return NULL;
}

/*
 * finalizer_set_elsewhere
 *		Set or take away the finalizer of an object that is not in an arena.
 */
static void
finalizer_set_elsewhere(MemoryContext context, void *object, Finalizer function, void *arg)
{
	Callback *callback;

	if (function == NULL)
	{
		callback = finalizer_take_callback(context, object);
		if (callback != NULL)
			pfree(callback);
		return;
	}
	callback = MemoryContextAlloc(context, sizeof(*callback));
	callback->callback.func = finalizer_run_callback;
	callback->callback.arg = callback;
	callback->object = object;
	callback->function = function;
	callback->arg = arg;
	callback->context = context;
	MemoryContextRegisterResetCallback(context, &callback->callback);
}

/*
 * finalizer_is_elsewhere
 *		Does AllocSet, or another type of the server's, own this object?
 */
static bool
finalizer_is_elsewhere(const void *object)
{
	return !process_heap_ready || ga_segment_of(&process_heap, (uintptr_t) object) == NULL;
}

/*
 * finalizer_set_of
 *		Find the set of the arena that an object lies in, or raise an error.
 */
static ArenaSet *
finalizer_set_of(const void *object)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, (uintptr_t) object);

	if (chunk == NULL || chunk->arena == NULL || ArenaSetOf(chunk->arena)->context == NULL ||
		(ga_arena_check_object(chunk->arena, object) != GA_FREE_OK &&
		 !ga_special_runs(chunk->arena, object)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a finalizer can be set only for an object that was allocated")));
	return ArenaSetOf(chunk->arena);
}

void
FinalizerSet(void *object, Finalizer function, void *arg)
{
	if (own_context == NULL)
		own_context =
			AllocSetContextCreate(TopMemoryContext, "goarena finalizers", ALLOCSET_DEFAULT_SIZES);
	if (object == ZeroBase())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a finalizer cannot be set for an array of no objects")));
	if (finalizer_is_elsewhere(object))
		finalizer_set_elsewhere(GetMemoryChunkContext(object), object, function, arg);
	else
		finalizer_set_in_arena(finalizer_set_of(object), object, function, arg);
}

void
FinalizerFree(void *object)
{
	Callback *callback = NULL;

	if (finalizer_is_elsewhere(object))
		callback = finalizer_take_callback(GetMemoryChunkContext(object), object);
	if (callback != NULL)
	{
		finalizer_run_callback(callback);
		pfree(callback);
	}
	pfree(object);
}
