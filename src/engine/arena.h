/*-------------------------------------------------------------------------
 *
 * arena.h
 *	  Arenas: bump allocation from chunks, and freeing all of it at once.
 *
 * An arena serves one memory context.  Objects are cut from the front of its
 * active chunk; a chunk without room goes to the arena's full list, and a
 * larger one takes its place.  Objects above a quarter of the largest chunk
 * have a span to themselves.
 *
 * Each object has a header word, and on some servers the word of its owner
 * between header and payload (GA_OWNER_WORD).  The header is
 *
 *	bits 0-3	the caller's (ga_arena.tag), on PostgreSQL 16+ the method id
 *	bits 4-5	state: LIVE, FREE (on a free list), DELAYED (in the delay queue)
 *	LIVE and DELAYED:
 *	bits 6-42	size of the payload in units of 8 bytes
 *	bit 43		LIVE only: it is a sample of the heap profile, see profile.h
 *	bits 44-63	bytes of the payload beyond what was asked for, at most 2^20-1
 *	FREE:
 *	bits 6-13	size class
 *	bits 14-58	address of the next free object / 8
 *
 * Freed objects come back through the free lists of their size class; in quarantined arenas only
 * after a stay in the delay queue.  When twice as much is on the lists as the last look left there,
 * full chunks that hold nothing but free objects leave the arena.  The object allocated last can
 * grow in its place, except in strict arenas, and a free of it takes the bump pointer back, except
 * in quarantined arenas.
 *
 * To charge an arena means to count memory as used by it, for the server to see.  That is done by
 * one to four pages: the bump pointer may run up to soft_end, and the slow path moves that on.  A free
 * of an object above GA_SMALL_MAX takes its charge back, so that a context which doubles arrays is
 * charged for what it holds.  What is charged beyond ga_arena.credit is added to *meter, which is
 * the context's mem_allocated.
 *
 * A reset ends one life of the arena and begins the next.  For each life, a random number decides
 * whether the arena is quarantined.
 *
 * After Go's runtime, arena.go: userArena, refill, userArenaNextFree.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_ARENA_H
#define GA_ARENA_H

#include "annotate.h"
#include "heap.h"

#define GA_CLASS_WORDS ((GA_NUM_CLASSES + 63) / 64)

#define GA_HDR_TAG_MASK	   UINT64_C(0xf)
#define GA_HDR_STATE_MASK  UINT64_C(0x30)
#define GA_HDR_LIVE		   UINT64_C(0x10)
#define GA_HDR_FREE		   UINT64_C(0x20)
#define GA_HDR_DEAD		   UINT64_C(0x30)
#define GA_HDR_SIZE_SHIFT  6
#define GA_HDR_SIZE_BITS   37
#define GA_HDR_SAMPLE	   (UINT64_C(1) << 43)
#define GA_HDR_SLACK_SHIFT 44
#define GA_HDR_SLACK_MAX   ((UINT64_C(1) << 20) - 1)
#define GA_HDR_NEXT_SHIFT  14

typedef enum ga_free_result
{
	GA_FREE_OK,
	GA_FREE_DOUBLE, /* the object was freed before */
	GA_FREE_NOSCAN, /* it has no header, and is freed with its arena alone */
	GA_FREE_WILD,	/* in memory of this heap, but no object of this arena */
	GA_FREE_FOREIGN /* not in memory of this heap */
} ga_free_result;

GA_INLINE uint64_t *
ga_object_header(const void *object)
{
	return (uint64_t *) ((uintptr_t) object - GA_HEADER_SIZE);
}

/* Bytes of payload that the header of a LIVE or DELAYED object says. */
GA_INLINE size_t
ga_header_size(uint64_t header)
{
	return (size_t) (header >> GA_HDR_SIZE_SHIFT & ((UINT64_C(1) << GA_HDR_SIZE_BITS) - 1)) << 3;
}

/* The same, but more than any object has if it is a sample of the profile. */
GA_INLINE size_t
ga_header_size_unsampled(uint64_t header)
{
	return (size_t) (header >> GA_HDR_SIZE_SHIFT & ((UINT64_C(2) << GA_HDR_SIZE_BITS) - 1)) << 3;
}

/* Bytes of payload that a LIVE or DELAYED object has. */
GA_INLINE size_t
ga_object_size(const void *object)
{
	return ga_header_size(*ga_object_header(object));
}

/* Bytes of payload that were asked for; more if the slack did not fit. */
GA_INLINE size_t
ga_object_requested(const void *object)
{
	return ga_object_size(object) - (size_t) (*ga_object_header(object) >> GA_HDR_SLACK_SHIFT);
}

/* Does the header say exactly how much was asked for? */
GA_INLINE bool
ga_object_requested_known(const void *object)
{
	return *ga_object_header(object) >> GA_HDR_SLACK_SHIFT != GA_HDR_SLACK_MAX;
}

GA_INLINE void
ga_object_set_header(const ga_arena *arena, void *object, uint64_t state, size_t size,
					 size_t requested)
{
	uint64_t slack = size - requested;

	if (GA_UNLIKELY(slack > GA_HDR_SLACK_MAX))
		slack = GA_HDR_SLACK_MAX;
	*ga_object_header(object) = slack << GA_HDR_SLACK_SHIFT |
								(uint64_t) (size >> 3) << GA_HDR_SIZE_SHIFT | state | arena->tag;
}

/* May the fast path free objects of the arena? */
GA_INLINE bool
ga_arena_frees_fast(const ga_arena *arena)
{
	return arena->mode == GA_QUARANTINE_OFF && arena->specials == NULL && arena->careful == 0;
}

/* Let the fast path free objects of no full chunk, and let that one count itself what is free of it. */
GA_INLINE void
ga_arena_leave_full_chunk(ga_arena *arena)
{
	if (arena->full_chunk != NULL)
		arena->full_chunk->freed = arena->full_freed;
	arena->full_chunk = NULL;
	arena->full_first = arena->full_size = 0;
}

/*
 * Say where the fast path may free objects: wherever the active chunk has some, for now, but not
 * where objects have types, which the type map must forget.
 */
GA_INLINE void
ga_arena_set_window(ga_arena *arena)
{
	/* In profiled arenas frees have to see that the sample point moves with the bump pointer. */
	arena->active_first = arena->active != NULL && ga_arena_frees_fast(arena) &&
								  arena->sample_at == 0 && !arena->active->typed
							  ? arena->active->start + GA_HEADER_SIZE
							  : UINTPTR_MAX;
	ga_arena_leave_full_chunk(arena);
}

/* Does an address lie where the fast path may free objects? */
GA_INLINE bool
ga_arena_window_has(const ga_arena *arena, uintptr_t addr)
{
	return (addr >= arena->active_first && addr < arena->ptr) ||
		   addr - arena->full_first < arena->full_size;
}

/* Leave the arena without an active chunk. */
GA_INLINE ga_chunk *
ga_arena_detach_active(ga_arena *arena)
{
	ga_chunk *chunk = arena->active;

	chunk->used = arena->ptr;
	chunk->freed = arena->active_freed;
	arena->active_freed = 0;
	arena->active = NULL;
	arena->ptr = arena->soft_end = arena->end = 0;
	ga_arena_set_window(arena);
	return chunk;
}

/*
 * Was the object allocated last?  It must lie in the active chunk: the last
 * object of a full chunk can end where an empty active chunk begins.
 */
GA_INLINE bool
ga_arena_is_last(const ga_arena *arena, const void *object, size_t size)
{
	return (uintptr_t) object + size == arena->ptr && (uintptr_t) object > arena->active->start;
}

/*
 * Begin the first life of an arena in the given memory.  It holds no chunk
 * yet.
 *
 * owner: the word to put before each payload (if GA_OWNER_WORD)
 * tag: 0 to 15, the low bits of each header word
 * meter, credit: see the head of this file; meter may be NULL
 */
extern void ga_arena_init(ga_arena *arena, ga_heap *heap, uint64_t owner, unsigned tag,
						  size_t *meter, size_t credit);

/* As ga_arena_init, for a life that was drawn already, and is in the sample. */
extern void ga_arena_init_sampled(ga_arena *arena, ga_heap *heap, uint64_t owner, unsigned tag,
								  size_t *meter, size_t credit);

/* Call heap->note_free before the arena gives up chunks; the history keeps what it returns. */
GA_INLINE void
ga_arena_note_free(ga_arena *arena, ga_freed_by how)
{
	ga_heap *heap = arena->heap;

	if (GA_LIKELY(arena->mode == GA_QUARANTINE_OFF))
		return;
	heap->freed_note = 0;
	if (heap->note_free != NULL &&
		(how == GA_FREED_BY_DELETE || arena->full.count > 0 || arena->large.count > 0 ||
		 (arena->active != NULL && arena->ptr > arena->active->start)))
		heap->freed_note = heap->note_free(arena, how);
}

/* Decide by the settings and the sampler how an arena that begins a life now is quarantined. */
extern ga_quarantine ga_heap_draw_mode(ga_heap *heap);

/* End the arena, and give up all its chunks.  The struct is the caller's to free. */
extern void ga_arena_destroy(ga_arena *arena);

/*
 * End the arena, but keep its struct and its active chunk for a later arena.  Most arenas are
 * small, and one that takes over both needs no set-up.  False, with the arena as it was, if it is
 * quarantined or careful, if it has no active chunk or one above 1 << GA_HANDON_ORDER bytes, or if
 * GA_PARKED_MAX arenas are kept already.
 */
extern bool ga_arena_park(ga_arena *arena);

/*
 * Let a parked arena begin a first life again, with the arguments of
 * ga_arena_init.  NULL if none is parked.
 */
extern ga_arena *ga_arena_revive(ga_heap *heap, uint64_t owner, size_t *meter, size_t credit);

/* End a parked arena for good, so that the caller can free its struct; NULL if none is left. */
extern ga_arena *ga_arena_unpark(ga_heap *heap);

/* Free all objects and begin the next life. */
extern void ga_arena_reset(ga_arena *arena);

/*
 * Allocate an object of any size in bytes, the slow way.  NULL, with the arena as it was, if memory
 * is used up or the heap's limit would be crossed.
 */
extern void *ga_arena_alloc_slow(ga_arena *arena, size_t size);

/*
 * Make a chunk with room for need bytes the active one.  False, with the arena as it was, if memory
 * is used up.
 */
extern bool ga_arena_refill(ga_arena *arena, size_t need);

/*
 * Take an object off its free list, which is not empty, for a request of size bytes. size_class is
 * the class of that size, up to GA_SMALL_MAX, and rounded is the size of the class in bytes.  Never
 * fails.
 */
extern void *ga_arena_recycle(ga_arena *arena, size_t size, size_t size_class, size_t rounded)
	__attribute__((returns_nonnull));

/*
 * Count a new object of a class up to GA_SMALL_MAX, and write its header at the
 * given address.
 */
GA_INLINE void *
ga_arena_begin_small(ga_arena *arena, uintptr_t header, size_t size, size_t size_class,
					 size_t rounded)
{
	arena->allocs++;
	arena->heap->counters.classes[size_class].allocs++;
	GA_MAKE_UNDEFINED(header, GA_HEADER_SIZE + rounded);
	/* The parts have no bit in common; sums of three take one instruction. */
	*(uint64_t *) header = ((uint64_t) (rounded - size) << GA_HDR_SLACK_SHIFT) +
						   ((uint64_t) rounded << (GA_HDR_SIZE_SHIFT - 3)) + GA_HDR_LIVE +
						   arena->tag;
#if GA_OWNER_WORD
	*(uint64_t *) (header + 8) = arena->owner;
#endif
	if (header + GA_HEADER_SIZE == 0)
		__builtin_unreachable(); /* spares callers a look at the result */
	return (void *) (header + GA_HEADER_SIZE);
}

/*
 * Allocate an object the fast way. size is in bytes.  It may be 0: the object then has the smallest
 * size there is, and an address of its own.  NULL means that the fast way cannot do it, since the
 * object is large or would cross the soft end: the caller then tries ga_arena_alloc_slow.
 */
GA_INLINE void *
ga_arena_alloc_fast(ga_arena *arena, size_t size)
{
	size_t size_class;
	size_t rounded;
	uintptr_t header;
	uintptr_t end;

	/* As ga_class_of, with the usual case first. */
	if (GA_LIKELY(size - 1 < GA_LINEAR_MAX))
	{
		size_class = (size - 1) >> 3;
		rounded = (size_class + 1) << 3;
	}
	else if (GA_UNLIKELY(size > GA_SMALL_MAX))
		return NULL;
	else
	{
		size_class = (size_t) ga_class_of(size);
		rounded = ga_class_size((int) size_class);
	}
	if (GA_UNLIKELY((arena->small_free >> size_class & 1) != 0))
		return ga_arena_recycle(arena, size, size_class, rounded);
	header = arena->ptr;
	end = header + GA_HEADER_SIZE + rounded;
	if (GA_UNLIKELY(end > arena->soft_end))
		return NULL;

	arena->ptr = end;
	return ga_arena_begin_small(arena, header, size, size_class, rounded);
}

/* Allocate an object of any size in bytes.  NULL as ga_arena_alloc_slow. */
GA_INLINE void *
ga_arena_alloc(ga_arena *arena, size_t size)
{
	void *object = ga_arena_alloc_fast(arena, size);

	return GA_LIKELY(object != NULL) ? object : ga_arena_alloc_slow(arena, size);
}

/* Free an object.  Nothing has changed unless the result is GA_FREE_OK. */
extern ga_free_result ga_arena_free(ga_arena *arena, void *object);

/*
 * Free any object, the slow way.  Results as of ga_arena_free.  The fast way, for small objects of
 * arenas that are not quarantined, is ga_arena_free_fast in free_list.h.
 */
extern ga_free_result ga_arena_free_slow(ga_arena *arena, void *object);

/*
 * Drop from the free lists the objects of full chunks that have no other object, and let these
 * chunks leave the arena.  Frees call this themselves when enough is on the lists.
 */
extern void ga_arena_trim(ga_arena *arena);

/* Call ga_arena_trim for all arenas of a heap: to be tried before memory is said to be used up. */
extern void ga_heap_trim_arenas(ga_heap *heap);

/* The end of a chunk's objects. */
GA_INLINE uintptr_t
ga_bump_of(const ga_arena *arena, const ga_chunk *chunk)
{
	return chunk == arena->active ? arena->ptr : chunk->used;
}

/* What stands where an object would have its header. */
GA_NO_SANITIZE static inline uint64_t
ga_word_before(const void *object)
{
	return *ga_object_header(object);
}

/* What would ga_arena_free return for this pointer? */
extern ga_free_result ga_arena_check_object(const ga_arena *arena, const void *object);

/*
 * Change the size of an object, for which ga_arena_check_object returns GA_FREE_OK, to size bytes.
 * The contents are kept up to the smaller of both sizes.  Returns where the object is then.  NULL,
 * with the object as it was, if memory is used up or the heap's limit would be crossed.
 */
extern void *ga_arena_realloc(ga_arena *arena, void *object, size_t size);

/* How the pages that an arena may have are used, in bytes. */
typedef struct ga_arena_usage
{
	size_t chunks;		 /* number of chunks and spans */
	size_t chunk_bytes;	 /* pages of chunks and spans, the sum of the next three */
	size_t used_bytes;	 /* live objects, with headers */
	size_t free_bytes;	 /* on free lists, and left of the active chunk */
	size_t dead_bytes;	 /* of earlier lives, delayed, or left over in full chunks */
	size_t free_objects; /* number of objects on free lists */
} ga_arena_usage;

/* Add up how the arena uses its pages.  Walks its chunks and free lists. */
extern void ga_arena_get_usage(const ga_arena *arena, ga_arena_usage *usage);

/*
 * Find the object, live or not, that an address lies in. start and end are where the objects of a
 * chunk begin and end; the headers between them are followed.  NULL if the address lies in no
 * object, or a header is not one.
 */
extern void *ga_object_at(uintptr_t start, uintptr_t end, uintptr_t address);

/* Bytes of payload of an object, whether it is LIVE, DELAYED or FREE. */
extern size_t ga_object_size_any(const void *object);

/*
 * Call a function for each LIVE object of the arena, in no particular order.
 * The function must not allocate from or free in the arena.
 */
extern void ga_arena_walk(const ga_arena *arena, void (*visit)(void *object, void *context),
						  void *context);

#endif /* GA_ARENA_H */
