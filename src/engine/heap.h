/*-------------------------------------------------------------------------
 *
 * heap.h
 *	  The page level of the engine: address space, chunks, slots and frames.
 *
 * See types.h for what these are.
 *
 * Adapted from the ideas of Go's runtime (arena.go: chunk life; malloc.go:
 * segments, which it calls heap arenas, hints, the sparse two-level index).
 * Spending addresses instead of keeping them: Oscar (Dang, Maniatis and Wagner,
 * USENIX Security 2017) and FFmalloc (Wickman and others, 2021).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_HEAP_H
#define GA_HEAP_H

#include "types.h"

/*
 * heap.c
 */

/*
 * Set up a heap in the given memory.  Nothing is reserved before the first
 * allocation.  The seed picks where in the address space the heap begins.  The sampler is
 * set up already, and serves this heap alone.
 */
extern void ga_heap_init(ga_heap *heap, const ga_os *os, ga_sampler *sampler,
						 const ga_config *config, uint64_t seed);

/* Give everything back to the operating system (tests only). */
extern void ga_heap_destroy(ga_heap *heap);

/* Change the settings.  Arenas that exist keep their mode of quarantine until their next life. */
extern void ga_heap_configure(ga_heap *heap, const ga_config *config);

/* Zero the cumulative counters. */
extern void ga_heap_reset_stats(ga_heap *heap);

/*
 * Ask the kernel how many bytes of chunks and metadata have physical pages. ga_heap_held counts
 * what may have pages; memory that was allocated but not written yet has none.  Makes a system call
 * for each run of slots and each metadata region.  Not while a sweep is under way.
 */
extern size_t ga_heap_resident(ga_heap *heap);

/*
 * Give the pages of the engine's own tables that are not in use back to the operating system.  Makes
 * a system call for each table that was given up since the last time.
 */
extern void ga_heap_trim_metadata(ga_heap *heap);

/*
 * Add up the counters of allocations.  Takes some hundred instructions, however much was allocated.
 */
extern void ga_counters_allocated(const ga_counters *counters, ga_allocated *allocated);

/* The name of a state, as SQL shows it. */
extern const char *ga_state_name(ga_chunk_state state);

/*
 * Do all sums, lists and bits of the heap agree with its chunks?  Returns NULL, or a constant text
 * that says what does not.  Walks all chunks: for tests and debugging.
 */
extern const char *ga_heap_check(ga_heap *heap);

/*
 * events.c
 */

/* Keep an event for the caller to report later.  Beyond GA_MAX_EVENTS, it is only counted. */
extern void ga_heap_add_event(ga_heap *heap, const ga_event *event);

/*
 * Keep an event that says a system call failed, with errno, and set *told.  Does nothing if *told
 * is set already, since what fails once is likely to fail each time.
 */
extern void ga_heap_tell_failure(ga_heap *heap, ga_event_kind kind, bool *told);

/*
 * May the heap use more mappings?  The kernel limits the number of those that a process has, and
 * config.max_mappings that of the heap.  The first time that it may not, an event says so.
 */
extern bool ga_heap_may_isolate(ga_heap *heap);

/*
 * map.c: reserving address space
 */

/*
 * Add FRESH chunks to the heap: slots that were swept, or else a new segment.  False if address
 * space or memory for metadata is used up.
 */
extern bool ga_map_grow(ga_heap *heap);

/* Add one FRESH chunk for a span of size bytes, above 64 MB, and return it.  NULL as above. */
extern ga_chunk *ga_map_grow_huge(ga_heap *heap, size_t size);

/*
 * Let slots leave the heap where nothing is mapped any more and whose chunks were forgotten.  They
 * are spent if spent is true, and else free to be reserved again. base and size, in bytes, are
 * multiples of a slot.
 */
extern void ga_map_leave(ga_heap *heap, uintptr_t base, size_t size, bool spent);

/*
 * chunk.c: getting chunks
 */

/*
 * Take a chunk of the given order, from heap->min_order to GA_MAX_ORDER. It is accessible as a
 * whole, ACTIVE, and on no list.  NULL if address space or memory is used up.
 */
extern ga_chunk *ga_chunk_take(ga_heap *heap, int order);

/*
 * Take a chunk for a span.  Its first bytes bytes, a multiple of the page size, are accessible, and
 * it can grow in its place to room bytes if address space allows.  NULL as above.
 */
extern ga_chunk *ga_chunk_take_span(ga_heap *heap, size_t bytes, size_t room);

/*
 * Take a chunk of whole slots as the target of ga_chunk_move. size in bytes is a power of two, or
 * above 64 MB. The chunk is FRESH and on no list.  NULL as above.
 */
extern ga_chunk *ga_chunk_take_target(ga_heap *heap, size_t size);

/*
 * Move the pages of size bytes, whole slots, from an address to a target.  False if the system
 * refuses: the pages are then where they were, and the target is on its list of FRESH chunks again.
 */
extern bool ga_chunk_move(ga_heap *heap, uintptr_t from, size_t size, ga_chunk *target);

/* Reserve the swept slots of a segment again, before they are wanted, if no slot is FRESH. */
extern void ga_chunk_reserve_ahead(ga_heap *heap);

/*
 * Make a target READY whose pages have arrived; touched bytes of it may have pages.  It is on no
 * list.
 */
extern void ga_chunk_arrived(ga_heap *heap, ga_chunk *chunk, size_t touched);

/* Make a READY chunk that is on no list ACTIVE, and return it. */
extern ga_chunk *ga_chunk_own(ga_heap *heap, ga_chunk *chunk);

/* Free the struct of a chunk that is on no list.  The caller sees to its address space. */
extern void ga_chunk_forget(ga_heap *heap, ga_chunk *chunk);

/*
 * Make the first bytes bytes of a span accessible, and those beyond no longer.  False, with nothing
 * changed, if the operating system refuses.
 */
extern bool ga_chunk_set_accessible(ga_heap *heap, ga_chunk *chunk, size_t bytes);

/* Set a chunk's state, and keep the sums by state right.  The caller moves it from list to list. */
extern void ga_chunk_set_state(ga_heap *heap, ga_chunk *chunk, ga_chunk_state state);

/* Record that the first touched bytes of a chunk may have pages. */
extern void ga_chunk_touch(ga_heap *heap, ga_chunk *chunk, size_t touched);

/*
 * Record that the first accessible bytes of a chunk can be read and written; keeps mapped and
 * closed right.
 */
extern void ga_chunk_note_access(ga_heap *heap, ga_chunk *chunk, size_t accessible);

/*
 * retain.c: pages of chunks not in use
 */

/* Make a chunk READY at once, since it was not quarantined. */
extern void ga_chunk_make_ready(ga_heap *heap, ga_chunk *chunk);

/* Give physical pages of READY chunks back until at most retain bytes are kept. */
extern void ga_heap_trim(ga_heap *heap, size_t retain);

/*
 * Begin, or end, to keep pages beyond config.retain.  While some work is under way, what it gave up
 * is likely to be wanted again.  For each page that is touched for the first time meanwhile, one
 * page of the excess goes back.  So the heap never holds more because of the excess than it did
 * before.
 */
extern void ga_heap_keep_excess(ga_heap *heap, bool keep);

/* Give back pages that are kept beyond config.retain, unless ga_heap_keep_excess keeps them. */
extern void ga_heap_trim_excess(ga_heap *heap);

/* Give back as much of the excess as was touched elsewhere since the last step. */
extern void ga_heap_trim_step(ga_heap *heap);

/* The excess goes back in steps of at least this many bytes. */
#define GA_TRIM_STEP ((size_t) 256 << 10)

/* Count bytes of pages that were touched for the first time. */
GA_INLINE void
ga_heap_note_touched(ga_heap *heap, size_t bytes)
{
	heap->touched += bytes;
	if (GA_UNLIKELY(heap->keeps_excess))
		heap->to_trim += bytes;
}

/* Take the next step if it is due.  To be called after a touch, where a system call does no harm. */
GA_INLINE void
ga_heap_touched(ga_heap *heap)
{
	if (GA_UNLIKELY(heap->to_trim >= GA_TRIM_STEP))
		ga_heap_trim_step(heap);
}

/*
 * slot.c: chunks of quarantined arenas
 */

/*
 * Cut a chunk of size bytes, a multiple of the smallest chunk's size, from the slot *from.  If that
 * has no room, it is closed, and *from is a new slot, of which chunks take at most limit bytes.
 * NULL, with nothing changed, if address space or memory is used up.
 */
extern ga_chunk *ga_slot_cut(ga_heap *heap, ga_slot **from, size_t size, size_t limit);

/*
 * Put a struct of a slot around a chunk of whole slots, for a quarantined arena.  False if there is
 * no memory.
 */
extern bool ga_slot_wrap(ga_heap *heap, ga_chunk *chunk);

/* Close the slot *from: no more chunks are cut from it.  *from is then NULL. */
extern void ga_slot_close(ga_heap *heap, ga_slot **from);

/*
 * Set to fault what was given up in a slot in which something else lives, and give its pages back.
 */
extern void ga_slot_punch(ga_heap *heap, ga_slot *slot);

/* Keep a partly used chunk for the next arena that wants one of its size. */
extern void ga_chunk_hand_on(ga_heap *heap, ga_chunk *chunk);

/*
 * Give up a chunk that lies in a slot.  With the last one of a slot that is closed, the slot is
 * spent.
 */
extern void ga_chunk_quarantine(ga_heap *heap, ga_chunk *chunk);

/* Spend the slots of a chunk that has slots of its own, and whose pages have moved elsewhere. */
extern void ga_slot_abandon(ga_heap *heap, ga_chunk *chunk);

/*
 * Set to fault everything that was given up, and give back its pages, as far as the system allows.
 */
extern void ga_heap_flush_faults(ga_heap *heap);

/* Give back every page that is not in use.  Returns how many bytes these were. */
extern size_t ga_heap_release(ga_heap *heap);

/*
 * history.c: what was freed
 */

/*
 * Add a record: the memory between two addresses was given up, for which heap->freed_note stands.
 */
extern void ga_history_add(const ga_arena *arena, uintptr_t from, uintptr_t to);

/* Add a record for the objects that a chunk's owner had in it. */
extern void ga_history_add_chunk(ga_heap *heap, const ga_chunk *chunk);

/* Add a record for the memory without pointers that the owner had at the chunk's back. */
extern void ga_history_add_back(ga_heap *heap, const ga_chunk *chunk);

/* What is known of an address in memory that is not in use. */
typedef struct ga_freed_place
{
	const ga_freed *freed; /* or NULL */
	ga_chunk_state state;  /* of its slot or chunk */
	ptrdiff_t moved;	   /* add it to an address to get where its contents are now, if readable */
	bool readable;		   /* the contents are still there, as far as the record goes */
} ga_freed_place;

/*
 * Was the memory at an address given up, whether it faults by now or not?  If so, fills *place with
 * what is known of it.  Reads nothing but metadata, so it may be called in a signal handler.
 */
extern bool ga_history_explain(const ga_heap *heap, uintptr_t address, ga_freed_place *place);

/* Bytes of memory that the heap holds: all that may have physical pages. */
GA_INLINE size_t
ga_heap_held(const ga_heap *heap)
{
	return heap->touched + heap->metadata.mapped;
}

/* Does the limit allow the heap to hold this many bytes more? */
GA_INLINE bool
ga_heap_may_hold(const ga_heap *heap, size_t bytes)
{
	size_t held = ga_heap_held(heap);

	return held <= heap->limit && bytes <= heap->limit - held;
}

/*
 * May the heap touch this many bytes, at least one, that it has not touched before?  If not,
 * heap->refused says how many they are.  The caller of the engine sees that, and can give
 * memory back and try again.
 */
GA_INLINE bool
ga_heap_has_room(ga_heap *heap, size_t bytes)
{
	if (GA_LIKELY(ga_heap_may_hold(heap, bytes)))
		return true;
	heap->refused = bytes;
	return false;
}

/*
 * Find the segment that an address lies in, or (ga_heap_lookup) the chunk.  Any address may be
 * asked for.  NULL if it is not in this heap; in a slot that is spent there is no chunk.
 */
GA_INLINE ga_segment *
ga_segment_of(const ga_heap *heap, uintptr_t addr)
{
	uintptr_t index = addr >> GA_SEGMENT_SHIFT;
	ga_map_leaf *leaf;

	if (GA_UNLIKELY(index >> GA_MAP_BITS != 0))
		return NULL;
	leaf = heap->map[index >> GA_MAP_L2_BITS];
	return leaf == NULL ? NULL : leaf->segments[index & ((1 << GA_MAP_L2_BITS) - 1)];
}

GA_INLINE int
ga_granule_of(uintptr_t addr)
{
	return (int) ((addr & (GA_SEGMENT_SIZE - 1)) >> GA_GRANULE_SHIFT);
}

/* How many numbers of types room i has space for, from 0 to GA_TYPE_ROOMS - 1. */
GA_INLINE unsigned
ga_type_room(int i)
{
	return 32u << 2 * i;
}

_Static_assert(32 << 2 * (GA_TYPE_ROOMS - 1) >= GA_GRANULE_SIZE / (8 + 8),
			   "no granule has more objects than the largest room");

/* The bit of an address's slot in the masks of its segment. */
GA_INLINE uint32_t
ga_slot_bit(uintptr_t addr)
{
	return UINT32_C(1) << ((addr & (GA_SEGMENT_SIZE - 1)) >> GA_SLOT_SHIFT);
}

GA_INLINE ga_chunk *
ga_heap_lookup(const ga_heap *heap, uintptr_t addr)
{
	ga_segment *segment = ga_segment_of(heap, addr);
	ga_chunk *chunk;

	if (segment == NULL)
		return NULL;
	chunk = segment->huge;
	if (chunk == NULL && segment->granules != NULL)
		chunk = segment->granules->chunks[ga_granule_of(addr)];

	/* The entry can be stale: its chunk may have been split or merged since. */
	return chunk != NULL && addr - chunk->base < chunk->size ? chunk : NULL;
}

/*
 * The first chunk of a segment at or above *at, which moves behind it; NULL if there
 * is none.  A huge span belongs to the first of its segments.
 *
 *	at = segment->base;
 *	while ((chunk = ga_segment_next(segment, &at)) != NULL)
 */
GA_INLINE ga_chunk *
ga_segment_next(const ga_segment *segment, uintptr_t *at)
{
	uint32_t vacant = segment->spent | segment->swept | segment->lost;
	ga_chunk *chunk;

	while (*at - segment->base < GA_SEGMENT_SIZE && (vacant & ga_slot_bit(*at)) != 0)
		*at = ga_align_down(*at, GA_SLOT_SIZE) + GA_SLOT_SIZE;
	if (*at - segment->base >= GA_SEGMENT_SIZE)
		return NULL;
	chunk = segment->huge;
	if (chunk == NULL)
		chunk = segment->granules->chunks[ga_granule_of(*at)];
	else if (chunk->base != *at)
		return NULL;
	*at += chunk->size;
	return chunk;
}

/*
 * Give up a chunk that an arena no longer uses: it is READY, or quarantined if it lies in a slot.
 */
GA_INLINE void
ga_chunk_give_up(ga_heap *heap, ga_chunk *chunk)
{
	if (chunk->slot == NULL)
		ga_chunk_make_ready(heap, chunk);
	else
		ga_chunk_quarantine(heap, chunk);
}

/* The list on which a FRESH or READY chunk stands. */
GA_INLINE ga_list *
ga_chunk_free_list(ga_heap *heap, const ga_chunk *chunk)
{
	bool huge = chunk->size > GA_SEGMENT_SIZE;

	if (chunk->state == GA_FRESH)
		return huge ? &heap->fresh_huge : &heap->fresh[chunk->order];
	if (chunk->cools)
		return &heap->cooling;
	return huge ? &heap->ready_huge : &heap->ready[chunk->order];
}

#endif /* GA_HEAP_H */
