/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Finding out which spent slots nothing points into any more.
 *
 * A sweep reads the roots and the live chunks once, word by word, and marks
 * every slot that was spent before it began and into which a word points;
 * interior pointers count, and so does whatever merely looks like one.  It is linear, not transitive:
 * memory that is itself only reachable from freed memory counts as a root all
 * the same, because nobody knows what of malloc's memory is free.  Slots
 * without a mark are swept: their addresses may be used again.
 *
 *	ga_sweep_begin(heap);
 *	ga_sweep_root(heap, from, to, ...);		(for each root)
 *	ga_sweep_live(heap);
 *	ga_sweep_finish(heap, &result);
 *
 * The engine skips its own metadata and its chunks wherever a root contains
 * them.  The caller's stack is a root from the frame that calls these
 * functions on; the engine's own frames below hold addresses of chunks.
 *
 * Who only wants to know what points where uses ga_look_begin and ga_look_end instead of the
 * first and the last of these.
 *
 * After MineSweeper (Erdos, Ainsworth and Jones, ASPLOS 2022), with the
 * quarantine of Go's arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_SWEEP_H
#define GA_SWEEP_H

#include "heap.h"

typedef struct ga_sweep_result
{
	size_t chunks_freed;  /* slots */
	size_t chunks_pinned; /* slots that something points into */
	size_t bytes_freed;
	size_t bytes_scanned;
	int64_t duration; /* microseconds */
	bool incomplete;  /* roots could not be read, and nothing was freed */
	bool checked;	  /* it was done twice */
	size_t missed;	  /* slots that only the first of two readings found a pointer to */
	size_t added;	  /* slots that only the second one did */
} ga_sweep_result;

/* Were enough addresses spent for a sweep to pay? */
GA_INLINE bool
ga_sweep_due(const ga_heap *heap)
{
	return heap->fresh_quarantine >= heap->next_sweep;
}

/* Was at least half of that spent? */
GA_INLINE bool
ga_sweep_nearly_due(const ga_heap *heap)
{
	return heap->fresh_quarantine >= heap->next_sweep / 2;
}

/* Begin.  The engine may be used meanwhile; what it spends is for the next sweep. */
extern void ga_sweep_begin(ga_heap *heap);

/* How a root is to be read. */
typedef enum ga_root_kind
{
	GA_ROOT_MAPPED,	  /* pages that are not resident are not touched */
	GA_ROOT_RESIDENT, /* the caller knows that all pages are */
	GA_ROOT_UNSTABLE  /* another thread may unmap it at any moment: read through the system */
} ga_root_kind;

/*
 * Read a root, from and to in bytes of address.  If the system refuses to read
 * an unstable one, the sweep frees nothing.
 */
extern void ga_sweep_root(ga_heap *heap, uintptr_t from, uintptr_t to, ga_root_kind kind);

/* Read all objects of all arenas. */
extern void ga_sweep_live(ga_heap *heap);

/*
 * Between ga_sweep_live and ga_sweep_finish: let the caller hand over all roots again, and
 * call ga_sweep_live again.  What is read is then copied by the system.  Only if all roots were
 * read, and no other thread can change memory.
 */
extern void ga_sweep_check_begin(ga_heap *heap);

/* Compare.  False if roots could not be read in this way, so that nothing is known. */
extern bool ga_sweep_check_end(ga_heap *heap);

/* Roots could not be read: the sweep frees nothing, since anything may be pointed to. */
GA_INLINE void
ga_sweep_give_up(ga_heap *heap)
{
	heap->sweep.incomplete = true;
}

/* End: unmarked slots are free. */
extern void ga_sweep_finish(ga_heap *heap, ga_sweep_result *result);

/*
 * Who wants to see pointers.  The functions must neither use the heap nor leave by other
 * ways than by returning.
 */
typedef struct ga_look
{
	/* The word at an address points into a segment of the heap, to whatever is there. */
	void (*pointer)(struct ga_look *look, uintptr_t where, uintptr_t to);

	/* Asked before each piece of some megabytes: is the rest not wanted? */
	bool (*stopped)(struct ga_look *look);
} ga_look;

/*
 * Read memory as a sweep does, between these two, but show each pointer and free nothing.  A
 * root can be shown twice if it cannot be read to its end at first.  The end says whether all could be read.
 *
 *	ga_look_begin(heap, &look);
 *	ga_sweep_root(heap, from, to, ...);		(for each root)
 *	ga_sweep_live(heap);
 *	complete = ga_look_end(heap);
 */
extern void ga_look_begin(ga_heap *heap, ga_look *look);
extern bool ga_look_end(ga_heap *heap);

/*
 * Work out anew how many bytes of spent addresses make the next sweep due:
 * sweep_percent of what is in use, and at least sweep_min.
 */
GA_INLINE void
ga_sweep_schedule(ga_heap *heap)
{
	int percent = heap->config.sweep_percent;

	heap->next_sweep =
		percent < 0 ? SIZE_MAX
					: ga_max_size(heap->in_use / 100 * (size_t) percent, heap->config.sweep_min);
}

#endif /* GA_SWEEP_H */
