/*-------------------------------------------------------------------------
 *
 * random.h
 *	  Random numbers: xorshift64*, after Marsaglia and Vigna.
 *
 * They decide what is in a sample, and protect nothing.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_RANDOM_H
#define GA_RANDOM_H

#include "config.h"

/* A number above 0 and up to 1, of 53 bits.  The state is any number but 0. */
GA_INLINE double
ga_random_uniform(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (double) ((x * UINT64_C(2685821657736338717) >> 11) + 1) / 9007199254740992.0;
}

#endif /* GA_RANDOM_H */
