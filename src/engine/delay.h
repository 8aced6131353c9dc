/*-------------------------------------------------------------------------
 *
 * delay.h
 *	  The delay queue: freed objects of quarantined arenas wait, poisoned.
 *
 * A small object shares its page with others, so it cannot be set to fault when it is freed.  In a
 * quarantined arena it is filled with GA_POISON instead, and waits in a queue, first in, first out,
 * until the objects freed after it fill the queue.  If a word of it has changed when it comes out,
 * the object was written to after the free.
 *
 * Scudo and AddressSanitizer have such quarantines too; that memory is checked
 * on the way out is from PostgreSQL's own CLOBBER_FREED_MEMORY and from Go's
 * clobberfree.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_DELAY_H
#define GA_DELAY_H

#include "careful.h"
#include "poison.h"

/* The queue holds at most this many objects and bytes, but always one. */
#define GA_DELAY_OBJECTS 512
#define GA_DELAY_BYTES	 ((size_t) 64 << 10)

/* An object in the queue. */
typedef struct ga_delayed
{
	void *object;
	uint32_t freed;		/* stack of the free, see careful.h; 0 if unknown */
	uint32_t allocated; /* and of the allocation */
} ga_delayed;

struct ga_delay
{
	size_t first; /* position of the oldest */
	size_t count;
	ga_delayed ring[GA_DELAY_OBJECTS];
};

/* How many bytes of a freed object are filled with poison. */
GA_INLINE size_t
ga_delay_poisoned_size(const ga_arena *arena, size_t size)
{
	return size <= GA_POISON_WHOLE || arena->mode == GA_QUARANTINE_STRICT ||
				   (arena->careful & GA_CAREFUL_CLOBBER) != 0
			   ? size
			   : GA_POISON_PART;
}

GA_INLINE void
ga_delay_poison(const ga_arena *arena, void *object, size_t size)
{
	ga_poison_fill(object, ga_delay_poisoned_size(arena, size));
	GA_MAKE_NOACCESS(object, size);
}

/* Make the queue of an arena.  NULL if there is no memory for it. */
extern ga_delay *ga_delay_begin(ga_arena *arena);

/*
 * Poison a freed object of size bytes and put it into the queue.  False if there is no
 * memory for the queue; the object is then poisoned but not delayed.
 */
GA_INLINE bool
ga_delay_push(ga_arena *arena, void *object, size_t size)
{
	ga_delay *delay = GA_LIKELY(arena->delay != NULL) ? arena->delay : ga_delay_begin(arena);
	uint32_t freed = arena->heap->take_stack == NULL ? 0 : arena->heap->take_stack();

	if (GA_LIKELY(delay != NULL))
	{
		delay->ring[(delay->first + delay->count) % GA_DELAY_OBJECTS] = (ga_delayed){
			.object = object,
			.freed = freed,
			.allocated = (arena->careful & GA_CAREFUL_STACK) != 0 ? ga_object_stack(object) : 0,
		};
		delay->count++;
		arena->delayed_bytes += size + GA_HEADER_SIZE;
		*ga_object_header(object) |= GA_HDR_DEAD;
	}
	ga_delay_poison(arena, object, size);
	return delay != NULL;
}

/* Is the queue too full?  Room for one more object must remain. */
GA_INLINE bool
ga_delay_is_full(const ga_arena *arena)
{
	return arena->delay->count == GA_DELAY_OBJECTS ||
		   (arena->delayed_bytes > GA_DELAY_BYTES && arena->delay->count > 1);
}

/* Take the oldest object out, and check it. */
extern void *ga_delay_take_oldest(ga_arena *arena);

/*
 * Does an address lie in a small object of a live arena that was freed and filled with poison?  If
 * so, fills *found with what is known of the object and its free: arena, object, size, offset of
 * the address, and the stack.
 */
extern bool ga_delay_find(const ga_heap *heap, uintptr_t address, ga_event *found);

/* Check all objects in the queue. */
extern void ga_delay_check(ga_arena *arena);

/* Check all objects in the queue and forget them. */
extern void ga_delay_clear(ga_arena *arena);

#endif /* GA_DELAY_H */
