/*-------------------------------------------------------------------------
 *
 * test_limit.c
 *	  The limit of what a heap may hold, on each way to more memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/*
 * leave_room
 *		Set the limit so many bytes above what is held.
 */
static void
leave_room(ga_heap *heap, size_t bytes)
{
	heap->limit = ga_heap_held(heap) + bytes;
	heap->refused = 0;
}

/*
 * assert_refused
 *		The limit was the reason, it was kept, and nothing is out of order.  Returns how many bytes
 *		were refused.
 */
static size_t
assert_refused(ga_heap *heap, const void *object)
{
	size_t refused = heap->refused;

	assert_null(object);
	assert_true(heap->refused > 0);
	assert_true(heap->limit == 0 || ga_heap_held(heap) <= heap->limit);
	assert_heap(heap);
	heap->refused = 0;
	return refused;
}

/* Allocate objects of a size until one is refused; returns their number. */
static size_t
allocate_until_refused(ga_arena *arena, size_t size)
{
	size_t count = 0;
	void *object;

	while ((object = ga_arena_alloc(arena, size)) != NULL)
	{
		fill(object, size, count++);
		assert_true(ga_heap_held(arena->heap) <= arena->heap->limit);
		assert_int_equal(arena->heap->refused, 0);
	}
	assert_refused(arena->heap, object);
	return count;
}

/* Small and large ones; what the limit leaves is used but for what chunks waste. */
static void
objects_up_to_the_limit(void **state)
{
	static const size_t sizes[] = {32, 1000, 8000, 16000, 100 * KB, 1 * MB};
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (size_t i = 0; i < lengthof(sizes); i++)
		{
			static ga_arena arena;
			size_t count;

			begin(&arena, heap, (ga_quarantine) mode);
			(void) alloc(&arena, sizes[i]);
			leave_room(heap, 8 * MB);
			count = allocate_until_refused(&arena, sizes[i]);
			assert_in_range(count * sizes[i], 5 * MB, 8 * MB);

			/* Twice is no different, and without a limit it goes on. */
			assert_refused(heap, ga_arena_alloc(&arena, sizes[i]));
			heap->limit = SIZE_MAX;
			(void) alloc(&arena, sizes[i]);
			ga_arena_destroy(&arena);
			sweep_nothing(heap);
			ga_heap_release(heap);
		}
}

/* One request far beyond it is refused at once, and takes nothing. */
static void
one_large_request(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t held;

	begin(&arena, heap, GA_QUARANTINE_ON);
	(void) alloc(&arena, 100);
	leave_room(heap, 8 * MB);
	held = ga_heap_held(heap);
	assert_refused(heap, ga_arena_alloc(&arena, 9 * MB));
	assert_refused(heap, ga_arena_alloc(&arena, (size_t) 1 << 39));
	assert_int_equal(ga_heap_held(heap), held);
	assert_non_null(ga_arena_alloc(&arena, 7 * MB));
	ga_arena_destroy(&arena);
}

/* Where the limit leaves less than the step of a large chunk, its pages are charged one by one. */
static void
the_last_pages_are_charged_one_by_one(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t charged;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	set_chunk_size(heap, MB);
	while (arena.active == NULL || arena.active->size < 512 * KB)
		(void) alloc(&arena, 100);
	charged = arena.charged;
	leave_room(heap, 8 * KB);
	assert_true(allocate_until_refused(&arena, 100) > 0);
	assert_int_equal(arena.charged, charged + 8 * KB);
	ga_arena_destroy(&arena);
}

/* What was had before can be used again, whatever the limit says. */
static void
memory_that_is_held_already(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	void *objects[100];

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc(&arena, 1000);
	(void) alloc(&arena, 1000);
	for (size_t i = 0; i < lengthof(objects); i += 2)
		free_object(&arena, objects[i]);
	heap->limit = 0;
	for (size_t i = 0; i < lengthof(objects); i += 2)
		assert_non_null(ga_arena_alloc(&arena, 1000));
	assert_int_equal(heap->refused, 0);
	ga_arena_reset(&arena);
	assert_non_null(ga_arena_alloc(&arena, 1000));
	assert_int_equal(heap->refused, 0);
	assert_refused(heap, ga_arena_alloc(&arena, 1 * MB));
	ga_arena_destroy(&arena);
}

/* An object that is last in its chunk grows by pages. */
static void
growth_in_place(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t size = 100;
	void *object;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	(void) alloc(&arena, 300 * KB);
	object = alloc(&arena, size);
	fill(object, size, 7);
	leave_room(heap, 64 * KB);
	for (;;)
	{
		void *grown = ga_arena_realloc(&arena, object, size + 4 * KB);

		if (grown == NULL)
			break;
		object = grown;
		size += 4 * KB;
		assert_true(size <= 128 * KB);
		assert_true(ga_heap_held(heap) <= heap->limit);
	}
	assert_refused(heap, NULL);
	assert_true(is_filled(object, 100, 7));
	assert_true(ga_object_requested(object) == size);
	ga_arena_destroy(&arena);
}

/* A span grows in its chunk, and by moving, in both cases by what is new. */
static void
growth_of_spans(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		void *object;

		begin(&arena, heap, (ga_quarantine) mode);
		object = alloc(&arena, 5 * MB);
		fill(object, 5 * MB, 1);

		leave_room(heap, 2 * MB);
		assert_refused(heap, ga_arena_realloc(&arena, object, 7 * MB + 8 * KB));
		assert_true(is_filled(object, 5 * MB, 1));
		object = ga_arena_realloc(&arena, object, 6 * MB);
		assert_non_null(object);
		assert_true(is_filled(object, 5 * MB, 1));

		leave_room(heap, 6 * MB);
		assert_refused(heap, ga_arena_realloc(&arena, object, 13 * MB));
		object = ga_arena_realloc(&arena, object, 11 * MB);
		assert_non_null(object);
		assert_true(is_filled(object, 5 * MB, 1));
		assert_int_equal(heap->refused, 0);

		heap->limit = 0;
		object = ga_arena_realloc(&arena, object, 1 * MB);
		assert_non_null(object);
		heap->limit = SIZE_MAX;
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
		ga_heap_release(heap);
	}
}

/* A small object that has to be copied to grow stays as it was. */
static void
growth_by_copying(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	void *object;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	object = alloc(&arena, 1000);
	fill(object, 1000, 3);
	(void) alloc(&arena, 8);
	leave_room(heap, 0);
	assert_refused(heap, ga_arena_realloc(&arena, object, 100 * KB));
	assert_refused(heap, ga_arena_realloc(&arena, object, 15 * KB));
	assert_true(is_filled(object, 1000, 3));
	assert_int_equal(ga_object_requested(object), 1000);

	/* One that shrinks and would be moved for it stays where it is. */
	heap->limit = SIZE_MAX;
	object = alloc(&arena, 14 * KB);
	(void) alloc(&arena, 8);
	leave_room(heap, 0);
	assert_ptr_equal(ga_arena_realloc(&arena, object, 6 * KB), object);
	ga_arena_destroy(&arena);
}

/* Pages that are kept for chunks not in use count; once they are given back there is room. */
static void
retained_pages_count(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t refused;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 16; i++)
		(void) alloc(&arena, 1 * MB - GA_HEADER_SIZE);
	ga_arena_reset(&arena);
	assert_true(heap->retained >= 16 * MB);
	leave_room(heap, 0);
	refused = assert_refused(heap, ga_arena_alloc(&arena, 4 * MB));
	assert_in_range(refused, 4 * MB, 4 * MB + 16 * KB);
	ga_heap_trim(heap, heap->retained - refused);
	assert_non_null(ga_arena_alloc(&arena, 4 * MB));
	assert_true(ga_heap_held(heap) <= heap->limit);
	assert_refused(heap, ga_arena_alloc(&arena, 14 * MB));
	ga_arena_destroy(&arena);
}

/* What lies in quarantine makes room, too: the caller sweeps and releases. */
static void
quarantine_counts_until_it_is_released(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	heap->config.retain = SIZE_MAX;
	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (int i = 0; i < 8; i++)
		(void) alloc(&arena, 1 * MB);
	ga_arena_reset(&arena);
	assert_true(ga_heap_held(heap) >= 8 * MB);
	leave_room(heap, 0);
	ga_heap_release(heap);
	assert_non_null(ga_arena_alloc(&arena, 7 * MB));
	assert_int_equal(heap->refused, 0);
	ga_arena_destroy(&arena);
}

/* Pages that the system does not take back count on. */
static void
pages_that_cannot_be_released(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 8; i++)
		(void) alloc(&arena, 1 * MB);
	ga_arena_reset(&arena);
	leave_room(heap, 0);
	fake_fail_from(OS_UNUSE, 1, ENOMEM);
	fake_fail_from(OS_DROP, 1, ENOMEM);
	fake_fail_from(OS_LEAVE, 1, ENOMEM);
	ga_heap_release(heap);
	assert_refused(heap, ga_arena_alloc(&arena, 4 * MB));
	fake_fail_never();
	ga_heap_release(heap);
	assert_non_null(ga_arena_alloc(&arena, 4 * MB));
	ga_arena_destroy(&arena);
}

/* What is held is what the kernel may count: the pages that were written. */
static void
held_is_what_is_touched(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t before = ga_heap_held(heap);
	size_t metadata = heap->metadata.mapped;

	begin(&arena, heap, GA_QUARANTINE_ON);
	for (int i = 0; i < 1000; i++)
		(void) alloc(&arena, 1000);
	(void) alloc(&arena, 3 * MB);
	assert_in_range(ga_heap_held(heap) - before - (heap->metadata.mapped - metadata), 4 * MB,
					4 * MB + 128 * KB);
	ga_arena_destroy(&arena);
	sweep_nothing(heap);
	ga_heap_release(heap);
	assert_in_range(ga_heap_held(heap) - heap->metadata.mapped, 0, 64 * KB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_up_to_the_limit, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(the_last_pages_are_charged_one_by_one, setup_heap,
										teardown_heap),
		cmocka_unit_test_setup_teardown(one_large_request, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(memory_that_is_held_already, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(growth_in_place, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(growth_of_spans, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(growth_by_copying, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(retained_pages_count, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(quarantine_counts_until_it_is_released, setup_heap,
										teardown_heap),
		cmocka_unit_test_setup_teardown(pages_that_cannot_be_released, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(held_is_what_is_touched, setup_heap, teardown_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
