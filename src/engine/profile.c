/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  See profile.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "charge.h"
#include "profile.h"
#include "random.h"

/* log2 of the number of chains in the table, which finds live samples by their address. */
#define NUM_CHAINS_LOG2 14

/* More live samples than this take too much memory: 18 MB.  Others are counted as lost. */
#define MAX_SAMPLES ((size_t) 1 << 18)

/* The longest distance, in bytes: addresses must not wrap. */
#define FARTHEST (SIZE_MAX / 4)

/*
 * profile_draw_distance
 *		Draw how many bytes it is to the next sample point, at least one.
 */
static size_t
profile_draw_distance(ga_profile *profile)
{
	double distance;

	if (profile->rate == 0)
		return FARTHEST;
	distance = -log(ga_random_uniform(&profile->random)) * (double) profile->rate;
	return distance < (double) FARTHEST ? (size_t) distance + 1 : FARTHEST;
}

/* How many objects a sample of this many bytes stands for. */
static double
profile_weight_of(size_t bytes, size_t rate)
{
	return -1.0 / expm1(-(double) bytes / (double) rate);
}

/*
 * profile_limit_charge
 *		Take the soft end back to before the sample point.
 */
static void
profile_limit_charge(ga_arena *arena)
{
	uintptr_t most = arena->sample_at - 1;

	if (arena->soft_end <= most)
		return;
	ga_charge(arena, arena->active, -(ptrdiff_t) (arena->soft_end - most));
	arena->soft_end = most;
}

void
ga_profile_begin_slow(ga_arena *arena)
{
	ga_list_init(&arena->samples);
	arena->sample_at = profile_draw_distance(&arena->heap->profile);
}

void
ga_profile_moved_slow(ga_arena *arena, uintptr_t from)
{
	arena->sample_at += arena->ptr - from;
	profile_limit_charge(arena);
}

bool
ga_profile_passed_slow(ga_arena *arena)
{
	if (arena->ptr < arena->sample_at)
		return false;
	arena->sample_at = arena->ptr + profile_draw_distance(&arena->heap->profile);
	return true;
}

static ga_sample **
profile_chain_of(const ga_profile *profile, uintptr_t object)
{
	uint64_t hash = (uint64_t) object * UINT64_C(0x9e3779b97f4a7c15);

	return &profile->chains[hash >> (64 - NUM_CHAINS_LOG2)];
}

/*
 * profile_keep
 *		Keep a sample: an object of bytes in size stands for weight bytes.  Returns false if there
 *		is no room for it.
 */
static bool
profile_keep(ga_arena *arena, const void *object, size_t bytes, double weight)
{
	ga_profile *profile = &arena->heap->profile;
	ga_sample *sample = NULL;
	ga_sample **chain;

	if (profile->live < MAX_SAMPLES)
		sample = ga_fixed_alloc(&profile->samples);
	if (sample == NULL)
	{
		profile->lost++;
		return false;
	}
	sample->object = (uintptr_t) object;
	sample->bytes = bytes;
	sample->weight = weight;
	sample->site = profile->begun(arena, bytes, weight);
	chain = profile_chain_of(profile, sample->object);
	sample->next = *chain;
	*chain = sample;
	ga_list_push_head(&arena->samples, &sample->link);
	profile->live++;
	return true;
}

/*
 * profile_add_weighted
 *		The same, with a mark in its header.
 */
static void
profile_add_weighted(ga_arena *arena, void *object, size_t bytes, double weight)
{
	if (profile_keep(arena, object, bytes, weight))
		*ga_object_header(object) |= GA_HDR_SAMPLE;
}

/*
 * profile_count_off
 *		Count bytes that are allocated.  Does a sample point lie in them?
 */
static bool
profile_count_off(ga_profile *profile, size_t bytes)
{
	if (profile->rate == 0)
		return false;
	if (bytes < profile->left)
	{
		profile->left -= bytes;
		return false;
	}
	profile->left = profile_draw_distance(profile);
	return true;
}

void
ga_profile_add(ga_arena *arena, void *object, size_t bytes)
{
	profile_add_weighted(arena, object, bytes, profile_weight_of(bytes, arena->heap->profile.rate));
}

void
ga_profile_use_point(ga_profile *profile)
{
	profile->left = profile_draw_distance(profile);
}

void
ga_profile_add_counted(ga_arena *arena, void *object, size_t counted)
{
	size_t rate = arena->heap->profile.rate;

	if (rate != 0 && ga_profile_watches(arena) && !ga_object_is_sample(object))
		profile_add_weighted(arena, object, ga_object_size(object) + GA_HEADER_SIZE,
							 profile_weight_of(counted, rate));
}

void
ga_profile_count(ga_arena *arena, void *object, size_t bytes)
{
	if (profile_count_off(&arena->heap->profile, bytes))
		ga_profile_add(arena, object, bytes);
}

void
ga_profile_count_noscan(ga_arena *arena, void *object, size_t bytes)
{
	if (profile_count_off(&arena->heap->profile, bytes))
		(void) profile_keep(arena, object, bytes,
							profile_weight_of(bytes, arena->heap->profile.rate));
}

/*
 * profile_drop
 *		Forget the sample that a chain's link leads to.
 */
static void
profile_drop(ga_arena *arena, ga_sample **link)
{
	ga_profile *profile = &arena->heap->profile;
	ga_sample *sample = *link;

	*link = sample->next;
	ga_list_remove(&arena->samples, &sample->link);
	profile->live--;
	profile->ended(sample->site, sample->bytes, sample->weight);
	ga_fixed_free(&profile->samples, sample);
}

void
ga_profile_drop(ga_arena *arena, uintptr_t object)
{
	ga_sample **link = profile_chain_of(&arena->heap->profile, object);

	while ((*link)->object != object)
		link = &(*link)->next;
	profile_drop(arena, link);
}

void
ga_profile_drop_all(ga_arena *arena)
{
	ga_list_foreach_safe (link, &arena->samples)
		ga_profile_drop(arena, ga_container(ga_sample, link, link)->object);
	if (arena->heap->profile.rate == 0)
	{
		arena->sample_at = 0;
		ga_arena_set_window(arena);
	}
}

/*
 * profile_set_arena
 *		Let an arena follow the rate that was set.  An arena that has samples stays profiled at any
 *		rate, since it must notice when they are freed.
 */
static void
profile_set_arena(ga_arena *arena)
{
	ga_profile *profile = &arena->heap->profile;

	if (arena->sample_at == 0)
		ga_list_init(&arena->samples);
	if (profile->rate == 0 && arena->samples.count == 0)
		arena->sample_at = 0;
	else
		arena->sample_at = arena->ptr + profile_draw_distance(profile);
	if (arena->active != NULL && arena->sample_at != 0)
		profile_limit_charge(arena);
	ga_arena_set_window(arena);
}

bool
ga_profile_set_rate(ga_heap *heap, size_t rate)
{
	ga_profile *profile = &heap->profile;

	if (rate == profile->rate)
		return true;
	if (profile->chains == NULL)
		profile->chains =
			ga_persistent_alloc(&heap->metadata, sizeof(ga_sample *) << NUM_CHAINS_LOG2);
	if (profile->chains == NULL)
		return false;
	profile->rate = rate;
	profile->left = profile_draw_distance(profile);
	ga_list_foreach (link, &heap->arenas)
		profile_set_arena(ga_container(ga_arena, link, link));
	ga_list_foreach (link, &heap->parked)
		profile_set_arena(ga_container(ga_arena, link, link));
	return true;
}

bool
ga_profile_is_valid(const ga_arena *arena, size_t marked)
{
	size_t unmarked = 0;

	if (arena->sample_at == 0)
		return marked == 0 && arena->samples.count == 0;
	ga_list_foreach (link, &arena->samples)
	{
		const ga_sample *sample = ga_container(ga_sample, link, link);
		const ga_chunk *chunk = ga_heap_lookup(arena->heap, sample->object);

		if (chunk == NULL || chunk->arena != arena)
			return false;
		if (ga_chunk_in_back(chunk, sample->object))
			unmarked++;
		else if (!ga_object_is_sample((const void *) sample->object))
			return false;
	}
	return arena->soft_end < arena->sample_at && marked + unmarked == arena->samples.count;
}
