/*-------------------------------------------------------------------------
 *
 * careful.h
 *	  Arenas whose objects are looked after one by one.
 *
 * For debugging, and for reports that say more, some arenas do without the fast
 * paths: what they free is overwritten at once, their objects have pages of their own,
 * or behind each object stands where it was allocated.  All of it is decided for a
 * life of an arena, as long as that has no object.
 *
 * Stacks are the caller's; the engine knows them by numbers.  That of an object's
 * allocation takes the last four bytes of its payload, beyond what was asked for
 * and one byte for a mark of the caller's; that of a span is in its chunk.
 *
 * Overwriting freed memory and giving each object its own pages: Go's clobberfree and
 * efence (runtime, extern.go), after Electric Fence (Perens, 1987).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CAREFUL_H
#define GA_CAREFUL_H

#include <string.h>

#include "arena.h"

/* What ga_arena.careful says, in bits. */
#define GA_CAREFUL_CLOBBER 1u /* what is freed is filled with poison, also by resets */
#define GA_CAREFUL_FENCE   2u /* objects have pages of their own; the arena is strict */
#define GA_CAREFUL_STACK   4u /* objects have numbers of stacks */
#define GA_CAREFUL_WATCH   8u /* the caller wants to see each free */

/* Bytes of an object that its number and the mark before it may take. */
#define GA_STACK_ROOM ((size_t) 5)

/*
 * Say what is done in the present life of an arena that has no object and, with
 * GA_CAREFUL_FENCE, no chunk.
 */
extern void ga_arena_set_careful(ga_arena *arena, unsigned careful);

/*
 * As ga_arena_reset, and the next life is to be like this.  Whether its objects have
 * numbers stays as it was.
 */
extern void ga_arena_reset_careful(ga_arena *arena, unsigned careful);

/* Bytes that each object of an arena, but for spans, has for that. */
GA_INLINE size_t
ga_arena_room_behind(const ga_arena *arena)
{
	return (arena->careful & GA_CAREFUL_STACK) != 0 ? GA_STACK_ROOM : 0;
}

/*
 * As ga_arena_alloc and ga_arena_realloc, for any arena; stack is a number of the caller's or 0.
 * An object that had no pages of its own gets none when its size is changed.
 */
extern void *ga_arena_alloc_careful(ga_arena *arena, size_t size, uint32_t stack);
extern void *ga_arena_realloc_careful(ga_arena *arena, void *object, size_t size, uint32_t stack);

/* The number behind an object that is no span's, and whose life has numbers. */
GA_INLINE uint32_t
ga_object_stack(const void *object)
{
	uint32_t stack;

	memcpy(&stack, (const char *) object + ga_object_size(object) - sizeof(stack), sizeof(stack));
	return stack;
}

/* Write it. */
GA_INLINE void
ga_object_put_stack(void *object, uint32_t stack)
{
	memcpy((char *) object + ga_object_size(object) - sizeof(stack), &stack, sizeof(stack));
}

/* So many bytes more of a small object were not asked for. */
GA_INLINE void
ga_object_add_slack(void *object, size_t bytes)
{
	*ga_object_header(object) += (uint64_t) bytes << GA_HDR_SLACK_SHIFT;
}

/*
 * The fast way to allocate where GA_CAREFUL_STACK is all; NULL as ga_arena_alloc_fast.
 */
GA_INLINE void *
ga_arena_alloc_stacked_fast(ga_arena *arena, size_t size, uint32_t stack)
{
	void *object;

	if (GA_UNLIKELY(size > GA_SMALL_MAX))
		return NULL;
	object = ga_arena_alloc_fast(arena, size + GA_STACK_ROOM);
	if (GA_LIKELY(object != NULL))
	{
		ga_object_add_slack(object, GA_STACK_ROOM);
		ga_object_put_stack(object, stack);
	}
	return object;
}

/* An object that is no span and has no pages of its own; its number is 0. */
GA_INLINE void *
ga_arena_alloc_unfenced(ga_arena *arena, size_t size)
{
	size_t room = ga_arena_room_behind(arena);
	void *object = ga_arena_alloc(arena, size + room);

	if (GA_UNLIKELY(room != 0) && object != NULL)
	{
		ga_object_add_slack(object, room);
		ga_object_put_stack(object, 0);
	}
	return object;
}

/* The number of any live object of an arena, or 0. */
extern uint32_t ga_arena_stack_of(const ga_arena *arena, const void *object);

/*
 * clobber.c
 */

/* Fill a live object with poison, but not its number. */
extern void ga_object_clobber(const ga_arena *arena, void *object);

/* The same for all objects of an arena. */
extern void ga_arena_clobber(ga_arena *arena);

/*
 * fence.c
 */

/* An object with pages of its own; NULL if memory is used up, or there may be no more. */
extern void *ga_fence_alloc(ga_arena *arena, size_t size);

/* Is this an address just behind an object with pages of its own?  That one's, or NULL. */
extern void *ga_fence_find(const ga_heap *heap, uintptr_t address);

#endif /* GA_CAREFUL_H */
