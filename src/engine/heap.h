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
 * allocation.  The seed picks where in the address space the heap begins.
 */
extern void ga_heap_init(ga_heap *heap, const ga_os *os, const ga_config *config, uint64_t seed);

/* Give everything back to the operating system (tests only). */
extern void ga_heap_destroy(ga_heap *heap);

/* Change the settings.  Arenas that exist keep their mode until their next life. */
extern void ga_heap_configure(ga_heap *heap, const ga_config *config);

/* Zero the cumulative counters. */
extern void ga_heap_reset_stats(ga_heap *heap);

/*
 * Bytes of chunks and metadata that have physical pages, as the kernel counts
 * them.  ga_heap_held is what may have: memory that was allocated but not yet
 * written has none.  One system call for each run of slots and each metadata
 * region.  Not while a sweep is under way.
 */
extern size_t ga_heap_resident(ga_heap *heap);

/* What was allocated so far.  Takes some hundred instructions, whatever that is. */
extern void ga_counters_allocated(const ga_counters *counters, ga_allocated *allocated);

/* The name of a state, as SQL shows it. */
extern const char *ga_state_name(ga_chunk_state state);

/*
 * Does everything add up?  NULL, or a description of the first thing that
 * does not.  Walks all chunks: for tests and debugging.
 */
extern const char *ga_heap_check(ga_heap *heap);

/*
 * events.c
 */

/* Remember an event for the caller to report at a better moment. */
extern void ga_heap_add_event(ga_heap *heap, const ga_event *event);

/*
 * As above for a system call that failed, with errno, unless *told, which is set:
 * what fails once is likely to fail each time.
 */
extern void ga_heap_tell_failure(ga_heap *heap, ga_event_kind kind, bool *told);

/*
 * Is there room for more mappings, of which a process may have only so many?  If
 * not, that is told once.
 */
extern bool ga_heap_may_isolate(ga_heap *heap);

/*
 * map.c: reserving address space
 */

/*
 * Make address space free for chunks: slots that were swept, or else a new
 * segment.  False if address space or memory for metadata is used up.
 */
extern bool ga_map_grow(ga_heap *heap);

/* The same for a span above 64 MB: a FRESH chunk on its list, or NULL. */
extern ga_chunk *ga_map_grow_huge(ga_heap *heap, size_t size);

/*
 * Slots where nothing is mapped any more, and whose chunks were forgotten, leave the
 * heap: spent, or free to be reserved again.
 */
extern void ga_map_leave(ga_heap *heap, uintptr_t base, size_t size, bool spent);

/*
 * chunk.c: getting chunks
 */

/*
 * Take a chunk of the given order, accessible as a whole and ACTIVE, on no
 * list.  NULL if address space or memory is used up.
 */
extern ga_chunk *ga_chunk_take(ga_heap *heap, int order);

/*
 * Take a chunk for a span whose first bytes are accessible, and which can grow
 * to as many as room in place if address space allows.  The number of bytes is
 * a multiple of the page size.  NULL as above.
 */
extern ga_chunk *ga_chunk_take_span(ga_heap *heap, size_t bytes, size_t room);

/*
 * Take a FRESH chunk of whole slots for pages to be moved to; size is a power of two
 * or above 64 MB.  It stays FRESH but is on no list.  NULL as above.
 */
extern ga_chunk *ga_chunk_take_target(ga_heap *heap, size_t size);

/*
 * Move the pages of whole slots to a target.  False if the system refuses: then
 * they are where they were, and the target has gone back.
 */
extern bool ga_chunk_move(ga_heap *heap, uintptr_t from, size_t size, ga_chunk *target);

/* Reserve slots that were swept again before they are wanted, if there are no others. */
extern void ga_chunk_reserve_ahead(ga_heap *heap);

/* The pages have arrived: it is a READY chunk, still on no list, with so many of them. */
extern void ga_chunk_arrived(ga_heap *heap, ga_chunk *chunk, size_t touched);

/* Take a chunk that a target or READY one has become off the heap's hands: ACTIVE. */
extern ga_chunk *ga_chunk_own(ga_heap *heap, ga_chunk *chunk);

/* Forget a chunk that is on no list; its address space must go elsewhere. */
extern void ga_chunk_forget(ga_heap *heap, ga_chunk *chunk);

/*
 * Make a span's first bytes accessible, or give up those beyond.  False, with
 * nothing changed, if the operating system refuses.
 */
extern bool ga_chunk_set_accessible(ga_heap *heap, ga_chunk *chunk, size_t bytes);

/* Move a chunk to another state; the caller unlinks and links it. */
extern void ga_chunk_set_state(ga_heap *heap, ga_chunk *chunk, ga_chunk_state state);

/* Record that memory up to this offset may have been written. */
extern void ga_chunk_touch(ga_heap *heap, ga_chunk *chunk, size_t touched);

/* Record which bytes of a chunk are accessible; keeps mapped and closed right. */
extern void ga_chunk_note_access(ga_heap *heap, ga_chunk *chunk, size_t accessible);

/*
 * retain.c: pages of chunks not in use
 */

/* The chunk holds nothing that anybody may still point to: READY at once. */
extern void ga_chunk_make_ready(ga_heap *heap, ga_chunk *chunk);

/* Give physical pages back until at most this many bytes are retained. */
extern void ga_heap_trim(ga_heap *heap, size_t retain);

/*
 * Keep pages beyond config.retain, or no longer: while some work is under way, what
 * it gave up is likely to be wanted again.  Of what is kept in excess, as much
 * goes back as other pages are touched for the first time, so that a heap does
 * not hold more because of it than it did before.
 */
extern void ga_heap_keep_excess(ga_heap *heap, bool keep);

/* Give back what is retained beyond config.retain, unless that is to be kept. */
extern void ga_heap_trim_excess(ga_heap *heap);

/* Of what is kept in excess, give back as much as was touched since the last step. */
extern void ga_heap_trim_step(ga_heap *heap);

/* What is kept in excess goes in steps of at least so many bytes. */
#define GA_TRIM_STEP ((size_t) 256 << 10)

/* So many bytes of pages were touched for the first time. */
GA_INLINE void
ga_heap_note_touched(ga_heap *heap, size_t bytes)
{
	heap->touched += bytes;
	if (GA_UNLIKELY(heap->keeps_excess))
		heap->to_trim += bytes;
}

/* To be called where something was touched and a system call does not matter. */
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
 * Cut a chunk of so many bytes, a multiple of the smallest chunk's, from the slot
 * that *from names.  One without room is closed, and another one begun, of
 * which chunks take at most limit bytes.  NULL, with nothing changed, if
 * address space or memory is used up.
 */
extern ga_chunk *ga_slot_cut(ga_heap *heap, ga_slot **from, size_t size, size_t limit);

/* Let a chunk of whole slots be one of a quarantined arena.  False if there is no memory. */
extern bool ga_slot_wrap(ga_heap *heap, ga_chunk *chunk);

/* No chunk is cut from the slot that *from names any more. */
extern void ga_slot_close(ga_heap *heap, ga_slot **from);

/* Let what was given up in a slot fault, though something else there lives on. */
extern void ga_slot_punch(ga_heap *heap, ga_slot *slot);

/* The chunk is partly used and goes to the next arena of its size. */
extern void ga_chunk_hand_on(ga_heap *heap, ga_chunk *chunk);

/* A chunk in a slot is given up.  Its arena's slots fault when the last one was. */
extern void ga_chunk_quarantine(ga_heap *heap, ga_chunk *chunk);

/* The pages of a chunk with slots of its own have moved elsewhere: the slots are spent. */
extern void ga_slot_abandon(ga_heap *heap, ga_chunk *chunk);

/* Let everything that was given up fault, and give back its pages, as far as possible. */
extern void ga_heap_flush_faults(ga_heap *heap);

/* Give back every page not in use.  Returns bytes released. */
extern size_t ga_heap_release(ga_heap *heap);

/*
 * history.c: what was freed
 */

/* Remember that the memory between two addresses was given up, as freed_note says. */
extern void ga_history_add(const ga_arena *arena, uintptr_t from, uintptr_t to);

/* The same for what a chunk's owner had there. */
extern void ga_history_add_chunk(ga_heap *heap, const ga_chunk *chunk);

/* The same for what it had at the chunk's back. */
extern void ga_history_add_back(ga_heap *heap, const ga_chunk *chunk);

/* What is known of an address in memory that is not in use. */
typedef struct ga_freed_place
{
	const ga_freed *freed; /* or NULL */
	ga_chunk_state state;  /* of its slot or chunk */
	ptrdiff_t moved;	   /* to be added to an address for what was there, if readable */
	bool readable;		   /* what was there, as far as the record goes */
} ga_freed_place;

/*
 * Is this an address of memory that was given up, whether it faults by now or not?
 * Reads nothing but metadata.
 */
extern bool ga_history_explain(const ga_heap *heap, uintptr_t address, ga_freed_place *place);

/* Bytes of memory that the heap holds, as far as it knows. */
GA_INLINE size_t
ga_heap_held(const ga_heap *heap)
{
	return heap->touched + heap->metadata.mapped;
}

/* Does the limit allow so many bytes more? */
GA_INLINE bool
ga_heap_may_hold(const ga_heap *heap, size_t bytes)
{
	size_t held = ga_heap_held(heap);

	return held <= heap->limit && bytes <= heap->limit - held;
}

/*
 * May so many bytes be touched that were not before?  If not, the caller of the
 * engine is told so by limit_refused; it can give memory back and try again.
 */
GA_INLINE bool
ga_heap_has_room(ga_heap *heap, size_t bytes)
{
	if (GA_LIKELY(ga_heap_may_hold(heap, bytes)))
		return true;
	heap->refused = bytes;
	heap->limit_refused = true;
	return false;
}

/*
 * Find the segment or the chunk of any address; NULL for foreign ones, and there is
 * no chunk in a slot that is spent.
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

/* How many numbers of types each of the rooms has: the largest takes those of a granule. */
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

	/* An entry can be that of a chunk which was split or merged since. */
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

/* A chunk that an arena has no use for goes the way of where it came from. */
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
