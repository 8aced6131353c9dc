/*-------------------------------------------------------------------------
 *
 * typed.h
 *	  Objects that have a type, and memory without pointers.
 *
 * Objects whose type has pointers are objects like all others: they lie at the front of
 * the active chunk, have a header, and can be freed and grow one by one.
 * The type map knows their type.
 *
 * What has no pointers is cut from the back of the active chunk, from its end downwards, and has no
 * header.  It goes when the arena is reset.  Objects below GA_TINY bytes share units of that size.
 * Objects from GA_GUARD_MIN bytes on, and in quarantined arenas all that are not tiny, have a word
 * before them that looks to the server as a header does, so that a free of one comes here and can be refused.
 *
 * Large objects of both kinds are spans, which have headers and can be freed.
 *
 * After Go's runtime, arena.go (userArena.alloc: "typ.ptrdata == 0" from the back) and
 * malloc.go (mallocgc's tiny allocator).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TYPED_H
#define GA_TYPED_H

#include "arena.h"
#include "type.h"

/*
 * Allocate an array of so many objects of a type, at least one; all bytes are zero.
 * The caller sees to it that the size of all, in bytes, does not overflow.  NULL if memory is used up
 * or the heap's limit would be crossed, with the arena as it was.
 */
extern void *ga_arena_alloc_typed(ga_arena *arena, const ga_type *type, size_t count);

/*
 * The same in an arena that is careful, see careful.h.  stack is a number of the caller's or 0, and
 * is kept for what has a header.  Where objects have pages of their own, all of them have headers.
 */
extern void *ga_arena_alloc_typed_careful(ga_arena *arena, const ga_type *type, size_t count,
										  uint32_t stack);

/*
 * Let a live object of the arena with a header be an array of so many objects of a type that
 * has pointers, or is a span.  What is new is zeroed.  It moves if it must.  NULL as above; the
 * object is then as it was, but has no type.  stack is for arenas that are careful.
 */
extern void *ga_arena_resize_typed(ga_arena *arena, void *object, const ga_type *type, size_t count,
								   uint32_t stack);

#endif /* GA_TYPED_H */
