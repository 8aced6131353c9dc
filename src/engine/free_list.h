/*-------------------------------------------------------------------------
 *
 * free_list.h
 *	  Free lists by size class, for objects that were freed one by one.
 *
 * The lists are linked through the header words, which say the class of a free object and the next
 * one.  Payloads stay as they are, which is poison in quarantined arenas.  The owner word stays,
 * too: by it the server finds whose object this is when it is freed once more.
 *
 * Objects are taken from the front alone.  Each chunk counts what is free of it, so it is known when
 * it can leave its arena.  Then one pass over the lists drops its objects, see ga_arena_trim.
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
	uint64_t nonempty[GA_CLASS_WORDS]; /* instead of the first word, arena->small_free is used */
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

_Static_assert(GA_SMALL_CLASSES <= 64, "small_free must have a bit for each small class");

/* The word of the bitmap of non-empty lists that has the bit of a class. */
GA_INLINE uint64_t *
ga_free_list_word(ga_arena *arena, int size_class)
{
	return size_class < 64 ? &arena->small_free : &arena->free_lists->nonempty[size_class / 64];
}

/* As ga_free_list_counter, where the object lies outside of the windows of the fast path. */
extern size_t *ga_free_list_counter_elsewhere(ga_arena *arena, const void *object);

/* Where it is counted what is free of the chunk that an object lies in. */
GA_INLINE size_t *
ga_free_list_counter(ga_arena *arena, const void *object)
{
	uintptr_t addr = (uintptr_t) object;

	if (GA_LIKELY(addr >= arena->active_first && addr < arena->end))
		return &arena->active_freed;
	if (GA_LIKELY(addr - arena->full_first < arena->full_size))
		return &arena->full_freed;
	return ga_free_list_counter_elsewhere(arena, object);
}

/*
 * As ga_free_list_push, where the lists exist. word is the class's ga_free_list_word, counter the
 * object's ga_free_list_counter.
 */
GA_INLINE void
ga_free_list_push_fast(ga_arena *arena, uint64_t *word, void *object, size_t size, int size_class,
					   size_t *counter)
{
	uint64_t bit = UINT64_C(1) << (size_class & 63);
	void **head = &arena->free_lists->heads[size_class];

	ga_free_object_set_header(arena, object, size_class, (*word & bit) != 0 ? *head : NULL);
	*word |= bit;
	*head = object;
	arena->free_bytes += size + GA_HEADER_SIZE;
	*counter += size + GA_HEADER_SIZE;
}

/* As ga_free_list_pop, where the list is not empty. */
GA_INLINE void *
ga_free_list_pop_fast(ga_arena *arena, uint64_t *word, size_t size, int size_class)
{
	void **head = &arena->free_lists->heads[size_class];
	void *object = *head;
	void *next = ga_free_object_next(object);

	*head = next;
	if (next == NULL)
		*word &= ~(UINT64_C(1) << (size_class & 63));
	arena->free_bytes -= size + GA_HEADER_SIZE;
	*ga_free_list_counter(arena, object) -= size + GA_HEADER_SIZE;
	return object;
}

/*
 * Put a freed object of a class's size on its list.  False if there is no
 * memory for the lists: the object's memory then waits for the next reset.
 */
extern bool ga_free_list_push(ga_arena *arena, void *object, int size_class);

/* Take an object of the class off its list; NULL if there is none. */
extern void *ga_free_list_pop(ga_arena *arena, int size_class);

/* Drop the objects of all vacant chunks from the lists.  They have that many bytes. */
extern void ga_free_list_drop_vacant(ga_arena *arena, size_t bytes);

/* Empty all lists at once.  Objects that were lost for lack of memory count no longer, either. */
GA_INLINE void
ga_free_list_clear(ga_arena *arena)
{
	arena->trim_at = GA_TRIM_MIN;
	arena->lost_bytes = 0;
	arena->full_chunk = NULL;
	if (arena->free_bytes == 0)
		return;
	memset(arena->free_lists->nonempty, 0, sizeof(arena->free_lists->nonempty));
	arena->small_free = 0;
	arena->free_bytes = arena->active_freed = arena->full_freed = 0;
}

/* Empty the lists of an arena that ends, and give back their memory. */
extern void ga_free_list_destroy(ga_arena *arena);

/* Size of a FREE object in bytes. */
extern size_t ga_free_object_size(const void *object);

/*
 * How many objects are on the list of a class, and on all lists?  Walks the lists: for statistics.
 */
extern size_t ga_free_list_length(const ga_arena *arena, int size_class);
extern size_t ga_free_list_objects(const ga_arena *arena);

/* Are the links, classes and sizes of all lists right?  For ga_heap_check. */
extern bool ga_free_list_is_valid(const ga_arena *arena);

/*
 * Free a small object of an arena that is not quarantined.  It lies in the active chunk, or in the
 * full chunk where the arena freed an object last.  False, with nothing changed, if anything else
 * is the case: then ga_arena_free_slow frees it or says why not.
 */
GA_INLINE bool
ga_arena_free_fast(ga_arena *arena, void *object)
{
	uintptr_t addr = (uintptr_t) object;
	uintptr_t bump = arena->ptr;
	uintptr_t end = bump;
	size_t *counter = &arena->active_freed;
	uint64_t header;
	size_t size;
	int size_class;

	if (addr < arena->active_first || addr >= bump)
	{
		if (GA_UNLIKELY(addr - arena->full_first >= arena->full_size))
			return false;
		end = arena->full_first + arena->full_size;
		bump = 0;
		counter = &arena->full_freed;
	}
	if (GA_UNLIKELY(addr % GA_ALIGN != 0))
		return false;
	header = ga_word_before(object);
	size = ga_header_size_unsampled(header);
	if (GA_UNLIKELY((header & GA_HDR_STATE_MASK) != GA_HDR_LIVE || size - 1 >= GA_SMALL_MAX ||
					size > end - addr))
		return false;
	size_class = ga_class_of(size);
	if (GA_UNLIKELY(size > GA_LINEAR_MAX && ga_class_size(size_class) != size))
		return false;

	if (addr + size == bump)
	{
		/* What was allocated last is freed in place. */
		*ga_object_header(object) |= GA_HDR_DEAD;
		arena->ptr = addr - GA_HEADER_SIZE;
	}
	else
	{
		if (GA_UNLIKELY(arena->free_lists == NULL || arena->free_bytes >= arena->trim_at))
			return false;
		ga_free_list_push_fast(arena, &arena->small_free, object, size, size_class, counter);
	}
	GA_MAKE_NOACCESS(object, size);
	arena->heap->counters.classes[size_class].frees++;
	return true;
}

#endif /* GA_FREE_LIST_H */
