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
#include "type_map.h"

/*
 * Allocate one object the fast way: it is small, its type has pointers, and it lies behind the last
 * one in the granule in which an object got a type last.  All bytes are zero.  NULL if this way is
 * not open; ga_arena_alloc_typed is then to be called.
 *
 * All that depends on the type alone is known from it.  No object of the granule begins behind the
 * bump pointer, so the new one is the last.
 */
GA_INLINE void *
ga_arena_alloc_typed_fast(ga_arena *arena, const ga_type *type)
{
	uintptr_t header = arena->ptr;
	uintptr_t object = header + GA_HEADER_SIZE;
	ga_type_granule *granule = arena->last_at;
	unsigned word = ga_word_of(object);
	unsigned shift = word % 64;
	uint64_t *pointers;

	if (GA_UNLIKELY(type->step > arena->soft_end - header ||
					object - arena->last_granule > GA_GRANULE_SIZE - type->payload ||
					(arena->small_free >> type->size_class & 1) != 0 || arena->careful != 0 ||
					granule->count == granule->space))
		return NULL;

	arena->ptr = header + type->step;
	(void) ga_arena_begin_small(arena, header, type->size, type->size_class, type->payload);

	/* As ga_type_map_set, and across two words of the map. */
	granule->ids[granule->count++] = type->id;
	granule->last = (uint16_t) word;
	granule->starts[word / 64] |= UINT64_C(1) << shift;
	pointers = &granule->pointers[word / 64];
	pointers[0] = (pointers[0] & ~(type->words << shift)) | type->first_bits << shift;
	if (GA_UNLIKELY(shift > 64 - type->payload / sizeof(uint64_t)))
	{
		pointers[1] &= ~(type->words >> (64 - shift));
		pointers[1] |= type->first_bits >> (64 - shift);
	}

	for (uintptr_t at = object; at < arena->ptr; at += sizeof(uint64_t))
	{
		*(uint64_t *) at = 0;
		__asm__("" : "+r"(at)); /* keeps the compiler from making this a call */
	}
	return (void *) object;
}

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
