/*-------------------------------------------------------------------------
 *
 * sampler.h
 *	  Which lives of contexts are quarantined, where not all are.
 *
 * A sampler draws how many lives begin before one is in the sample, and counts down to it.  So a life
 * that is not in the sample costs one subtraction.  It needs no heap: lives that are in no arena
 * count as well.
 *
 * A life in the sample is dear, above all where it is a rare one, since neither its code nor its memory
 * is in the processor's caches then.  Contexts that are reset for each row, or in fast
 * statements, begin a life each microsecond.  So the sample is bounded by processor time.  Time fills
 * a bucket with lives that the sample may have, and each life in it takes one out.  At first there is
 * a part of one in it, which is drawn: so many short processes have as many in the sample as a long one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_SAMPLER_H
#define GA_SAMPLER_H

#include "os.h"

/*
 * Microseconds of processor time.  Where more lives begin, the sample has as many as if one began
 * this often: at a rate of 0.002 one in 50 ms.
 */
#define GA_SAMPLER_LIFE_US 100

/*
 * Lives in the bucket at most.  That is far more than a statement has in the sample, so that contexts
 * are not left out because they begin together with others.
 */
#define GA_SAMPLER_BURST 20

/*
 * To draw, and to look at the clock, is dear beside a small life.  So a sampler draws this many
 * times less often while lives begin faster than the bound allows, that is, if it finds the bucket
 * empty.
 */
#define GA_SAMPLER_REST 8

/* From this rate on, which is for tests, there is no bound. */
#define GA_SAMPLER_UNBOUNDED 0.1

typedef struct ga_sampler
{
	uint64_t unsampled; /* lives that begin before one is drawn */
	double rate;		/* share of lives that is in the sample, 0.0 to 1.0 */
	uint64_t random;	/* state of the generator */
	const ga_os *os;
	double bucket;	/* lives that may be in the sample now */
	int64_t filled; /* processor time when that was so, in microseconds */
} ga_sampler;

/* Begin with a rate of 0. */
extern void ga_sampler_init(ga_sampler *sampler, const ga_os *os, uint64_t seed);

/* Set the rate, 0.0 to 1.0.  What was drawn before does not count. */
extern void ga_sampler_set_rate(ga_sampler *sampler, double rate);

/* Count a life that begins, when no life is left to count down. */
extern bool ga_sampler_draw_slow(ga_sampler *sampler);

/* A life begins: is it in the sample? */
GA_INLINE bool
ga_sampler_draw(ga_sampler *sampler)
{
	if (GA_UNLIKELY(sampler->unsampled == 0))
		return ga_sampler_draw_slow(sampler);
	sampler->unsampled--;
	return false;
}

#endif /* GA_SAMPLER_H */
