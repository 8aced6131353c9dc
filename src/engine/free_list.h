/*-------------------------------------------------------------------------
 *
 * free_list.h
 *	  Free lists by size class, for objects that were freed one by one.
 *
 * The lists are doubly linked through the objects themselves, so that all
 * objects of a chunk can be taken out when the chunk leaves its arena: the
 * header word of a free object holds its class and the next object, the
 * first word of the payload the previous one.  The owner word stays: a server
 * that has one finds by it whose object this is when it is freed once more.  In
 * quarantined arenas the word in the payload is combined with GA_LINK_COVER.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_FREE_LIST_H
#define GA_FREE_LIST_H

#include <string.h>

#include "arena.h"

struct ga_free_lists
{
	uint64_t nonempty[GA_CLASS_WORDS]; /* the first word's truth is arena->small_free */
	void *heads[GA_NUM_CLASSES];	   /* valid where nonempty says so */
};

GA_INLINE void *
ga_free_object_next(const void *object)
{
	return (void *) (uintptr_t) (*ga_object_header(object) >> GA_HDR_NEXT_SHIFT << 3);
}

GA_INLINE void
ga_free_object_set_header(const ga_arena *arena, void *object, int size_class, const void *next)
{
	*ga_object_header(object) = (uint64_t) (uintptr_t) next >> 3 << GA_HDR_NEXT_SHIFT |
								(uint64_t) size_class << GA_HDR_SIZE_SHIFT | GA_HDR_FREE |
								arena->tag;
}

/* In quarantined arenas links must not lead anywhere, like the poison around them. */
GA_INLINE uint64_t
ga_free_list_cover(ga_quarantine mode)
{
	return mode == GA_QUARANTINE_OFF ? 0 : GA_LINK_COVER;
}

GA_INLINE void
ga_free_object_set_previous(void *object, const void *previous, uint64_t cover)
{
	GA_MAKE_DEFINED(object, sizeof(uint64_t));
	*(uint64_t *) object = (uint64_t) (uintptr_t) previous ^ cover;
	GA_MAKE_NOACCESS(object, sizeof(uint64_t));
}

/* The word of the bitmap of lists that are not empty, where a class has its bit. */
GA_INLINE uint64_t *
ga_free_list_word(ga_arena *arena, int size_class)
{
	return size_class < 64 ? &arena->small_free : &arena->free_lists->nonempty[size_class / 64];
}

/* As ga_free_list_push, where the lists exist; mode is the arena's. */
GA_INLINE void
ga_free_list_push_fast(ga_arena *arena, void *object, size_t size, int size_class,
					   ga_quarantine mode)
{
	uint64_t cover = ga_free_list_cover(mode);
	uint64_t *word = ga_free_list_word(arena, size_class);
	uint64_t bit = UINT64_C(1) << (size_class & 63);
	void **head = &arena->free_lists->heads[size_class];
	void *next = NULL;

	if ((*word & bit) != 0)
	{
		next = *head;
		ga_free_object_set_previous(next, object, cover);
	}
	*word |= bit;
	*head = object;
	ga_free_object_set_header(arena, object, size_class, next);
	ga_free_object_set_previous(object, NULL, cover);
	arena->free_bytes += size + GA_HEADER_SIZE;
}

/* As ga_free_list_pop, where the list is not empty. */
GA_INLINE void *
ga_free_list_pop_fast(ga_arena *arena, size_t size, int size_class)
{
	void **head = &arena->free_lists->heads[size_class];
	void *object = *head;
	void *next = ga_free_object_next(object);

	*head = next;
	if (next != NULL)
		ga_free_object_set_previous(next, NULL, ga_free_list_cover(arena->mode));
	else
		*ga_free_list_word(arena, size_class) &= ~(UINT64_C(1) << (size_class & 63));
	arena->free_bytes -= size + GA_HEADER_SIZE;
	return object;
}

/*
 * Put a freed object of a class's size on its list.  False if there is no
 * memory for the lists: the object's memory then waits for the next reset.
 */
extern bool ga_free_list_push(ga_arena *arena, void *object, int size_class);

/* Take an object of the class off its list; NULL if there is none. */
extern void *ga_free_list_pop(ga_arena *arena, int size_class);

/* Take this object off its list. */
extern void ga_free_list_unlink(ga_arena *arena, void *object);

/* Empty all lists at once. */
GA_INLINE void
ga_free_list_clear(ga_arena *arena)
{
	if (arena->free_bytes == 0)
		return;
	memset(arena->free_lists->nonempty, 0, sizeof(arena->free_lists->nonempty));
	arena->small_free = 0;
	arena->free_bytes = 0;
}

/* Empty the lists of an arena that ends, and give back their memory. */
extern void ga_free_list_destroy(ga_arena *arena);

/* Size of a FREE object in bytes. */
extern size_t ga_free_object_size(const void *object);

/* How many objects are on the list of a class, and on all?  Walks them: for statistics. */
extern size_t ga_free_list_length(const ga_arena *arena, int size_class);
extern size_t ga_free_list_objects(const ga_arena *arena);

/* Are the links, classes and sizes of all lists right?  For ga_heap_check. */
extern bool ga_free_list_is_valid(const ga_arena *arena);

/*
 * Free a small object of an arena that is not quarantined; chunk is where it
 * seems to lie, or NULL.  False, with nothing changed, if anything about it is
 * not as usual: then it is for ga_arena_free_slow to free it or to say why not.
 */
GA_INLINE bool
ga_arena_free_fast(ga_arena *arena, ga_chunk *chunk, void *object)
{
	uintptr_t addr = (uintptr_t) object;
	uintptr_t first;
	uintptr_t end;
	uint64_t header;
	size_t size;
	int size_class;

	if (GA_UNLIKELY(chunk == NULL || chunk->arena != arena || chunk->large ||
					arena->mode != GA_QUARANTINE_OFF))
		return false;
	first = chunk->start + GA_HEADER_SIZE;
	end = ga_bump_of(arena, chunk);
	if (GA_UNLIKELY(addr < first || addr >= end || addr % GA_ALIGN != 0))
		return false;
	header = ga_word_before(object);
	size = ga_header_size(header);
	if (GA_UNLIKELY((header & GA_HDR_STATE_MASK) != GA_HDR_LIVE || size - 1 >= GA_SMALL_MAX ||
					size > end - addr))
		return false;
	size_class = ga_class_of(size);
	if (GA_UNLIKELY(size > GA_LINEAR_MAX && ga_class_size(size_class) != size))
		return false;

	if (addr + size == end && chunk == arena->active)
	{
		/* What was allocated last is freed in place. */
		*ga_object_header(object) |= GA_HDR_DELAYED;
		GA_MAKE_NOACCESS(object, size);
		arena->ptr = addr - GA_HEADER_SIZE;
	}
	else
	{
		size_t freed = chunk->freed + size + GA_HEADER_SIZE;

		/* A full chunk without objects leaves. */
		if (GA_UNLIKELY(arena->free_lists == NULL ||
						(freed == end - chunk->start && chunk != arena->active)))
			return false;
		chunk->freed = freed;
		GA_MAKE_NOACCESS(object, size);
		ga_free_list_push_fast(arena, object, size, size_class, GA_QUARANTINE_OFF);
	}
	arena->recent = chunk;
	arena->frees++;
	arena->heap->counters.class_frees[size_class]++;
	return true;
}

#endif /* GA_FREE_LIST_H */
