/*-------------------------------------------------------------------------
 *
 * goarena.h
 *	  The C interface of goarena for other extensions.
 *
 * Include this file after postgres.h.  Nothing needs to be linked: the
 * functions are found at run time, whatever the order in which libraries are
 * loaded, and where goarena is not loaded they fall back to what the server
 * has.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_H
#define GOARENA_H

/* For C++, all of this is C: postgres.h must have been included so, too. */
#ifdef __cplusplus
#define GOARENA_C_BEGIN                                                                            \
	extern "C"                                                                                     \
	{
#define GOARENA_C_END }
#else
#define GOARENA_C_BEGIN
#define GOARENA_C_END
#endif

GOARENA_C_BEGIN

#include "fmgr.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

/* Incremented when a member is added at the end; members never go away. */
#define GOARENA_API_VERSION 1

/* Is called with the object and what was given to GoarenaSetFinalizer. */
typedef void (*GoarenaFinalizer)(void *object, void *arg);

/* What a pointer points to, see GoarenaDescribePointer. */
typedef enum GoarenaPointerState
{
	GOARENA_POINTER_ELSEWHERE, /* not into memory of arenas */
	GOARENA_POINTER_LIVE,	   /* into an object, or to its beginning */
	GOARENA_POINTER_FREED,	   /* into memory that was freed */
	GOARENA_POINTER_UNUSED /* into memory of arenas where no object is; one may have been there */
} GoarenaPointerState;

#define GOARENA_POINTER_STACK 32
#define GOARENA_POINTER_QUERY 128

/* What is not known is zero. */
typedef struct GoarenaPointer
{
	GoarenaPointerState state;
	uint64 arena_id;				/* as in goarena_arenas() */
	MemoryContext context;			/* of the arena; NULL if it is gone */
	char context_name[NAMEDATALEN]; /* also of a context that is gone */
	void *object;					/* the beginning of the object */
	Size size;						/* bytes that were asked for it, or that it had at least */
	Size offset;					/* of the pointer, from the beginning of the object */
	const void *type;				/* its type */

	/* Of memory that was freed */
	const char *freed_by;					  /* "reset", "delete", "pfree" or "repalloc" */
	int64 freed_at;							  /* a TimestampTz */
	char freed_query[GOARENA_POINTER_QUERY];  /* that ran then, cut off */
	int freed_depth;						  /* of the stack */
	void *freed_stack[GOARENA_POINTER_STACK]; /* return addresses, innermost first */
} GoarenaPointer;

typedef struct GoarenaApi
{
	int version; /* GOARENA_API_VERSION of the loaded library */
	MemoryContext (*context_create)(MemoryContext parent, const char *name);
	bool (*is_arena)(MemoryContext context);
	void (*set_finalizer)(void *object, GoarenaFinalizer function, void *arg);
	void (*free)(void *object);
	void (*describe_pointer)(const void *pointer, GoarenaPointer *result, Size size);
} GoarenaApi;

/*
 * GoarenaGetApi
 *		The interface of the loaded library, or NULL if there is none.
 */
static inline const GoarenaApi *
GoarenaGetApi(void)
{
	return *(const GoarenaApi **) find_rendezvous_variable("goarena_api");
}

/*
 * GoarenaContextCreate
 *		Create a memory context that is an arena from birth, whatever
 *		goarena.enabled and goarena.contexts say.
 *
 * parent: parent context, or NULL for a top-level context
 * name: a string constant; it is not copied
 *
 * Whether the arena is quarantined follows goarena.quarantine and
 * goarena.quarantine_sample_rate.  Where goarena is not loaded, the result is
 * an AllocSet context with default sizes.  Raises ERRCODE_OUT_OF_MEMORY.
 *
 * After Go's arena.NewArena; delete the context to free the arena.
 */
static inline MemoryContext
GoarenaContextCreate(MemoryContext parent, const char *name)
{
	const GoarenaApi *api = GoarenaGetApi();

	if (api != NULL)
		return api->context_create(parent, name);
	return AllocSetContextCreateInternal(parent, name, ALLOCSET_DEFAULT_SIZES);
}

/*
 * GoarenaIsArena
 *		Is the context an arena at the moment?
 */
static inline bool
GoarenaIsArena(MemoryContext context)
{
	const GoarenaApi *api = GoarenaGetApi();

	return api != NULL && api->is_arena(context);
}

/*
 * What GoarenaSetFinalizer leaves where goarena is not loaded; not for callers.
 */
typedef struct GoarenaFinalizerCallback
{
	MemoryContextCallback callback; /* must be first */
	void *object;
	GoarenaFinalizer function;
	void *arg;
} GoarenaFinalizerCallback;

static inline void
GoarenaRunFinalizerCallback(void *arg)
{
	GoarenaFinalizerCallback *entry = (GoarenaFinalizerCallback *) arg;

	if (!proc_exit_inprogress)
		entry->function(entry->object, entry->arg);
}

/* Take an object's entry off the context's callbacks; NULL if there is none. */
static inline GoarenaFinalizerCallback *
GoarenaTakeFinalizerCallback(void *object)
{
	MemoryContextCallback **at = &GetMemoryChunkContext(object)->reset_cbs;

	for (; *at != NULL; at = &(*at)->next)
	{
		GoarenaFinalizerCallback *entry = (GoarenaFinalizerCallback *) *at;

		if ((*at)->func == GoarenaRunFinalizerCallback && entry->object == object)
		{
			*at = (*at)->next;
			return entry;
		}
	}
	return NULL;
}

static inline void
GoarenaSetFinalizerCallback(void *object, GoarenaFinalizer function, void *arg)
{
	MemoryContext context = GetMemoryChunkContext(object);
	GoarenaFinalizerCallback *entry;

	if (function == NULL)
	{
		entry = GoarenaTakeFinalizerCallback(object);
		if (entry != NULL)
			pfree(entry);
		return;
	}
	entry = (GoarenaFinalizerCallback *) MemoryContextAlloc(context, sizeof(*entry));
	entry->callback.func = GoarenaRunFinalizerCallback;
	entry->callback.arg = entry;
	entry->object = object;
	entry->function = function;
	entry->arg = arg;
	MemoryContextRegisterResetCallback(context, &entry->callback);
}

/*
 * GoarenaSetFinalizer
 *		Have a function called once before an object goes: when it is freed, or its
 *		memory context is reset or deleted, those of one context newest first.
 *		The object and all else in the context are still as they were.
 *
 * object: what palloc or the like has returned, but not palloc_aligned
 * function: NULL takes the finalizer away; an object has one at most
 * arg: is passed on
 *
 * An ERROR in the function becomes a WARNING.  The function must neither free its object
 * nor reset or delete the context.  docs/c-api.md says what it may do.
 *
 * Where goarena is not loaded, or the object is not in an arena, the function is called
 * when the context is reset or deleted, but neither pfree nor repalloc knows of it:
 * free such an object with GoarenaFree, and do not reallocate it.
 *
 * Raises ERRCODE_OUT_OF_MEMORY and, for an object in an arena,
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if it has a finalizer or is about to end, and
 * ERRCODE_INVALID_PARAMETER_VALUE for a pointer to something else.  Nothing
 * has changed then.
 *
 * After Go's runtime.SetFinalizer.
 */
static inline void
GoarenaSetFinalizer(void *object, GoarenaFinalizer function, void *arg)
{
	const GoarenaApi *api = GoarenaGetApi();

	if (api != NULL)
		api->set_finalizer(object, function, arg);
	else
		GoarenaSetFinalizerCallback(object, function, arg);
}

/*
 * GoarenaFree
 *		Call the finalizer of an object, if it has one, and free it, in any context.
 *		For an object in an arena that is what pfree does.  Elsewhere it takes
 *		time in proportion to the reset callbacks of the context that are newer.
 */
static inline void
GoarenaFree(void *object)
{
	const GoarenaApi *api = GoarenaGetApi();
	GoarenaFinalizerCallback *entry;

	if (api != NULL)
	{
		api->free(object);
		return;
	}
	entry = GoarenaTakeFinalizerCallback(object);
	if (entry != NULL)
	{
		entry->function(object, entry->arg);
		pfree(entry);
	}
	pfree(object);
}

/*
 * GoarenaDescribePointer
 *		Say what is known of a pointer, which may be any: the object that it points to
 *		or into, live or freed, and when and by whom that was freed.
 *
 * For debugging: it takes time in proportion to the chunk that the pointer points into,
 * at most goarena.chunk_size.  When memory was freed, and by whom, is known of
 * arenas that are quarantined, within goarena.free_history.  Raises no error.
 *
 * Where goarena is not loaded each pointer is GOARENA_POINTER_ELSEWHERE.
 */
static inline void
GoarenaDescribePointer(const void *pointer, GoarenaPointer *result)
{
	const GoarenaApi *api = GoarenaGetApi();

	if (api != NULL)
		api->describe_pointer(pointer, result, sizeof(*result));
	else
		memset(result, 0, sizeof(*result));
}

GOARENA_C_END

#endif /* GOARENA_H */
