/*-------------------------------------------------------------------------
 *
 * clone.c
 *	  See clone.h.
 *
 * There is no recursion.  A copy that has pointers waits in a list until these are followed, and a
 * hash table leads from each object to its copy.  Both live in a context that is deleted in the
 * end.
 *
 * After Go's arena.Clone, which is shallow, and reflect's idea of a deep copy.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "engine/find.h"
#include "mcxt/clone.h"
#include "mcxt/process_heap.h"
#include "mcxt/typed_context.h"

/* An object that was copied. */
typedef struct CloneEntry
{
	uintptr_t original;
	char *copy;
	char status;
} CloneEntry;

#define SH_PREFIX			 clones
#define SH_ELEMENT_TYPE		 CloneEntry
#define SH_KEY_TYPE			 uintptr_t
#define SH_KEY				 original
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) ((key) >> 3) ^ (uint32) ((key) >> 35))
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A copy whose pointers still lead to what was there before. */
typedef struct CloneWork
{
	char *copy;
	const ga_type *type;
	Size count; /* of objects in the array */
} CloneWork;

typedef struct CloneState
{
	MemoryContext target;
	MemoryContext scratch;
	const ga_arena *arena; /* of the first object */
	clones_hash *copies;
	CloneWork *work;
	Size waiting;
	Size room;
} CloneState;

/*
 * clone_object
 *		Copy one object as it is.
 */
static char *
clone_object(MemoryContext target, const ga_found *found)
{
	Size count = found->type == NULL ? 0 : found->size / found->type->size;
	char *copy;

	if (count > 0)
		copy = TypedContextAlloc(target, found->type, count);
	else if (found->noscan)
		copy = TypedContextAllocNoscan(target, found->size);
	else
		copy = MemoryContextAllocHuge(target, found->size);
	memcpy(copy, (const void *) found->start, count > 0 ? count * found->type->size : found->size);
	return copy;
}

/*
 * clone_remember
 *		Put a copy on the list of those whose pointers are to be followed.
 */
static void
clone_remember(CloneState *state, char *copy, const ga_found *found)
{
	if (found->type == NULL || found->type->pointer_words == 0)
		return;
	if (state->waiting == state->room)
	{
		state->room *= 2;
		state->work = repalloc_huge(state->work, state->room * sizeof(CloneWork));
	}
	state->work[state->waiting++] = (CloneWork){copy, found->type, found->size / found->type->size};
}

/*
 * clone_once
 *		Return the copy of an object.  The first time, make it.
 */
static char *
clone_once(CloneState *state, const ga_found *found)
{
	bool exists;
	CloneEntry *entry = clones_insert(state->copies, found->start, &exists);
	char *copy;

	if (exists)
		return entry->copy;
	entry->copy = NULL;
	entry->copy = copy = clone_object(state->target, found);
	clone_remember(state, copy, found);
	return copy;
}

/*
 * clone_follow
 *		Set a pointer in a copy to the copy of what it points to, unless that is not to be copied.
 */
static void
clone_follow(CloneState *state, uintptr_t *pointer)
{
	ga_found found;

	if (*pointer == 0 || !ga_object_find(&process_heap, *pointer, &found))
		return;
	if (found.type == NULL && !found.noscan && found.arena != state->arena)
		return;
	*pointer += (uintptr_t) clone_once(state, &found) - found.start;
}

/*
 * clone_follow_all
 *		Follow all pointers of an array that was copied.
 */
static void
clone_follow_all(CloneState *state, const CloneWork *work)
{
	const ga_type *type = work->type;

	for (Size i = 0; i < work->count; i++)
	{
		uintptr_t *words = (uintptr_t *) (work->copy + i * type->size);

		CHECK_FOR_INTERRUPTS();
		for (Size at = 0; at < type->pointer_words; at += 64)
			for (uint64 bits = type->pointers[at / 64]; bits != 0; bits &= bits - 1)
				clone_follow(state, &words[at + (Size) __builtin_ctzll(bits)]);
	}
}

/*
 * clone_undo
 *		After an error, free what was copied.  Copies without a header stay until their context is
 *		reset.
 */
static void
clone_undo(CloneState *state)
{
	clones_iterator iterator;
	CloneEntry *entry;

	if (state->copies == NULL)
		return;
	clones_start_iterate(state->copies, &iterator);
	while ((entry = clones_iterate(state->copies, &iterator)) != NULL)
		if (entry->copy != NULL && TypedContextCanFree(entry->copy))
			pfree(entry->copy);
}

/*
 * clone_deep
 *		Copy an object, and all that its pointers lead to.
 */
static char *
clone_deep(MemoryContext target, const ga_found *first)
{
	CloneState state = {.target = target, .arena = first->arena, .room = 64};
	CloneState *volatile shared = &state;
	char *volatile result = NULL;

	state.scratch =
		AllocSetContextCreate(CurrentMemoryContext, "goarena clone", ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		state.copies = clones_create(state.scratch, 64, NULL);
		state.work = MemoryContextAlloc(state.scratch, state.room * sizeof(CloneWork));
		result = clone_once(shared, first);
		while (state.waiting > 0)
		{
			CloneWork work = state.work[--state.waiting];

			clone_follow_all(shared, &work);
		}
	}
	PG_CATCH();
	{
		clone_undo(shared);
		MemoryContextDelete(state.scratch);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextDelete(state.scratch);
	return result;
}

void *
Clone(MemoryContext context, void *pointer, bool deep)
{
	ga_found found;
	char *copy;

	if (!process_heap_ready || !ga_object_find(&process_heap, (uintptr_t) pointer, &found))
		return pointer;
	copy = deep ? clone_deep(context, &found) : clone_object(context, &found);
	return copy + ((uintptr_t) pointer - found.start);
}
