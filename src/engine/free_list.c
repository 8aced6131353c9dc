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
free_object_next(const void *object)
{
	return (void *) (uintptr_t) (*ga_object_header(object) >> GA_HDR_NEXT_SHIFT << 3);
}

GA_INLINE void
set_free_header(const ga_arena *arena, void *object, int size_class, const void *next)
{
	*ga_object_header(object) = (uint64_t) (uintptr_t) next >> 3 << GA_HDR_NEXT_SHIFT |
								(uint64_t) size_class << GA_HDR_SIZE_SHIFT | GA_HDR_FREE |
								arena->tag;
}

/*
 * cover_of
 *		What the links in payloads are combined with.  In quarantined arenas they
 *		must not lead anywhere, like the poison around them.
 */
GA_INLINE uint64_t
cover_of(const ga_arena *arena)
{
	return arena->mode == GA_QUARANTINE_OFF ? 0 : GA_LINK_COVER;
}

GA_INLINE void
set_previous(const ga_arena *arena, void *object, const void *previous)
{
	GA_MAKE_DEFINED(object, sizeof(uint64_t));
	*(uint64_t *) object = (uint64_t) (uintptr_t) previous ^ cover_of(arena);
	GA_MAKE_NOACCESS(object, sizeof(uint64_t));
}

GA_INLINE void *
previous_of(const ga_arena *arena, void *object)
{
	uint64_t link;

	GA_MAKE_DEFINED(object, sizeof(uint64_t));
	link = *(uint64_t *) object;
	GA_MAKE_NOACCESS(object, sizeof(uint64_t));
	return (void *) (uintptr_t) (link ^ cover_of(arena));
}

static void
set_nonempty(ga_arena *arena, int size_class, bool nonempty)
{
	uint64_t *word =
		size_class < 64 ? &arena->small_free : &arena->free_lists->nonempty[size_class / 64];
	uint64_t bit = UINT64_C(1) << (size_class % 64);

	*word = nonempty ? *word | bit : *word & ~bit;
}

static bool
is_nonempty(const ga_arena *arena, int size_class)
{
	uint64_t word =
		size_class < 64 ? arena->small_free : arena->free_lists->nonempty[size_class / 64];

	return (word >> (size_class % 64) & 1) != 0;
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
	void *next = NULL;

	if (lists == NULL)
	{
		lists = ga_fixed_alloc(&arena->heap->free_lists);
		if (lists == NULL)
			return false;
		memset(lists->nonempty, 0, sizeof(lists->nonempty));
		memset(lists->counts, 0, sizeof(lists->counts));
		arena->free_lists = lists;
		arena->small_free = 0;
	}

	if (is_nonempty(arena, size_class))
	{
		next = lists->heads[size_class];
		set_previous(arena, next, object);
	}
	else
		set_nonempty(arena, size_class, true);
	set_free_header(arena, object, size_class, next);
	set_previous(arena, object, NULL);
	lists->heads[size_class] = object;
	lists->counts[size_class]++;
	arena->free_bytes += ga_class_size(size_class) + GA_HEADER_SIZE;
	return true;
}

void
ga_free_list_unlink(ga_arena *arena, void *object)
{
	ga_free_lists *lists = arena->free_lists;
	int size_class = free_object_class(object);
	void *next = free_object_next(object);
	void *previous = previous_of(arena, object);

	if (next != NULL)
		set_previous(arena, next, previous);
	if (previous != NULL)
		set_free_header(arena, previous, size_class, next);
	else
	{
		assert(lists->heads[size_class] == object);
		lists->heads[size_class] = next;
		if (next == NULL)
			set_nonempty(arena, size_class, false);
	}
	lists->counts[size_class]--;
	arena->free_bytes -= ga_class_size(size_class) + GA_HEADER_SIZE;
}

void *
ga_free_list_pop(ga_arena *arena, int size_class)
{
	void *object;

	if (arena->free_lists == NULL || !is_nonempty(arena, size_class))
		return NULL;
	object = arena->free_lists->heads[size_class];
	ga_free_list_unlink(arena, object);
	return object;
}

void
ga_free_list_clear(ga_arena *arena)
{
	if (arena->free_lists != NULL)
		ga_fixed_free(&arena->heap->free_lists, arena->free_lists);
	arena->free_lists = NULL;
	arena->small_free = 0;
	arena->free_bytes = 0;
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
		size_t count = 0;

		if (is_nonempty(arena, size_class))
			object = arena->free_lists->heads[size_class];
		for (; object != NULL; object = free_object_next(object))
		{
			const ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);

			if (chunk == NULL || chunk->arena != arena ||
				(*ga_object_header(object) & GA_HDR_STATE_MASK) != GA_HDR_FREE ||
				free_object_class(object) != size_class || previous_of(arena, object) != previous)
				return false;
			previous = object;
			count++;
		}
		if (count != arena->free_lists->counts[size_class])
			return false;
		bytes += count * (ga_class_size(size_class) + GA_HEADER_SIZE);
	}
	return bytes == arena->free_bytes;
}
