/*-------------------------------------------------------------------------
 *
 * careful.h
 *	  Arenas that treat each object with care, and do without the fast paths.
 *
 * They serve debugging and better reports: they overwrite at once what is freed, give each object
 * pages of its own, or keep behind each object the number of the stack that allocated it.  The
 * caller decides that for one life of an arena, before that life has an object.
 *
 * The caller keeps the stacks; the engine knows them by numbers.  The number of the stack that
 * allocated an object takes the last four bytes of its payload.  Before it there is room for one
 * byte, in which servers with assertions put a mark.  For a span, the number is in its chunk.
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

/* Bytes of an object's payload that its number, and the mark before it, take. */
#define GA_STACK_ROOM ((size_t) 5)

/*
 * Set how the present life of an arena treats objects, in GA_CAREFUL_ bits.  The arena has no
 * object yet and, with GA_CAREFUL_FENCE, no chunk.
 */
extern void ga_arena_set_careful(ga_arena *arena, unsigned careful);

/*
 * As ga_arena_reset, and set how the next life treats objects.  GA_CAREFUL_STACK is not changed by
 * this: it stays as it was.
 */
extern void ga_arena_reset_careful(ga_arena *arena, unsigned careful);

/* Bytes that the number and the mark take of each object of an arena, except of spans. */
GA_INLINE size_t
ga_arena_room_behind(const ga_arena *arena)
{
	return (arena->careful & GA_CAREFUL_STACK) != 0 ? GA_STACK_ROOM : 0;
}

/*
 * As ga_arena_alloc and ga_arena_realloc, for any arena. stack is the number of the stack that
 * allocates, or 0.  An object that has no pages of its own gets none when its size is changed.
 */
extern void *ga_arena_alloc_careful(ga_arena *arena, size_t size, uint32_t stack);
extern void *ga_arena_realloc_careful(ga_arena *arena, void *object, size_t size, uint32_t stack);

/* Read the number of an object that is no span, in a life with GA_CAREFUL_STACK. */
GA_INLINE uint32_t
ga_object_stack(const void *object)
{
	uint32_t stack;

	memcpy(&stack, (const char *) object + ga_object_size(object) - sizeof(stack), sizeof(stack));
	return stack;
}

/* Write the number of such an object. */
GA_INLINE void
ga_object_put_stack(void *object, uint32_t stack)
{
	memcpy((char *) object + ga_object_size(object) - sizeof(stack), &stack, sizeof(stack));
}

/* Count bytes more of a small object's payload as not asked for. */
GA_INLINE void
ga_object_add_slack(void *object, size_t bytes)
{
	*ga_object_header(object) += (uint64_t) bytes << GA_HDR_SLACK_SHIFT;
}

/*
 * Allocate the fast way where GA_CAREFUL_STACK is the only bit.  NULL as ga_arena_alloc_fast.
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

/* Allocate an object that is no span and gets no pages of its own; its number is 0. */
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

/* The number of the stack that allocated a live object of an arena; 0 if it is not known. */
extern uint32_t ga_arena_stack_of(const ga_arena *arena, const void *object);

/*
 * clobber.c
 */

/* Fill a live object with poison, but leave its number. */
extern void ga_object_clobber(const ga_arena *arena, void *object);

/* Do so to all live objects of an arena. */
extern void ga_arena_clobber(ga_arena *arena);

/*
 * fence.c
 */

/*
 * Allocate an object of size bytes with pages of its own.  NULL if memory, or the number of such
 * objects, is used up.
 */
extern void *ga_fence_alloc(ga_arena *arena, size_t size);

/*
 * Find the object with pages of its own that an address lies just behind.  Returns its address, or
 * NULL.
 */
extern void *ga_fence_find(const ga_heap *heap, uintptr_t address);

#endif /* GA_CAREFUL_H */
