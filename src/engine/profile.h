/*-------------------------------------------------------------------------
 *
 * profile.h
 *	  A heap profile: which allocations are samples, and which samples live.
 *
 * Allocation is seen as a stretch of bytes on which sample points lie at random,
 * with exponentially distributed distances whose mean is the rate.  An object is
 * a sample if a point lies in it.  So an object of b bytes is one with
 * probability 1 - exp(-b / rate), and a sample stands for the inverse of that many
 * objects like it, its weight: sums of weights are estimates without bias,
 * whatever the sizes are and when the rate is changed.
 *
 * Exponential distances have no memory, so each arena can have its own point.
 * Where objects are bump-allocated, that point is an address above the bump pointer,
 * ga_arena.sample_at, and the soft end of what is charged stays below it.  The hot path looks
 * at the soft end anyway, and so knows nothing of profiles.  The distance from the
 * bump pointer to the point stays what it is when the bump pointer is set to
 * another place without an allocation.  Objects that are not bump-allocated (off
 * a free list, large, changed in size, or at the back of a chunk) are counted off from one
 * number of bytes that the heap has for all of them.  So are objects of contexts that are small
 * and no arenas: only when the number is used up does their context need one.
 *
 * A live sample is marked in its header, in a bit by which the fast path for
 * frees takes it for no small object.  Memory without pointers at the back of a chunk has no
 * headers, and needs no marks: it goes when all of the arena does.  The arena has a list of its
 * samples, so a reset takes time for these alone.  An object whose size is changed is freed
 * and allocated again, as far as the profile is concerned.
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
 * Have a sample taken each rate bytes in the mean, from 1 on; 0: none any more.
 * Samples that live stay known until they are freed.  False, with the rate as it was, if
 * there is no memory for what a profile needs.
 */
extern bool ga_profile_set_rate(ga_heap *heap, size_t rate);

/* Begin to profile an arena that holds no chunk.  See ga_profile_begin. */
extern void ga_profile_begin_slow(ga_arena *arena);

/* Its bump pointer was set on, or back, without an allocation.  See ga_profile_moved. */
extern void ga_profile_moved_slow(ga_arena *arena, uintptr_t from);

/*
 * The bump pointer has passed the soft end: has it passed the sample point, too?
 * Then there is another one, and the object is for ga_profile_add.
 */
extern bool ga_profile_passed_slow(ga_arena *arena);

/* An object of so many bytes, with its header, is a sample. */
extern void ga_profile_add(ga_arena *arena, void *object, size_t bytes);

/* Count off an object that was not bump-allocated: it may be a sample. */
extern void ga_profile_count(ga_arena *arena, void *object, size_t bytes);

/* The same for an object without a header, which is freed with all of its arena. */
extern void ga_profile_count_noscan(ga_arena *arena, void *object, size_t bytes);

/*
 * The next sample point among objects that are not bump-allocated lies in one that was to be
 * allocated elsewhere: the one after it is drawn.
 */
extern void ga_profile_use_point(ga_profile *profile);

/*
 * It is that one, which was counted as so many bytes, not more than it has here.  Nothing if
 * it is a sample already, by a point of the arena's own.
 */
extern void ga_profile_add_counted(ga_arena *arena, void *object, size_t counted);

/* The object that was at this address was one, and is freed. */
extern void ga_profile_drop(ga_arena *arena, uintptr_t object);

/* All samples of an arena are freed. */
extern void ga_profile_drop_all(ga_arena *arena);

/* Are the samples of an arena in order, of which so many objects are marked? */
extern bool ga_profile_is_valid(const ga_arena *arena, size_t marked);

/* Is the arena profiled?  Also if it only has samples from when it was. */
GA_INLINE bool
ga_profile_watches(const ga_arena *arena)
{
	return GA_UNLIKELY(arena->sample_at != 0);
}

/* An arena begins, whose struct is all zero. */
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
 * An object of so many bytes is allocated elsewhere.  False: it may have a sample point in it,
 * or no rate is set yet.
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

/* The object is about to be freed. */
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
