/*-------------------------------------------------------------------------
 *
 * profile.h
 *	  The heap profile: which allocations are samples, and which samples live.
 *
 * Think of all bytes that are allocated as a line.  Sample points lie on it at random, with
 * exponentially distributed distances whose mean is the rate.  An object is a sample if a point
 * lies in it.  So an object of b bytes is a sample with probability p = 1 - exp(-b / rate).  Its
 * weight, 1 / p, is the number of objects like it that it stands for.  Sums of weights are
 * estimates without bias, whatever the sizes are, and also if the rate changes.
 *
 * Exponential distances have no memory, so each arena can have a point of its own.  Where objects
 * are bump-allocated, that point is an address above the bump pointer, ga_arena.sample_at, and the
 * soft end of what is charged stays below it.  The hot path looks at the soft end anyway, and so
 * knows nothing of profiles.  The distance from the bump pointer to the point stays what it is when
 * the bump pointer is set to another place without an allocation.  Other objects come off a free
 * list, are large, have changed their size, or lie at the back of a chunk.  The heap has one number
 * of bytes to the next sample for all of these, and subtracts their sizes from it.  Objects of small
 * contexts that are no arenas are subtracted, too: only when the number is used up, their context
 * becomes an arena.
 *
 * A bit in its header marks a live sample.  With that bit, the fast path for frees takes it for a
 * large object and leaves it to the slow path.  Objects at the back of a chunk have no headers, and
 * need no mark: they go with all of the arena.  The arena has a list of its samples, so a reset
 * takes time for these alone.  For the profile, an object that changes its size is freed and
 * allocated again.
 *
 * After Go's runtime: MemProfileRate, nextSample and fastexprand in malloc.go,
 * and scaleHeapSample in pprof.go, which scales sums of samples of one stack by
 * their mean size; here each sample is scaled by its own.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_PROFILE_H
#define GA_PROFILE_H

#include "arena.h"

/*
 * Take a sample every rate bytes on average, at least 1; with 0, take none any more.  Samples that
 * live stay known until they are freed.  False, with the rate as it was, if there is no memory for
 * what a profile needs.
 */
extern bool ga_profile_set_rate(ga_heap *heap, size_t rate);

/* Begin to profile an arena that holds no chunk.  Called by ga_profile_begin. */
extern void ga_profile_begin_slow(ga_arena *arena);

/*
 * Keep the distance to the sample point: the bump pointer was set from an address to where it is
 * now, without an allocation.
 */
extern void ga_profile_moved_slow(ga_arena *arena, uintptr_t from);

/*
 * The bump pointer has passed the soft end.  Has it passed the sample point, too?  If so, draws the
 * next point; the caller then passes the object to ga_profile_add.
 */
extern bool ga_profile_passed_slow(ga_arena *arena);

/* Make an object a sample; bytes is its size with its header. */
extern void ga_profile_add(ga_arena *arena, void *object, size_t bytes);

/*
 * Subtract the bytes of an object that was not bump-allocated, with its header: that may make it a
 * sample.
 */
extern void ga_profile_count(ga_arena *arena, void *object, size_t bytes);

/* The same for an object without a header, which is freed with all of its arena. */
extern void ga_profile_count_noscan(ga_arena *arena, void *object, size_t bytes);

/*
 * Draw the next sample point among objects that are not bump-allocated: the last one lies in an
 * object of a context that is no arena.
 */
extern void ga_profile_use_point(ga_profile *profile);

/*
 * Make that object, which is now one of the arena, a sample.  counted is the number of bytes that
 * were subtracted for it, at most what it has.  Does nothing if it is a sample already, by a point of
 * the arena's own.
 */
extern void ga_profile_add_counted(ga_arena *arena, void *object, size_t counted);

/* Forget a sample that is freed, by the address that it had. */
extern void ga_profile_drop(ga_arena *arena, uintptr_t object);

/* Forget all samples of an arena: they are freed. */
extern void ga_profile_drop_all(ga_arena *arena);

/*
 * Do the samples of an arena agree with marked, the number of objects that have the bit?  For
 * ga_heap_check.
 */
extern bool ga_profile_is_valid(const ga_arena *arena, size_t marked);

/* Is the arena profiled, or has it samples from a time when it was? */
GA_INLINE bool
ga_profile_watches(const ga_arena *arena)
{
	return GA_UNLIKELY(arena->sample_at != 0);
}

/* Begin to profile a new arena, if the heap takes samples. */
GA_INLINE void
ga_profile_begin(ga_arena *arena)
{
	if (GA_UNLIKELY(arena->heap->profile.rate != 0))
		ga_profile_begin_slow(arena);
}

GA_INLINE bool
ga_profile_passed(ga_arena *arena)
{
	return ga_profile_watches(arena) && ga_profile_passed_slow(arena);
}

GA_INLINE void
ga_profile_moved(ga_arena *arena, uintptr_t from)
{
	if (ga_profile_watches(arena))
		ga_profile_moved_slow(arena, from);
}

/*
 * Count an object that is allocated elsewhere, of bytes in size.  Returns false, and counts
 * nothing, if a sample point may lie in it, or no rate is set yet.
 */
GA_INLINE bool
ga_profile_pass(ga_profile *profile, size_t bytes)
{
	if (GA_UNLIKELY(bytes >= profile->left))
		return false;
	profile->left -= bytes;
	return true;
}

GA_INLINE bool
ga_object_is_sample(const void *object)
{
	return (*ga_object_header(object) & GA_HDR_SAMPLE) != 0;
}

/* Forget an object that is about to be freed, if it is a sample. */
GA_INLINE void
ga_profile_freed(ga_arena *arena, void *object)
{
	if (ga_profile_watches(arena) && ga_object_is_sample(object))
	{
		*ga_object_header(object) &= ~GA_HDR_SAMPLE;
		ga_profile_drop(arena, (uintptr_t) object);
	}
}

#endif /* GA_PROFILE_H */
