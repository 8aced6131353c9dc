/*-------------------------------------------------------------------------
 *
 * sweep.h
 *	  Sweeps: finding the spent slots to which there is no pointer any more.
 *
 * A sweep reads the roots and the live chunks once, word by word.  Its candidates are the slots
 * that were spent before it began.  It marks each candidate into which a word points, also if the
 * word points into the midst of an object, and also if it merely looks like a pointer.  A sweep
 * does not follow pointers.  All of malloc's memory is a root, since the engine does not know what
 * part of it is free.  Candidates without a mark are swept: their addresses may be used again.
 *
 *	ga_sweep_begin(heap);
 *	ga_sweep_root(heap, from, to, ...);		(for each root)
 *	ga_sweep_live(heap);
 *	ga_sweep_finish(heap, &result);
 *
 * The engine skips its own metadata and its chunks wherever a root contains them.  Of its stack,
 * the caller hands over only the frames above the one that calls these functions: the engine's own
 * frames hold addresses of chunks.
 *
 * A caller that only wants to know what points where calls ga_look_begin and ga_look_end instead of
 * the first and the last function.
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
	bool incomplete;  /* some root could not be read, so nothing was freed */
	bool checked;	  /* the sweep was done twice, and compared */
	size_t missed;	  /* slots that only the first of two readings found a pointer to */
	size_t added;	  /* slots that only the second one did */
} ga_sweep_result;

/* Were enough addresses spent since the last sweep for the next one to be due? */
GA_INLINE bool
ga_sweep_due(const ga_heap *heap)
{
	return heap->fresh_quarantine >= heap->next_sweep;
}

/* Was at least half of that spent since? */
GA_INLINE bool
ga_sweep_nearly_due(const ga_heap *heap)
{
	return heap->fresh_quarantine >= heap->next_sweep / 2;
}

/*
 * Begin a sweep.  The heap may be used until it finishes; slots spent meanwhile are no candidates.
 */
extern void ga_sweep_begin(ga_heap *heap);

/* How a root is to be read. */
typedef enum ga_root_kind
{
	GA_ROOT_MAPPED,	  /* pages that are not resident are not touched */
	GA_ROOT_RESIDENT, /* the caller knows that all pages are */
	GA_ROOT_UNSTABLE  /* another thread may unmap it at any moment: read through the system */
} ga_root_kind;

/*
 * Read a root, the memory between two addresses.  If the system refuses to read one that is
 * GA_ROOT_UNSTABLE, the sweep frees nothing.
 */
extern void ga_sweep_root(ga_heap *heap, uintptr_t from, uintptr_t to, ga_root_kind kind);

/* Read all objects of all arenas. */
extern void ga_sweep_live(ga_heap *heap);

/*
 * Begin a second reading, between ga_sweep_live and ga_sweep_finish.  The caller hands over all
 * roots again, and calls ga_sweep_live again; the engine now reads memory through the system.  Only
 * if all roots could be read, and no other thread can change memory.
 */
extern void ga_sweep_check_begin(ga_heap *heap);

/* Compare both readings.  False if some root could not be read again, so that nothing is known. */
extern bool ga_sweep_check_end(ga_heap *heap);

/* Say that some root could not be read: the sweep then frees nothing. */
GA_INLINE void
ga_sweep_give_up(ga_heap *heap)
{
	heap->sweep.incomplete = true;
}

/* End the sweep: candidates without a mark are free.  Fills *result. */
extern void ga_sweep_finish(ga_heap *heap, ga_sweep_result *result);

/*
 * What to call for each pointer.  The functions must neither use the heap nor leave in any other
 * way than by returning.
 */
typedef struct ga_look
{
	/*
	 * The word at the address where points to an address in a segment of the heap, whatever is
	 * there.
	 */
	void (*pointer)(struct ga_look *look, uintptr_t where, uintptr_t to);

	/* Called before each piece of some megabytes: true if the rest is not wanted. */
	bool (*stopped)(struct ga_look *look);
} ga_look;

/*
 * Between these two calls, read memory as a sweep does, but show each pointer and free nothing.
 * The pointers of a root can be shown twice, if the first reading does not reach its end.
 * ga_look_end returns whether all memory could be read.
 *
 *	ga_look_begin(heap, &look);
 *	ga_sweep_root(heap, from, to, ...);		(for each root)
 *	ga_sweep_live(heap);
 *	complete = ga_look_end(heap);
 */
extern void ga_look_begin(ga_heap *heap, ga_look *look);
extern bool ga_look_end(ga_heap *heap);

/*
 * Calculate how many bytes of spent addresses make the next sweep due: sweep_percent of what is in
 * use now, and at least sweep_min.
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
