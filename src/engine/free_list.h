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

#include "arena.h"

struct ga_free_lists
{
	uint64_t nonempty[GA_CLASS_WORDS]; /* the first word's truth is arena->small_free */
	size_t counts[GA_NUM_CLASSES];
	void *heads[GA_NUM_CLASSES]; /* valid where nonempty says so */
};

/*
 * Put a freed object of a class's size on its list.  False if there is no
 * memory for the lists: the object's memory then waits for the next reset.
 */
extern bool ga_free_list_push(ga_arena *arena, void *object, int size_class);

/* Take an object of the class off its list; NULL if there is none. */
extern void *ga_free_list_pop(ga_arena *arena, int size_class);

/* Take this object off its list. */
extern void ga_free_list_unlink(ga_arena *arena, void *object);

/* Forget all lists at once. */
extern void ga_free_list_clear(ga_arena *arena);

/* Size of a FREE object in bytes. */
extern size_t ga_free_object_size(const void *object);

/* Are the links, classes and counts of all lists right?  For ga_heap_check. */
extern bool ga_free_list_is_valid(const ga_arena *arena);

#endif /* GA_FREE_LIST_H */
