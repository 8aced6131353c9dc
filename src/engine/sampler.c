/*-------------------------------------------------------------------------
 *
 * sampler.c
 *	  See sampler.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "random.h"
#include "sampler.h"

/*
 * sampler_draw_unsampled
 *		Draw how many lives begin before one is drawn, by a geometric distribution.
 */
static uint64_t
sampler_draw_unsampled(ga_sampler *sampler, double rate)
{
	double lives;

	if (rate <= 0)
		return UINT64_MAX;
	if (rate >= 1)
		return 0;
	lives = log(ga_random_uniform(&sampler->random)) / log1p(-rate);
	return lives < 1e18 ? (uint64_t) lives : UINT64_MAX;
}

/*
 * sampler_take_from_bucket
 *		May one more life be in the sample?
 */
static bool
sampler_take_from_bucket(ga_sampler *sampler)
{
	int64_t now;

	if (sampler->rate >= GA_SAMPLER_UNBOUNDED)
		return true;
	now = sampler->os->processor_time();
	if (now > sampler->filled)
		sampler->bucket += (double) (now - sampler->filled) * sampler->rate / GA_SAMPLER_LIFE_US;
	if (sampler->bucket > GA_SAMPLER_BURST)
		sampler->bucket = GA_SAMPLER_BURST;
	sampler->filled = now;
	if (sampler->bucket < 1)
		return false;
	sampler->bucket--;
	return true;
}

void
ga_sampler_init(ga_sampler *sampler, const ga_os *os, uint64_t seed)
{
	*sampler = (ga_sampler){.os = os, .random = seed | 1};
	sampler->bucket = ga_random_uniform(&sampler->random);
	ga_sampler_set_rate(sampler, 0);
}

void
ga_sampler_set_rate(ga_sampler *sampler, double rate)
{
	sampler->rate = rate;
	sampler->unsampled = sampler_draw_unsampled(sampler, rate);
}

bool
ga_sampler_draw_slow(ga_sampler *sampler)
{
	bool taken = sampler_take_from_bucket(sampler);

	sampler->unsampled =
		sampler_draw_unsampled(sampler, taken ? sampler->rate : sampler->rate / GA_SAMPLER_REST);
	return taken;
}
