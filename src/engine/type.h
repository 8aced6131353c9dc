/*-------------------------------------------------------------------------
 *
 * type.h
 *	  Types: how large objects are, and which of their words are pointers.
 *
 * A type is what Go's compiler knows of one: size, alignment and a bit for each word that holds a
 * pointer.  A type lives as long as the heap.  There are no two types that say the same, so a
 * caller can ask for one over and over.
 *
 * After Go's runtime, type.go (_type: size, align, ptrdata, gcdata).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TYPE_H
#define GA_TYPE_H

#include "types.h"

/* A heap has at most this many types, since objects know theirs by a number of 16 bits. */
#define GA_MAX_TYPES 65535

/* Bytes of a type's name that are kept, with the zero at the end. */
#define GA_TYPE_NAME 64

/* Largest size of a type, in bytes: a terabyte, as for objects. */
#define GA_TYPE_MAX ((size_t) 1 << 40)

struct ga_type
{
	size_t size;			  /* bytes of one object, not 0 */
	size_t align;			  /* 1, 2, 4 or 8 */
	uint16_t id;			  /* from 1 on */
	size_t pointer_words;	  /* words up to the last pointer; 0: it has none */
	const uint64_t *pointers; /* a bit for each of these words */

	/* One object as ga_arena_alloc_typed_fast makes it. */
	size_t step;		 /* bytes with its header; SIZE_MAX if it is not for this type */
	size_t payload;		 /* bytes without */
	size_t size_class;	 /* of these */
	uint64_t words;		 /* a bit for each of its words */
	uint64_t first_bits; /* of these, which are pointers */

	ga_type *next; /* in its bucket */
	char name[GA_TYPE_NAME];
};

/*
 * Find the type with this description, or make it.
 *
 * name: for those who look at the heap; cut to GA_TYPE_NAME - 1 bytes
 * size: in bytes, 1 to GA_TYPE_MAX and a multiple of align
 * align: 1, 2, 4 or 8; 8 if there are pointers
 * pointers, words: a bit for each word from the beginning on, and how many there are; bits of
 *		the last uint64_t beyond that must be 0; words may not exceed size / 8
 *
 * NULL if there is no memory or there are GA_MAX_TYPES already.
 */
extern const ga_type *ga_type_get(ga_heap *heap, const char *name, size_t size, size_t align,
								  const uint64_t *pointers, size_t words);

/* How many types there are. */
extern unsigned ga_type_count(const ga_heap *heap);

/* Find the type that has a number, or NULL. */
extern const ga_type *ga_type_of_id(const ga_heap *heap, unsigned id);

/* Does the type say that the word, counted from the beginning of an object, is a pointer? */
GA_INLINE bool
ga_type_is_pointer(const ga_type *type, size_t word)
{
	return word < type->pointer_words && (type->pointers[word / 64] >> word % 64 & 1) != 0;
}

#endif /* GA_TYPE_H */
