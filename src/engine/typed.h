/*-------------------------------------------------------------------------
 *
 * typed.h
 *	  Objects that have a type, and memory without pointers.
 *
 * An object whose type has pointers is an object like all others: it lies at the front of the
 * active chunk, has a header, and can be freed and grow.  The type map knows its type.
 *
 * An object without pointers is cut from the back of the active chunk, from its end downwards, and
 * has no header.  It lives until the arena is reset.  Objects below GA_TINY bytes share units of
 * that size.  From GA_GUARD_MIN bytes on, and in quarantined arenas from GA_TINY on, an object has
 * a word before it that looks like a header to the server.  So a pfree of it reaches goarena, which
 * refuses it.
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
 * Allocate an array of count objects of a type, at least one.  All bytes are zero. count times the
 * size of the type must not overflow.  NULL, with the arena as it was, if memory is used up or the
 * heap's limit would be crossed.
 */
extern void *ga_arena_alloc_typed(ga_arena *arena, const ga_type *type, size_t count);

/*
 * As ga_arena_alloc_typed, in an arena that is careful, see careful.h.  stack is the number of the
 * stack that allocates, or 0; it is kept for objects with a header.  Where objects have pages of
 * their own, all of them have headers.
 */
extern void *ga_arena_alloc_typed_careful(ga_arena *arena, const ga_type *type, size_t count,
										  uint32_t stack);

/*
 * Make a live object of the arena an array of count objects of a type.  The object has a header: it
 * is a span, or the type has pointers.  New bytes are zero.  Returns where the object is then.
 * NULL as above; the object is then where it was, but has no type.  stack is a number as
 * above, for arenas that are careful.
 */
extern void *ga_arena_resize_typed(ga_arena *arena, void *object, const ga_type *type, size_t count,
								   uint32_t stack);

#endif /* GA_TYPED_H */
