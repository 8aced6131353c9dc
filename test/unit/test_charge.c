/*-------------------------------------------------------------------------
 *
 * test_charge.c
 *	  What arenas are charged for, meters, and usage.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define HEADER GA_HEADER_SIZE

/*
 * assert_metered
 *		The meter is at most four pages ahead of what is used, and by one for each other chunk.
 */
static void
assert_metered(const ga_arena *arena, size_t meter)
{
	ga_arena_usage usage = usage_of(arena);
	size_t used = usage.used_bytes > arena->credit ? usage.used_bytes - arena->credit : 0;

	assert_true(meter >= used);
	assert_true(meter <= used + 4 * 4096 + usage.chunks * 4096 + arena->credit);
}

static void
the_meter_follows_by_pages(void **state)
{
	ga_heap *heap = *state;
	static const size_t credits[] = {0, 1, 1024, 8 * KB};

	set_chunk_size(heap, 8 * MB);
	for (size_t c = 0; c < lengthof(credits); c++)
		for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		{
			size_t meter = 0;
			static ga_arena arena;

			set_mode(heap, (ga_quarantine) mode);
			ga_arena_init(&arena, heap, 0, 0, &meter, credits[c]);
			for (int life = 0; life < 3; life++)
			{
				for (int i = 0; i < 3000; i++)
				{
					size_t before = meter;

					(void) alloc(&arena, 100);
					assert_metered(&arena, meter);
					assert_true(meter >= before && meter - before <= 4 * 4096);
				}
				(void) alloc(&arena, 1 * MB);
				assert_metered(&arena, meter);
				(void) alloc(&arena, 5 * MB);
				assert_metered(&arena, meter);
				assert_int_equal(heap->in_use, arena.charged);
				ga_arena_reset(&arena);
				assert_int_equal(meter, 0);
				assert_true(heap->in_use <= credits[c]);
			}
			ga_arena_destroy(&arena);
			assert_int_equal(meter, 0);
			assert_int_equal(heap->in_use, 0);
		}
}

/*
 * Chunks of 8 kB to 1 MB: the charge is ahead by a page while the arena is small, and by an eighth of
 * its chunk later.  So it moves seldom, since each move leaves the fast path.
 */
static void
the_step_grows_with_the_chunk(void **state)
{
	ga_heap *heap = *state;
	size_t meter = 0;
	size_t used = 0;
	int moves = 0;
	static ga_arena arena;

	set_mode(heap, GA_QUARANTINE_OFF);
	set_chunk_size(heap, MB);
	ga_arena_init(&arena, heap, 0, 0, &meter, 0);
	while (used < 1 * MB)
	{
		size_t before = meter;
		size_t step;

		used += bytes_of(alloc(&arena, 100));
		step = ga_min_size(ga_max_size(arena.active->size / 8, 4 * KB), 16 * KB);
		moves += meter != before;
		assert_true(meter >= used);
		assert_true(meter <= used + 8 * 128 + step);
	}
	assert_in_range(moves, 60, 80);
	assert_heap(heap);
	ga_arena_destroy(&arena);
	assert_int_equal(meter, 0);
}

/* Within its credit an arena is not metered. */
static void
credit_is_not_metered(void **state)
{
	size_t meter = 77;
	static ga_arena arena;

	ga_arena_init(&arena, *state, 0, 0, &meter, 4096);
	for (int i = 0; i < 4096 / 128; i++)
		(void) alloc(&arena, 128 - HEADER);
	assert_int_equal(meter, 77);
	(void) alloc(&arena, 1);
	assert_int_equal(meter, 77 + 4096);
	ga_arena_destroy(&arena);
	assert_int_equal(meter, 77);
}

/* Arrays that grow by doubling are charged for what they hold. */
static void
large_freed_objects_are_not_charged(void **state)
{
	ga_heap *heap = *state;

	set_chunk_size(heap, 8 * MB);
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (int in_place = 0; in_place < 2; in_place++)
		{
			size_t meter = 0;
			static ga_arena arena;
			char *array;

			set_mode(heap, (ga_quarantine) mode);
			ga_arena_init(&arena, heap, 0, 0, &meter, 0);
			array = alloc(&arena, 16);
			for (size_t size = 32; size <= 32 * MB; size *= 2)
			{
				if (!in_place)
					(void) alloc(&arena, 8);
				array = ga_arena_realloc(&arena, array, size);
				assert_non_null(array);

				/* Also while the last one waits in the delay queue. */
				assert_in_range(meter, size, size + 3 * GA_SMALL_MAX + 52 * KB);
			}
			free_object(&arena, array);
			assert_true(meter < 2 * MB + 128 * KB);
			ga_arena_destroy(&arena);
			assert_int_equal(meter, 0);
		}
}

static void
recycled_large_objects_are_charged_again(void **state)
{
	ga_heap *heap = *state;
	size_t meter = 0;
	static ga_arena arena;
	char *object;
	size_t bytes;
	size_t before;

	set_chunk_size(heap, MB);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_init(&arena, heap, 0, 0, &meter, 0);
	object = alloc(&arena, 100 * KB);
	bytes = bytes_of(object);
	(void) alloc(&arena, 8);
	before = meter;
	free_object(&arena, object);
	assert_int_equal(before - meter, bytes);
	assert_heap(heap);
	assert_ptr_equal(alloc(&arena, 100 * KB), object);
	assert_int_equal(meter, before);
	ga_arena_destroy(&arena);
}

static void
usage_adds_up(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_arena_usage usage;
	char *objects[4];
	size_t dead;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 4; i++)
		objects[i] = alloc(&arena, 100);
	usage = usage_of(&arena);
	assert_int_equal(usage.chunks, 1);
	assert_int_equal(usage.chunk_bytes, 4 * KB);
	assert_int_equal(usage.used_bytes, 4 * (104 + HEADER));
	assert_int_equal(usage.free_bytes, usage.chunk_bytes - usage.used_bytes);
	assert_int_equal(usage.dead_bytes, 0);

	free_object(&arena, objects[1]);
	usage = usage_of(&arena);
	assert_int_equal(usage.used_bytes, 3 * (104 + HEADER));
	assert_int_equal(usage.free_bytes, usage.chunk_bytes - usage.used_bytes);
	assert_int_equal(usage.free_objects, 1);
	assert_int_equal(usage.dead_bytes, 0);

	/* What is left of a full chunk is dead. */
	dead = usage.chunk_bytes - (arena.ptr - arena.active->base);
	(void) alloc(&arena, 8100);
	usage = usage_of(&arena);
	assert_int_equal(usage.chunks, 2);
	assert_int_equal(usage.dead_bytes, dead);
	assert_int_equal(usage.free_objects, 1);

	/* Pages that were never touched are not held, and of a span, its pages count. */
	(void) alloc(&arena, 40 * KB);
	usage = usage_of(&arena);
	assert_int_equal(usage.chunks, 3);
	assert_int_equal(arena.active->size, 16 * KB);
	assert_int_equal(usage.chunk_bytes, 4 * KB + 12 * KB + 44 * KB);
	assert_int_equal(usage.dead_bytes, dead);
	assert_int_equal(usage.used_bytes + usage.free_bytes + usage.dead_bytes, usage.chunk_bytes);
	ga_arena_destroy(&arena);
}

static void
delayed_objects_are_dead(void **state)
{
	static ga_arena arena;
	char *object;

	begin(&arena, *state, GA_QUARANTINE_ON);
	object = alloc(&arena, 100);
	(void) alloc(&arena, 100);
	free_object(&arena, object);
	assert_int_equal(usage_of(&arena).used_bytes, 104 + HEADER);
	assert_int_equal(usage_of(&arena).dead_bytes, 104 + HEADER);
	assert_int_equal(usage_of(&arena).free_objects, 0);
	ga_arena_destroy(&arena);
}

/*
 * lower_peak
 *		Begin a new stretch of time in which the peak is looked for.
 */
static void
lower_peak(ga_heap *heap)
{
	heap->peak = heap->in_use;
}

static void
the_peak_is_the_highest_use(void **state)
{
	ga_heap *heap = *state;

	set_chunk_size(heap, 8 * MB);
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena first;
		static ga_arena second;
		size_t highest;

		begin(&first, heap, (ga_quarantine) mode);
		begin(&second, heap, (ga_quarantine) mode);
		lower_peak(heap);
		(void) alloc(&first, 3 * MB);
		for (int i = 0; i < 1000; i++)
			(void) alloc(&second, 500);
		highest = heap->in_use;
		assert_true(highest > 3 * MB + 500 * 1000);
		assert_int_equal(heap->peak, highest);

		/* It stays when memory goes, whichever way. */
		ga_arena_reset(&first);
		assert_true(heap->in_use < MB);
		assert_int_equal(heap->peak, highest);
		ga_arena_destroy(&second);
		assert_int_equal(heap->peak, highest);

		/* Lowered, it follows anew, also by what is freed before the reset. */
		lower_peak(heap);
		assert_true(heap->peak < 64 * KB);
		free_object(&first, alloc(&first, 2 * MB));
		free_object(&first, alloc(&first, 100 * KB));
		assert_true(heap->peak >= 2 * MB && heap->peak < 2 * MB + 300 * KB);
		ga_arena_destroy(&first);
		assert_int_equal(heap->in_use, 0);
	}
}

static void
resets_do_not_raise_the_peak(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t meter = 0;
	size_t before;

	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_init(&arena, heap, 0, 0, &meter, KB);
	(void) alloc(&arena, 100);
	ga_arena_reset(&arena);
	lower_peak(heap);
	before = heap->peak;
	for (int i = 0; i < 100; i++)
	{
		(void) alloc(&arena, 100);
		ga_arena_reset(&arena);
	}
	assert_int_equal(heap->peak, before);
	ga_arena_destroy(&arena);
}

static void
a_span_that_moves_counts_once(void **state)
{
	ga_heap *heap = *state;

	set_chunk_size(heap, 64 * KB);
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		void *object;

		begin(&arena, heap, (ga_quarantine) mode);
		object = alloc(&arena, MB);
		lower_peak(heap);
		object = ga_arena_realloc(&arena, object, 3 * MB);
		assert_non_null(object);
		assert_int_equal(heap->peak, heap->in_use);
		assert_true(heap->peak < 3 * MB + 64 * KB);
		ga_arena_destroy(&arena);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_meter_follows_by_pages),
		TEST(the_step_grows_with_the_chunk),
		TEST(credit_is_not_metered),
		TEST(large_freed_objects_are_not_charged),
		TEST(recycled_large_objects_are_charged_again),
		TEST(usage_adds_up),
		TEST(delayed_objects_are_dead),
		TEST(the_peak_is_the_highest_use),
		TEST(resets_do_not_raise_the_peak),
		TEST(a_span_that_moves_counts_once),
	};

	return cmocka_run_group_tests_name("charge", tests, NULL, NULL);
}
