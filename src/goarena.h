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
#define GOARENA_API_VERSION 2

/*
 * What is known of objects: how large they are, and which of their words are
 * pointers.  Made by GoarenaTypeCreate and its like; lives as long as the process.
 */
typedef struct GoarenaType
{
	Size size;		/* bytes of one object */
	Size alignment; /* 1, 2, 4 or 8 */
	uint16 number;	/* 0: made where goarena was not loaded */
} GoarenaType;

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
	const GoarenaType *type;		/* its type; NULL if it has none, or no pointers */

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

	/* since version 2 */
	const GoarenaType *(*type_create)(const char *name, Size size, Size alignment,
									  const uint64 *pointers);
	void *(*alloc_array)(MemoryContext context, const GoarenaType *type, Size count);
	void *(*resize_array)(MemoryContext context, void *pointer, const GoarenaType *type,
						  Size old_count, Size count);
	void *(*clone)(MemoryContext context, void *pointer, bool deep);
} GoarenaApi;

/*
 * GoarenaGetApi
 *		The interface of the loaded library, or NULL if there is none.
 */
static inline const GoarenaApi *
GoarenaGetApi(void)
{
	static void **variable = NULL;

	/* The variable stays where it is; looking for it takes longer than an allocation. */
	if (variable == NULL)
		variable = find_rendezvous_variable("goarena_api");
	return (const GoarenaApi *) *variable;
}

/*
 * GoarenaGetApiSince
 *		The same, but NULL as well if the library is older than a version.
 */
static inline const GoarenaApi *
GoarenaGetApiSince(int version)
{
	const GoarenaApi *api = GoarenaGetApi();

	return api != NULL && api->version >= version ? api : NULL;
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
 *
 * Memory without pointers that has no header is not freed before its context is reset: for such
 * memory this always raises ERRCODE_FEATURE_NOT_SUPPORTED. pfree notices it only for objects of 64
 * bytes and more, or, in a quarantined arena, of 16 bytes and more.  To free an array of 0 objects
 * does nothing.
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
 *		Find out what is known of a pointer, whatever it is: the object that it points to or into,
 *		live or freed, and when and by whom that was freed.
 *
 * For debugging: takes time in proportion to the chunk that the pointer points into, at most
 * goarena.chunk_size.  When and by whom memory was freed is known for quarantined arenas, and for
 * the last goarena.free_history frees.  Raises no error.
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

/*
 * Types
 *
 * Make a type once in a process, when it is first needed.  A description that is already known
 * gives the type that has it.  There can be 65,535 types, and none can be made in the postmaster
 * (by a library in shared_preload_libraries while it loads).  Where goarena is not loaded, each
 * call makes a type of which only the size is used.
 */

/*
 * GoarenaTypeCreate
 *		Make a type whose pointers a bitmap gives.
 *
 * name: for those who look at the heap; copied, and cut to 63 bytes
 * size: bytes of one object, 1 to MaxAllocSize and a multiple of alignment; sizeof
 * alignment: 1, 2, 4 or 8; 8 if there are pointers
 * pointers: bit i % 64 of pointers[i / 64] says that the word i * 8 bytes from the beginning
 *		may hold a pointer, for all size / 8 words; NULL if none does.  Copied.
 *
 * A sweep does not see a pointer in a word without its bit: what it points to may be used again
 * after it was freed.  When in doubt, set the bit.
 *
 * Raises ERRCODE_INVALID_PARAMETER_VALUE, ERRCODE_PROGRAM_LIMIT_EXCEEDED (too many
 * types), ERRCODE_OUT_OF_MEMORY.  After Go's runtime._type.
 */
static inline const GoarenaType *
GoarenaTypeCreate(const char *name, Size size, Size alignment, const uint64 *pointers)
{
	const GoarenaApi *api = GoarenaGetApiSince(2);
	GoarenaType *type;

	if (api != NULL)
		return api->type_create(name, size, alignment, pointers);
	if (size == 0 || size > MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("type \"%s\" cannot have size %zu", name, size)));
	type = (GoarenaType *) MemoryContextAllocZero(TopMemoryContext, sizeof(GoarenaType));
	type->size = size;
	type->alignment = alignment;
	return type;
}

/*
 * GoarenaTypeFromOffsets
 *		Make a type whose pointers are at the given offsets in bytes, multiples of 8.  Its alignment
 *		is 8.
 *
 * Arguments and errors as of GoarenaTypeCreate.  An offset at which the type has no word raises
 * ERRCODE_INVALID_PARAMETER_VALUE, too.
 *
 *	static const Size offsets[] = {offsetof(Node, left), offsetof(Node, right)};
 *	node_type = GoarenaTypeFromOffsets("Node", sizeof(Node), lengthof(offsets), offsets);
 */
static inline const GoarenaType *
GoarenaTypeFromOffsets(const char *name, Size size, int count, const Size *offsets)
{
	const GoarenaType *type;
	uint64 *pointers;

	if (size > MaxAllocSize)
		return GoarenaTypeCreate(name, size, 8, NULL);
	pointers = (uint64 *) palloc0((size / 8 / 64 + 1) * sizeof(uint64));
	for (int i = 0; i < count; i++)
	{
		if (offsets[i] % 8 != 0 || offsets[i] >= size || size - offsets[i] < 8)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("type \"%s\" has no word at offset %zu", name, offsets[i])));
		pointers[offsets[i] / 8 / 64] |= UINT64CONST(1) << offsets[i] / 8 % 64;
	}
	type = GoarenaTypeCreate(name, size, 8, pointers);
	pfree(pointers);
	return type;
}

/*
 * GoarenaTypePointerFree
 *		Make a type without pointers.  Arguments and errors as of GoarenaTypeCreate.
 */
static inline const GoarenaType *
GoarenaTypePointerFree(const char *name, Size size, Size alignment)
{
	return GoarenaTypeCreate(name, size, alignment, NULL);
}

/*
 * Typed memory
 *
 * All of it is zeroed, and aligned to 8 bytes or, if it is smaller than 16 bytes and
 * has no pointers, to the alignment of its type.
 *
 * Objects with pointers are like others: pfree frees them, and repalloc lets them
 * grow, after which they have no type.  What has no pointers lies at the back
 * of the arena's chunks without a header, unless it is larger than a quarter of
 * goarena.chunk_size.  It goes when the context is reset or deleted; GoarenaFree and GoarenaResizeArray know it,
 * but pfree, repalloc and all other functions of the server that take a pointer must not get it.
 *
 * Where goarena is not loaded, and where the context is no arena, it is palloc'd.
 */

/*
 * GoarenaAllocArray
 *		Allocate an array of objects of a type.
 *
 * count: number of objects.  With 0 the result is one address for all, which may be freed but
 *		never dereferenced; where goarena is not loaded, it is what palloc(0) returns.
 *
 * Raises ERRCODE_PROGRAM_LIMIT_EXCEEDED if size and count come to more than
 * MaxAllocHugeSize, ERRCODE_OUT_OF_MEMORY.  After Go's runtime.mallocgc and userArena.alloc.
 */
static inline void *
GoarenaAllocArray(MemoryContext context, const GoarenaType *type, Size count)
{
	const GoarenaApi *api = GoarenaGetApiSince(2);

	if (api != NULL)
		return api->alloc_array(context, type, count);
	if (count > MaxAllocHugeSize / type->size)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("array size exceeds the maximum allowed"),
						errdetail("%zu objects of %zu bytes were asked for.", count, type->size)));
	return MemoryContextAllocExtended(context, type->size * count,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * GoarenaAlloc
 *		Allocate one object of a type.  Errors as of GoarenaAllocArray.
 */
static inline void *
GoarenaAlloc(MemoryContext context, const GoarenaType *type)
{
	return GoarenaAllocArray(context, type, 1);
}

/*
 * GoarenaResizeArray
 *		Give an array another number of objects; those that are new are zeroed.
 *
 * context: where it was allocated
 * pointer: the array, or NULL for none
 * type: what it was allocated with
 * old_count, count: number of objects it has, and is to have
 *
 * Returns where it is now.  An array without header stays where it is until its context is
 * reset, and a copy of it grows: double such arrays, or give them room at once.
 * Raises the errors of GoarenaAllocArray; the array is then as it was.
 */
static inline void *
GoarenaResizeArray(MemoryContext context, void *pointer, const GoarenaType *type, Size old_count,
				   Size count)
{
	const GoarenaApi *api = GoarenaGetApiSince(2);
	void *grown;

	if (api != NULL)
		return api->resize_array(context, pointer, type, old_count, count);
	if (pointer == NULL || count > MaxAllocHugeSize / type->size)
		return GoarenaAllocArray(context, type, count);
	grown = repalloc_huge(pointer, type->size * count);
	if (count > old_count)
		memset((char *) grown + type->size * old_count, 0, type->size * (count - old_count));
	return grown;
}

/*
 * Copies out of an arena
 *
 * Where goarena is not loaded, both raise ERRCODE_FEATURE_NOT_SUPPORTED, since nobody knows
 * where pointers are: if GoarenaIsArena says false of a context, build in the context of the result.
 */

/*
 * goarena_clone_with
 *		Used by the next two.
 */
static inline void *
goarena_clone_with(MemoryContext context, void *pointer, bool deep)
{
	const GoarenaApi *api = GoarenaGetApiSince(2);

	if (api == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("objects of arenas can only be copied where goarena is loaded")));
	return api->clone(context, pointer, deep);
}

/*
 * GoarenaClone
 *		Copy the object of an arena that a pointer points into; its pointers stay as they
 *		are.
 *
 * context: where the copy is to live; any context.  It has a type if that is an arena.
 * pointer: into an object.  What is not in an arena is not copied, but returned as it is.
 *
 * Returns what points into the copy.  Raises ERRCODE_OUT_OF_MEMORY.  After Go's arena.Clone.
 */
static inline void *
GoarenaClone(MemoryContext context, void *pointer)
{
	return goarena_clone_with(context, pointer, false);
}

/*
 * GoarenaCloneDeep
 *		Copy the object that a pointer points into, and all that its pointers lead to.  Arguments
 *		and result as of GoarenaClone.
 *
 * Objects of any arena whose type is known, and what has no pointers, are copied once
 * each, so that cycles and shared parts are what they were.  Objects without a type, which
 * palloc made, are copied as they are if they lie in the same arena as the first one and
 * it is their beginning that is pointed to.  All else stays, and pointers to it.
 *
 * The stack that it takes does not grow.  Raises ERRCODE_OUT_OF_MEMORY, and what interrupts
 * raise; copies made by then are freed as far as they have headers.
 */
static inline void *
GoarenaCloneDeep(MemoryContext context, void *pointer)
{
	return goarena_clone_with(context, pointer, true);
}

GOARENA_C_END

#endif /* GOARENA_H */
