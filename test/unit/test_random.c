/*-------------------------------------------------------------------------
 *
 * test_random.c
 *	  Random operations, compared with the reference model after each one.
 *
 * GA_SEED repeats a run, GA_OPERATIONS sets its length.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <time.h>

#include "model.h"

/* A shape of load. */
typedef struct load
{
	uint64_t operations;
	size_t largest;		  /* bytes of an ordinary object */
	size_t largest_span;  /* bytes of one in a hundred */
	size_t largest_chunk; /* of those that are configured */
	uint64_t failures;	  /* OS calls fail one in so many, or 0 */
	size_t page_size;	  /* or 0 for the kernel's */
} load;

static uint64_t operations;

/*
 * random_size
 *		Most objects are small; sizes that are powers of two or nearly so, and
 *		those around the limits of the engine, are frequent.
 */
static size_t
random_size(const load *l, const ga_heap *heap, uint64_t *random)
{
	size_t size;

	switch (random_below(random, 20))
	{
		case 0:
			return random_below(random, 3);
		case 1:
			size = (size_t) 1 << random_below(random, (uint64_t) ga_order_of(l->largest));
			return size + random_below(random, 5) - ga_min_size(size, 2);
		case 2:
			return ga_min_size(heap->large_threshold, l->largest) - 2 + random_below(random, 5);
		case 3:
			return GA_SMALL_MAX - 2 + random_below(random, 5);
		case 4:
			return random_below(random, l->largest);
		case 5:
			if (random_below(random, 5) == 0)
				return random_below(random, l->largest_span);
			return random_below(random, l->largest);
		default:
			return random_below(random, 300);
	}
}

static void
random_config(const load *l, ga_heap *heap, uint64_t *random)
{
	static const double rates[] = {0.0, 0.1, 0.5, 1.0, 1.0};
	int orders = ga_order_of(l->largest_chunk) - 16 + 1;
	ga_config config = {
		.quarantine = (ga_quarantine) random_below(random, 3),
		.sample_rate = rates[random_below(random, lengthof(rates))],
		.chunk_size = 64 * KB << random_below(random, (uint64_t) orders),
		.retain = random_below(random, 4) == 0 ? 0 : random_below(random, 16 * MB),
		.sweep_percent = (int) random_below(random, 200) - 1,
		.sweep_min = random_below(random, 4 * MB),
		.max_mappings = random_below(random, 4) == 0 ? random_below(random, 50) : 10000,
		.huge_pages = random_below(random, 2) == 0,
		.history = 100,
	};

	ga_heap_configure(heap, &config);
	profile_at(heap, random_below(random, 2) == 0 ? 0 : 1 + random_below(random, 64 * KB));
}

/*
 * sweep_in_parts
 *		Begin, go on with, or end a sweep between other operations.
 */
static void
sweep_in_parts(model *m, int *part, bool unstable)
{
	ga_sweep_result result;

	switch (*part)
	{
		case 0:
			ga_sweep_begin(m->heap);
			break;
		case 1:
			model_sweep_roots(m, unstable);
			break;
		default:
			ga_sweep_finish(m->heap, &result);
	}
	*part = (*part + 1) % 3;
}

/*
 * operate
 *		One random operation.
 */
static void
operate(model *m, const load *l, uint64_t *random, int *sweep_part)
{
	int arena = (int) random_below(random, MODEL_ARENAS);
	model_arena *a = &m->arenas[arena];
	int object = a->count > 0 ? (int) random_below(random, (uint64_t) a->count) : 0;
	bool unstable = random_below(random, 2) == 0;
	uint64_t failures = fake_failures();
	bool done = true;

	if (!a->exists)
	{
		model_create(m, arena, random_below(random, 2) == 0 ? 0 : random_below(random, 10000));
		return;
	}
	switch (random_below(random, 100))
	{
		case 0:
			model_destroy(m, arena);
			break;
		case 1:
		case 2:
			model_reset(m, arena);
			break;
		case 3:
			random_config(l, m->heap, random);
			break;
		case 4:
			if (*sweep_part == 0)
				(void) model_sweep(m, unstable);
			break;
		case 5:
		case 6:
			sweep_in_parts(m, sweep_part, unstable);
			break;
		case 7:
			(void) ga_heap_release(m->heap);
			break;
		case 8:
			ga_heap_flush_faults(m->heap);
			break;
		case 9:
			ga_heap_keep_excess(m->heap, random_below(random, 2) == 0);
			break;
		case 10 ... 20:
			if (a->count > 0 && a->objects[object].size > 0)
				model_point(m, (int) random_below(random, MODEL_ROOTS), arena, object,
							random_below(random, a->objects[object].size));
			break;
		case 21 ... 35:
			if (a->count > 0)
				done = model_realloc(m, arena, object, random_size(l, m->heap, random));
			break;
		case 36 ... 60:
			if (a->count > 0)
				model_free(m, arena, object);
			break;
		default:
			if (a->count == MODEL_OBJECTS)
				model_free(m, arena, object);
			else
				done = model_alloc(m, arena, random_size(l, m->heap, random));
	}

	/* Only who was refused memory may fail. */
	assert_true(done || fake_failures() > failures);
}

static void
run(const load *l)
{
	uint64_t seed = environment_number("GA_SEED", (uint64_t) time(NULL));
	uint64_t random = seed;
	ga_config config = usual_config();
	ga_heap *heap =
		l->page_size == 0 ? new_heap(&config) : new_heap_with_pages(&config, l->page_size);
	model *m = new_model(heap);
	int sweep_part = 0;

	print_message("GA_SEED=%llu, %llu operations\n", (unsigned long long) seed,
				  (unsigned long long) l->operations);
	fake_fail_randomly(l->failures, seed);
	for (uint64_t i = 0; i < l->operations; i++)
	{
		operate(m, l, &random, &sweep_part);
		model_check(m);
		if (i % 500 == 0)
		{
			model_check_contents(m);
			assert_access(heap);
		}
	}

	fake_fail_never();
	while (sweep_part != 0)
		sweep_in_parts(m, &sweep_part, false);
	(void) model_sweep(m, false);
	model_check(m);
	model_check_contents(m);
	delete_model(m);
}

/* Small chunks fill, and are given up, all the time. */
static void
small_chunks(void **state)
{
	(void) state;
	run(&(load){operations, 20 * KB, 200 * KB, 64 * KB, 0, 0});
}

static void
small_chunks_with_failures(void **state)
{
	(void) state;
	run(&(load){operations, 20 * KB, 200 * KB, 64 * KB, 20, 0});
}

static void
chunks_of_all_sizes(void **state)
{
	(void) state;
	run(&(load){operations / 10, 100 * KB, 80 * MB, 64 * MB, 0, 0});
}

static void
chunks_of_all_sizes_with_failures(void **state)
{
	(void) state;
	run(&(load){operations / 10, 100 * KB, 80 * MB, 64 * MB, 50, 0});
}

/* As on some machines with ARM processors. */
static void
large_pages(void **state)
{
	(void) state;
	run(&(load){operations / 5, 20 * KB, 500 * KB, MB, 0, 64 * KB});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_chunks),		   cmocka_unit_test(small_chunks_with_failures),
		cmocka_unit_test(chunks_of_all_sizes), cmocka_unit_test(chunks_of_all_sizes_with_failures),
		cmocka_unit_test(large_pages),
	};

	operations = environment_number("GA_OPERATIONS", SANITIZED ? 20000 : 100000);
	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
