/*-------------------------------------------------------------------------
 *
 * free_list.c
 *	  See free_list.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "free_list.h"

GA_INLINE int
free_object_class(const void *object)
{
	return (int) (*ga_object_header(object) >> GA_HDR_SIZE_SHIFT & 0xff);
}

static bool
free_list_is_nonempty(const ga_arena *arena, int size_class)
{
	uint64_t word =
		size_class < 64 ? arena->small_free : arena->free_lists->nonempty[size_class / 64];

	return (word >> (size_class & 63) & 1) != 0;
}

size_t
ga_free_object_size(const void *object)
{
	return ga_class_size(free_object_class(object));
}

GA_NOINLINE size_t *
ga_free_list_counter_elsewhere(ga_arena *arena, const void *object)
{
	ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);

	return chunk == arena->active ? &arena->active_freed : &chunk->freed;
}

bool
ga_free_list_push(ga_arena *arena, void *object, int size_class)
{
	ga_free_lists *lists = arena->free_lists;

	if (lists == NULL)
	{
		lists = ga_fixed_alloc(&arena->heap->free_lists);
		if (lists == NULL)
			return false;
		memset(lists->nonempty, 0, sizeof(lists->nonempty));
		arena->free_lists = lists;
		arena->small_free = 0;
	}

	ga_free_list_push_fast(arena, ga_free_list_word(arena, size_class), object,
						   ga_class_size(size_class), size_class,
						   ga_free_list_counter(arena, object));
	return true;
}

void *
ga_free_list_pop(ga_arena *arena, int size_class)
{
	if (arena->free_lists == NULL || !free_list_is_nonempty(arena, size_class))
		return NULL;
	return ga_free_list_pop_fast(arena, ga_free_list_word(arena, size_class),
								 ga_class_size(size_class), size_class);
}

/*
 * free_list_next_nonempty
 *		Find the first class, from this one on, that has free objects; GA_NUM_CLASSES if there is
 *		none.
 */
static int
free_list_next_nonempty(const ga_arena *arena, int size_class)
{
	while (size_class < GA_NUM_CLASSES && !free_list_is_nonempty(arena, size_class))
		size_class++;
	return size_class;
}

#define ga_class_foreach(size_class, arena)                                                        \
	for (int size_class = free_list_next_nonempty(arena, 0); size_class < GA_NUM_CLASSES;          \
		 size_class = free_list_next_nonempty(arena, size_class + 1))

/*
 * free_list_link
 *		Let an object follow another one on the list of a class; NULL stands for the head and for the
 *		end.
 */
static void
free_list_link(ga_arena *arena, int size_class, void *before, void *object)
{
	if (before != NULL)
		ga_free_object_set_header(arena, before, size_class, object);
	else if (object != NULL)
		arena->free_lists->heads[size_class] = object;
	else
		*ga_free_list_word(arena, size_class) &= ~(UINT64_C(1) << (size_class & 63));
}

/*
 * free_list_drop_from
 *		Drop the objects of vacant chunks from the list of one class.  They have *bytes bytes or less;
 *		subtracts what was found of that.
 */
static void
free_list_drop_from(ga_arena *arena, int size_class, size_t *bytes)
{
	size_t size = ga_class_size(size_class) + GA_HEADER_SIZE;
	void **head = &arena->free_lists->heads[size_class];
	void *last = NULL; /* of those that stay */
	bool dropped = false;
	void *object;

	for (object = *head; object != NULL && *bytes > 0; object = ga_free_object_next(object))
	{
		if (ga_chunk_is_vacant(ga_heap_lookup(arena->heap, (uintptr_t) object)))
		{
			*bytes -= size;
			arena->free_bytes -= size;
			dropped = true;
			continue;
		}
		if (dropped)
			free_list_link(arena, size_class, last, object);
		dropped = false;
		last = object;
	}
	if (dropped)
		free_list_link(arena, size_class, last, object);
}

void
ga_free_list_drop_vacant(ga_arena *arena, size_t bytes)
{
	ga_class_foreach (size_class, arena)
		free_list_drop_from(arena, size_class, &bytes);
}

void
ga_free_list_destroy(ga_arena *arena)
{
	ga_free_list_clear(arena);
	if (arena->free_lists != NULL)
		ga_fixed_free(&arena->heap->free_lists, arena->free_lists);
	arena->free_lists = NULL;
}

size_t
ga_free_list_length(const ga_arena *arena, int size_class)
{
	size_t length = 0;

	if (arena->free_lists != NULL && free_list_is_nonempty(arena, size_class))
		for (void *object = arena->free_lists->heads[size_class]; object != NULL;
			 object = ga_free_object_next(object))
			length++;
	return length;
}

size_t
ga_free_list_objects(const ga_arena *arena)
{
	size_t objects = 0;

	if (arena->free_bytes == 0)
		return 0;
	ga_class_foreach (size_class, arena)
		objects += ga_free_list_length(arena, size_class);
	return objects;
}

bool
ga_free_list_is_valid(const ga_arena *arena)
{
	size_t bytes = 0;

	if (arena->free_lists == NULL)
		return arena->small_free == 0 && arena->free_bytes == 0;
	ga_class_foreach (size_class, arena)
		for (void *object = arena->free_lists->heads[size_class]; object != NULL;
			 object = ga_free_object_next(object))
		{
			const ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);

			if (chunk == NULL || chunk->arena != arena ||
				(*ga_object_header(object) & GA_HDR_STATE_MASK) != GA_HDR_FREE ||
				free_object_class(object) != size_class)
				return false;
			bytes += ga_class_size(size_class) + GA_HEADER_SIZE;
		}
	return bytes == arena->free_bytes;
}
