/*-------------------------------------------------------------------------
 *
 * find.h
 *	  Finding the live object that an address lies in.
 *
 * After Go's runtime, mbitmap.go (findObject).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_FIND_H
#define GA_FIND_H

#include "arena.h"
#include "type.h"

/* An object that was found. */
typedef struct ga_found
{
	uintptr_t start;
	size_t size;		 /* bytes; of those without pointers, as rounded up */
	const ga_type *type; /* NULL: not known */
	bool noscan;		 /* it has neither header nor pointers */
	ga_arena *arena;
	const ga_chunk *chunk;
} ga_found;

/*
 * Find the live object, of any arena of the heap, that an address lies in, and fill *found.  An
 * object that has no type and is no span is found only by the address where it begins.  False if
 * there is none.  Any address may be asked for.
 */
extern bool ga_object_find(const ga_heap *heap, uintptr_t address, ga_found *found);

#endif /* GA_FIND_H */
