/*-------------------------------------------------------------------------
 *
 * test_profile.c
 *	  The heap profile: what it says of objects agrees with what there is.
 *
 * GA_SEED repeats a run.  A test of an estimate allows for six standard
 * deviations, which are exceeded once in 500 million runs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <time.h>

#include "support.h"
#include "typed.h"

#define RATE (16 * KB)
#define MANY 200000

static uint64_t seed;

/* What a test allocated, and the variance of estimates of it. */
typedef struct truth
{
	double objects;
	double bytes;
	double objects_variance;
	double bytes_variance;
} truth;

/*
 * note_bytes
 *		An object that takes bytes is a sample with a probability of p, and then stands for
 *		1 / p of them.
 */
static void
note_bytes(truth *truth, double bytes)
{
	double p = -expm1(-bytes / RATE);

	truth->objects += 1;
	truth->bytes += bytes;
	truth->objects_variance += (1 - p) / p;
	truth->bytes_variance += (1 - p) / p * bytes * bytes;
}

static void
note(truth *truth, const void *object)
{
	note_bytes(truth, (double) bytes_of(object));
}

static void
assert_near(double estimate, double actual, double variance)
{
	if (fabs(estimate - actual) > 6 * sqrt(variance) + 1e-6 * actual)
		fail_msg("%.0f was estimated to be %.0f, deviation %.0f", actual, estimate, sqrt(variance));
}

static void
assert_estimates(const truth *truth, double objects, double bytes)
{
	assert_near(objects, truth->objects, truth->objects_variance);
	assert_near(bytes, truth->bytes, truth->bytes_variance);
}

static ga_heap *
profiled_heap(ga_quarantine mode, ga_arena *arena)
{
	ga_config config = usual_config();
	ga_heap *heap;

	config.quarantine = mode;
	heap = new_heap(&config);
	heap->profile.random = seed | 1;
	profile_at(heap, RATE);
	ga_arena_init(arena, heap, 0, 5, NULL, 0);
	return heap;
}

static void
end(ga_heap *heap, ga_arena *arena)
{
	assert_heap(heap);
	assert_int_equal(profile_seen.samples, heap->profile.live);
	ga_arena_destroy(arena);
	assert_int_equal(profile_seen.samples, 0);
	assert_int_equal(heap->profile.live, 0);
	assert_true(fabs(profile_seen.bytes) < 1.0);
	assert_heap(heap);
	delete_heap(heap);
}

/* At the back of chunks, where there are no headers: until the next reset they live. */
static void
memory_without_pointers_is_estimated_without_bias(void **state)
{
	static const size_t sizes[] = {12, 48, 100, 8 * KB, 30 * KB};

	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		ga_heap *heap = profiled_heap((ga_quarantine) mode, &arena);

		for (int life = 0; life < 3; life++)
		{
			size_t size = sizes[(mode + life) % (int) lengthof(sizes)];
			const ga_type *type = ga_type_get(heap, "noscan", size, 1, NULL, 0);
			size_t guard =
				size >= GA_GUARD_MIN || (mode != GA_QUARANTINE_OFF && size >= GA_TINY) ? 8 : 0;
			truth all = {0};

			for (size_t done = 0; done < 16 * MB; done += size)
			{
				assert_non_null(ga_arena_alloc_typed(&arena, type, 1));
				note_bytes(&all, (double) (size < GA_TINY ? size : ga_align_up(size, 8) + guard));
			}
			assert_heap(heap);
			assert_true(heap->profile.live > 0);
			assert_estimates(&all, profile_seen.objects, profile_seen.bytes);
			ga_arena_reset(&arena);
			assert_int_equal(heap->profile.live, 0);
		}
		end(heap, &arena);
	}
}

/* Small, medium and large ones, in each mode. */
static void
live_objects_are_estimated_without_bias(void **state)
{
	static const size_t limits[] = {100, 8 * KB, 40 * KB};

	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (size_t i = 0; i < lengthof(limits); i++)
		{
			static ga_arena arena;
			ga_heap *heap = profiled_heap((ga_quarantine) mode, &arena);
			uint64_t random = seed;
			truth all = {0};

			for (size_t done = 0; done < 32 * MB;)
			{
				void *object = alloc(&arena, random_below(&random, limits[i]));

				note(&all, object);
				done += bytes_of(object);
			}
			assert_true(profile_seen.begun > 100);
			assert_estimates(&all, profile_seen.objects, profile_seen.bytes);
			assert_estimates(&all, profile_seen.all_objects, profile_seen.all_bytes);
			end(heap, &arena);
		}
}

/* Objects that are allocated elsewhere come into an arena only if they are samples. */
static void
objects_elsewhere_are_estimated_without_bias(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	uint64_t random = seed;
	truth all = {0};
	uint64_t in_arena = 0;

	(void) state;
	for (int i = 0; i < MANY; i++)
	{
		size_t size = random_below(&random, i % 100 == 0 ? 40000 : 200);
		size_t counted = size + GA_HEADER_SIZE;
		double p = -expm1(-(double) counted / RATE);
		double bytes = (double) (ga_class_round(size) + GA_HEADER_SIZE);
		void *object;

		all.objects += 1;
		all.bytes += bytes;
		all.objects_variance += (1 - p) / p;
		all.bytes_variance += (1 - p) / p * bytes * bytes;
		if (ga_profile_pass(&heap->profile, counted))
			continue;
		ga_profile_use_point(&heap->profile);
		object = alloc(&arena, size);
		ga_profile_add_counted(&arena, object, counted);
		in_arena++;
	}
	assert_in_range(in_arena, 1000, MANY / 10);
	assert_int_equal(profile_seen.begun, in_arena);
	assert_estimates(&all, profile_seen.all_objects, profile_seen.all_bytes);
	end(heap, &arena);
}

/* Every other object is freed; what is used again is counted again. */
static void
freed_and_recycled_objects_are_counted_right(void **state)
{
	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		static void *objects[2000];
		ga_heap *heap = profiled_heap((ga_quarantine) mode, &arena);
		uint64_t random = seed;
		truth all = {0};
		truth live = {0};

		memset(objects, 0, sizeof(objects));
		for (int i = 0; i < MANY; i++)
		{
			void **object = &objects[random_below(&random, lengthof(objects))];

			if (*object != NULL)
				free_object(&arena, *object);
			*object = alloc(&arena, random_below(&random, i % 10 == 0 ? 10000 : 200));
			note(&all, *object);
		}
		for (size_t i = 0; i < lengthof(objects); i++)
			if (objects[i] != NULL)
				note(&live, objects[i]);
		assert_estimates(&all, profile_seen.all_objects, profile_seen.all_bytes);
		assert_estimates(&live, profile_seen.objects, profile_seen.bytes);
		end(heap, &arena);
	}
}

/*
 * What is freed in place takes the bump pointer back, and the same bytes are allocated once more: they
 * have another chance to be a sample.
 */
static void
bytes_that_are_allocated_once_more_are_counted_once_more(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	truth kept = {0};
	truth all = {0};

	(void) state;
	for (int i = 0; i < MANY; i++)
	{
		void *object = alloc(&arena, 100);

		note(&all, object);
		free_object(&arena, object);
		object = alloc(&arena, 100);
		note(&all, object);
		note(&kept, object);
	}
	assert_estimates(&kept, profile_seen.objects, profile_seen.bytes);
	assert_estimates(&all, profile_seen.all_objects, profile_seen.all_bytes);
	end(heap, &arena);
}

/* Each life begins where the last one did, and allocates much less than the distance between samples. */
static void
short_lives_are_counted_like_one_long_life(void **state)
{
	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (int parks = 0; parks < 2; parks++)
		{
			static ga_arena arena;
			ga_heap *heap = profiled_heap((ga_quarantine) mode, &arena);
			ga_arena *life = &arena;
			truth all = {0};

			for (int i = 0; i < MANY / 10; i++)
			{
				for (int j = 0; j < 5; j++)
					note(&all, alloc(life, 200));
				if (parks && ga_arena_park(life))
					life = ga_arena_revive(heap, 0, NULL, 1024);
				else
					ga_arena_reset(life);
				assert_int_equal(profile_seen.samples, 0);
				if (i % 1000 == 0)
					assert_heap(heap);
			}
			assert_estimates(&all, profile_seen.all_objects, profile_seen.all_bytes);
			end(heap, life);
		}
}

/* As if it was freed and allocated with the other size. */
static void
objects_that_grow_and_shrink_are_counted_with_their_sizes(void **state)
{
	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (int last = 0; last < 2; last++)
		{
			static ga_arena arena;
			ga_heap *heap = profiled_heap((ga_quarantine) mode, &arena);
			uint64_t random = seed;
			truth live = {0};

			for (int i = 0; i < MANY / 100; i++)
			{
				void *object = alloc(&arena, 16);

				if (!last)
					note(&live, alloc(&arena, 16));
				for (int j = 0; j < 5; j++)
				{
					size_t size = random_below(&random, j == 4 ? 3000 : 40 * KB);

					object = ga_arena_realloc(&arena, object, size);
					assert_non_null(object);
				}
				note(&live, object);
				if (i % 100 == 0)
					assert_heap(heap);
			}
			assert_estimates(&live, profile_seen.objects, profile_seen.bytes);
			end(heap, &arena);
		}
}

static void
large_objects_with_a_type_are_samples(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	const ga_type *type = ga_type_get(heap, "pointer", 8, 8, (uint64_t[]){1}, 1);
	truth live = {0};

	(void) state;
	for (int i = 0; i < 20; i++)
	{
		void *object = ga_arena_alloc_typed(&arena, type, heap->large_threshold / 8 + 1);

		assert_non_null(object);
		note(&live, object);
	}
	assert_estimates(&live, profile_seen.objects, profile_seen.bytes);
	end(heap, &arena);
}

static void
what_grows_in_place_is_counted_once(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	void *object;

	(void) state;
	profile_at(heap, 1);
	object = alloc(&arena, 100);
	assert_ptr_equal(ga_arena_realloc(&arena, object, 2000), object);
	assert_int_equal(profile_seen.samples, 1);
	assert_true(profile_seen.bytes == (double) bytes_of(object));

	/* And not again if it only has another size within the same class. */
	assert_ptr_equal(ga_arena_realloc(&arena, object, 1999), object);
	assert_int_equal(profile_seen.begun, 2);
	end(heap, &arena);
}

/* A sample stands for so many objects as the rate says that was in force when it was taken. */
static void
the_rate_can_change_at_any_time(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	truth all = {0};

	(void) state;
	for (int i = 0; i < MANY; i++)
	{
		if (i % 1000 == 0)
			profile_at(heap, i % 2000 == 0 ? RATE / 4 : RATE);
		note(&all, alloc(&arena, 100));
	}
	assert_estimates(&all, profile_seen.objects, profile_seen.bytes);
	end(heap, &arena);
}

/* With a rate of one byte all objects are samples. */
static void
every_object_is_a_sample_at_a_rate_of_one(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	void *objects[1000];

	(void) state;
	profile_at(heap, 1);
	for (int i = 0; i < 1000; i++)
		objects[i] = alloc(&arena, (size_t) i * 20);
	assert_int_equal(profile_seen.samples, 1000);
	for (int i = 0; i < 1000; i += 2)
		free_object(&arena, objects[i]);
	assert_int_equal(profile_seen.samples, 500);
	end(heap, &arena);
}

/* From then on nothing is sampled, and what was is still noticed when it is freed. */
static void
a_profile_that_is_switched_off_still_sees_its_samples_end(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	void *object;

	(void) state;
	profile_at(heap, 1);
	object = alloc(&arena, 100);
	(void) alloc(&arena, 100);
	profile_at(heap, 0);
	assert_heap(heap);
	for (int i = 0; i < 10000; i++)
		(void) alloc(&arena, 100);
	assert_int_equal(profile_seen.begun, 2);
	free_object(&arena, object);
	assert_int_equal(profile_seen.samples, 1);
	ga_arena_reset(&arena);
	assert_int_equal(profile_seen.samples, 0);

	/* And then it is as if it had never been. */
	assert_int_equal(arena.sample_at, 0);
	(void) alloc(&arena, 100);
	assert_true(arena.active_first != UINTPTR_MAX);
	end(heap, &arena);
}

/* An arena that was there before is profiled from then on, up to its soft end, too. */
static void
arenas_that_exist_are_profiled_at_once(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);

	(void) state;
	profile_at(heap, 0);
	(void) alloc(&arena, 8);
	profile_at(heap, 1);
	(void) alloc(&arena, 8);
	assert_int_equal(profile_seen.samples, 1);
	end(heap, &arena);
}

static void
samples_without_memory_are_counted_as_lost(void **state)
{
	static ga_arena arena;
	ga_heap *heap = profiled_heap(GA_QUARANTINE_OFF, &arena);
	uint64_t objects = 0;

	(void) state;
	/* A chunk with room for more objects than there are samples in a step of metadata. */
	profile_at(heap, 0);
	set_chunk_size(heap, 1 * MB);
	free_object(&arena, alloc(&arena, 200 * KB));
	profile_at(heap, 1);
	fake_fail_from(OS_MAP, 1, ENOMEM);
	while (heap->profile.lost < 3)
	{
		(void) alloc(&arena, 8);
		objects++;
	}
	fake_fail_never();
	assert_int_equal(profile_seen.samples + 3, objects);
	end(heap, &arena);
}

/* The table of samples is what a profile needs. */
static void
without_memory_a_profile_is_not_switched_on(void **state)
{
	ga_config config = usual_config();
	ga_heap *heap = new_heap(&config);

	(void) state;
	fake_fail_from(OS_MAP, 1, ENOMEM);
	fake_fail_from(OS_RESERVE, 1, ENOMEM);
	assert_false(ga_profile_set_rate(heap, RATE));
	assert_int_equal(heap->profile.rate, 0);
	fake_fail_never();
	assert_heap(heap);
	delete_heap(heap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_objects_are_estimated_without_bias),
		cmocka_unit_test(objects_elsewhere_are_estimated_without_bias),
		cmocka_unit_test(memory_without_pointers_is_estimated_without_bias),
		cmocka_unit_test(freed_and_recycled_objects_are_counted_right),
		cmocka_unit_test(bytes_that_are_allocated_once_more_are_counted_once_more),
		cmocka_unit_test(short_lives_are_counted_like_one_long_life),
		cmocka_unit_test(objects_that_grow_and_shrink_are_counted_with_their_sizes),
		cmocka_unit_test(large_objects_with_a_type_are_samples),
		cmocka_unit_test(what_grows_in_place_is_counted_once),
		cmocka_unit_test(the_rate_can_change_at_any_time),
		cmocka_unit_test(every_object_is_a_sample_at_a_rate_of_one),
		cmocka_unit_test(a_profile_that_is_switched_off_still_sees_its_samples_end),
		cmocka_unit_test(arenas_that_exist_are_profiled_at_once),
		cmocka_unit_test(samples_without_memory_are_counted_as_lost),
		cmocka_unit_test(without_memory_a_profile_is_not_switched_on),
	};

	seed = environment_number("GA_SEED", (uint64_t) time(NULL));
	print_message("GA_SEED=%llu\n", (unsigned long long) seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
