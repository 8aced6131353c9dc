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

GA_INLINE void *
previous_of(const ga_arena *arena, void *object)
{
	uint64_t link;

	GA_MAKE_DEFINED(object, sizeof(uint64_t));
	link = *(uint64_t *) object;
	GA_MAKE_NOACCESS(object, sizeof(uint64_t));
	return (void *) (uintptr_t) (link ^ ga_free_list_cover(arena->mode));
}

static bool
is_nonempty(const ga_arena *arena, int size_class)
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

	ga_free_list_push_fast(arena, object, ga_class_size(size_class), size_class, arena->mode);
	return true;
}

void
ga_free_list_unlink(ga_arena *arena, void *object)
{
	ga_free_lists *lists = arena->free_lists;
	int size_class = free_object_class(object);
	void *next = ga_free_object_next(object);
	void *previous = previous_of(arena, object);

	if (next != NULL)
		ga_free_object_set_previous(next, previous, ga_free_list_cover(arena->mode));
	if (previous != NULL)
		ga_free_object_set_header(arena, previous, size_class, next);
	else
	{
		assert(lists->heads[size_class] == object);
		lists->heads[size_class] = next;
		if (next == NULL)
			*ga_free_list_word(arena, size_class) &= ~(UINT64_C(1) << (size_class & 63));
	}
	arena->free_bytes -= ga_class_size(size_class) + GA_HEADER_SIZE;
}

void *
ga_free_list_pop(ga_arena *arena, int size_class)
{
	if (arena->free_lists == NULL || !is_nonempty(arena, size_class))
		return NULL;
	return ga_free_list_pop_fast(arena, ga_class_size(size_class), size_class);
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

	if (arena->free_lists != NULL && is_nonempty(arena, size_class))
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
	for (int word = 0; word < GA_CLASS_WORDS; word++)
	{
		uint64_t classes = word == 0 ? arena->small_free : arena->free_lists->nonempty[word];

		for (; classes != 0; classes &= classes - 1)
			objects += ga_free_list_length(arena, 64 * word + __builtin_ctzl(classes));
	}
	return objects;
}

bool
ga_free_list_is_valid(const ga_arena *arena)
{
	size_t bytes = 0;

	if (arena->free_lists == NULL)
		return arena->small_free == 0 && arena->free_bytes == 0;
	for (int size_class = 0; size_class < GA_NUM_CLASSES; size_class++)
	{
		void *object = NULL;
		void *previous = NULL;

		if (is_nonempty(arena, size_class))
			object = arena->free_lists->heads[size_class];
		for (; object != NULL; object = ga_free_object_next(object))
		{
			const ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);

			if (chunk == NULL || chunk->arena != arena ||
				(*ga_object_header(object) & GA_HDR_STATE_MASK) != GA_HDR_FREE ||
				free_object_class(object) != size_class || previous_of(arena, object) != previous)
				return false;
			previous = object;
			bytes += ga_class_size(size_class) + GA_HEADER_SIZE;
		}
	}
	return bytes == arena->free_bytes;
}
