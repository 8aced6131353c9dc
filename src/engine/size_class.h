/*-------------------------------------------------------------------------
 *
 * size_class.h
 *	  The sizes that objects are rounded up to.
 *
 * Freed objects are found again by their size class, so every object of an
 * arena has the size of a class.  Up to 128 bytes there is a class for each
 * multiple of 8; above, each doubling is cut into eight equal steps.  The
 * class can so be computed without a table, and rounding wastes less than
 * one part in nine above 128 bytes (ga_class_waste says how much for each),
 * where Go's table wastes up to 12.5 %.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_SIZE_CLASS_H
#define GA_SIZE_CLASS_H

#include "config.h"

#define GA_STEPS_LOG2	3 /* log2 of the number of classes a doubling */
#define GA_LINEAR_MAX	128
#define GA_LINEAR_COUNT (GA_LINEAR_MAX / 8)

/* Classes up to a quarter of the largest chunk there can be. */
#define GA_NUM_CLASSES (GA_LINEAR_COUNT + ((GA_MAX_ORDER - 2 - 7) << GA_STEPS_LOG2))

/* Classes of objects up to GA_SMALL_MAX, the only ones that come from the fast path. */
#define GA_SMALL_CLASSES (GA_LINEAR_COUNT + ((13 - 7) << GA_STEPS_LOG2))

/*
 * The class of a request, 0 to GA_NUM_CLASSES - 1.  A request of 0 bytes
 * belongs to the smallest class.
 */
GA_INLINE int
ga_class_of(size_t size)
{
	size_t last = size == 0 ? 0 : size - 1;
	int shift;

	if (GA_LIKELY(last < GA_LINEAR_MAX))
		return (int) (last >> 3);

	/* The leading bit and the three after it, which are 8 to 15, select the step. */
	shift = (63 ^ __builtin_clzl(last)) - GA_STEPS_LOG2;
	return (shift << GA_STEPS_LOG2) + (int) (last >> shift) +
		   (GA_LINEAR_COUNT - (4 << GA_STEPS_LOG2) - 8);
}

/* The size of a class's objects in bytes. */
GA_INLINE size_t
ga_class_size(int size_class)
{
	int step;

	if (size_class < GA_LINEAR_COUNT)
		return (size_t) (size_class + 1) << 3;

	step = size_class - GA_LINEAR_COUNT;
	return (size_t) ((step & 7) + 9) << ((step >> GA_STEPS_LOG2) + 4);
}

/* The size a request is rounded up to, in bytes. */
GA_INLINE size_t
ga_class_round(size_t size)
{
	return ga_class_size(ga_class_of(size));
}

/*
 * The largest share of a class's object that rounding up can waste, from 0
 * to 1: that of the smallest request which belongs to the class.
 */
GA_INLINE double
ga_class_waste(int size_class)
{
	size_t below = size_class == 0 ? 0 : ga_class_size(size_class - 1);

	return (double) (ga_class_size(size_class) - below - 1) / (double) ga_class_size(size_class);
}

#endif /* GA_SIZE_CLASS_H */
