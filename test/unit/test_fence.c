/*-------------------------------------------------------------------------
 *
 * test_fence.c
 *	  Objects with pages of their own, which end where access ends.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "support.h"

static ga_arena arena;

static void
begin_fenced(void **state)
{
	set_mode(*state, GA_QUARANTINE_OFF);
	begin(&arena, *state, GA_QUARANTINE_OFF);
	ga_arena_set_careful(&arena, GA_CAREFUL_FENCE);
}

static char *
alloc_fenced(size_t size)
{
	char *object = ga_arena_alloc_careful(&arena, size, 7);

	assert_non_null(object);
	return object;
}

static bool
is_fenced(const ga_heap *heap, const void *object)
{
	const ga_chunk *chunk = ga_heap_lookup(heap, (uintptr_t) object);

	return chunk != NULL && chunk->fenced;
}

static void
one_byte_behind_an_object_faults(void **state)
{
	static const size_t sizes[] = {1, 8, 16, 100, 4080, 4088, 4096, 8000, 70000, 2 * MB, 3 * MB};

	begin_fenced(state);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		char *object = alloc_fenced(sizes[i]);
		size_t end = ga_align_up(sizes[i], 8);

		fill(object, sizes[i], i);
		assert_false(read_faults(object + end - 1));
		assert_true(read_faults(object + end));
		assert_true(write_faults(object + end));
		assert_int_equal(ga_object_requested(object), sizes[i]);
		assert_int_equal((uintptr_t) object % GA_ALIGN, 0);
		assert_int_equal(ga_arena_check_object(&arena, object), GA_FREE_OK);
		assert_int_equal(ga_arena_stack_of(&arena, object), 7);
		assert_ptr_equal(ga_fence_find(*state, (uintptr_t) object + end), object);
		assert_null(ga_fence_find(*state, (uintptr_t) object + end - 1));
	}
	assert_heap(*state);
	assert_int_equal(((ga_heap *) *state)->fenced, lengthof(sizes));
	ga_arena_destroy(&arena);
	assert_int_equal(((ga_heap *) *state)->fenced, 0);
}

static void
a_freed_object_faults_at_once(void **state)
{
	ga_freed_place place;
	char *object;

	begin_fenced(state);
	object = alloc_fenced(100);
	(void) alloc_fenced(100);
	free_object(&arena, object);
	assert_true(read_faults(object));
	assert_true(read_faults(object + 99));
	assert_true(ga_history_explain(*state, (uintptr_t) object + 50, &place));
	assert_true(place.freed->large);
	assert_int_equal(place.freed->from + GA_HEADER_SIZE, (uintptr_t) object);
	assert_int_equal(place.freed->to - place.freed->from - GA_HEADER_SIZE - place.freed->slack,
					 100);
	assert_null(ga_fence_find(*state, (uintptr_t) object + 104));
	ga_arena_destroy(&arena);
}

static void
all_objects_fault_after_a_reset_and_the_next_life_is_fenced(void **state)
{
	char *objects[20];

	begin_fenced(state);
	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc_fenced(100 * (i + 1));
	ga_arena_reset_careful(&arena, GA_CAREFUL_FENCE);
	for (size_t i = 0; i < lengthof(objects); i++)
		assert_true(read_faults(objects[i]));
	assert_true(is_fenced(*state, alloc_fenced(100)));

	/* And with other settings the one after that is not. */
	ga_arena_reset_careful(&arena, 0);
	assert_false(is_fenced(*state, alloc(&arena, 100)));
	assert_heap(*state);
	ga_arena_destroy(&arena);
}

static void
an_arena_that_was_not_fenced_is_from_its_next_life_on(void **state)
{
	char *object;

	begin(&arena, *state, GA_QUARANTINE_OFF);
	(void) alloc(&arena, 100);
	ga_arena_reset_careful(&arena, GA_CAREFUL_FENCE);
	object = alloc_fenced(100);
	assert_true(is_fenced(*state, object));
	assert_true(read_faults(object + 104));
	ga_arena_destroy(&arena);
}

static void
an_object_that_changes_its_size_moves(void **state)
{
	static const size_t sizes[] = {200, 100, 8000, 7999, 0, 5 * MB, 100};
	char *object;
	size_t size = 100;

	begin_fenced(state);
	object = alloc_fenced(size);
	fill(object, size, 3);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		char *moved = ga_arena_realloc_careful(&arena, object, sizes[i], 8);

		assert_non_null(moved);
		assert_ptr_not_equal(moved, object);
		assert_true(is_filled(moved, size < sizes[i] ? size : sizes[i], 3));
		assert_true(read_faults(object));
		size = sizes[i];
		object = moved;
		fill(object, size, 3);
	}
	assert_heap(*state);
	ga_arena_destroy(&arena);
}

static void
pages_that_were_used_before_are_fenced_as_well(void **state)
{
	begin_fenced(state);
	for (int i = 0; i < 200; i++)
	{
		char *object = alloc_fenced(100 + (size_t) i % 50 * 500);

		assert_true(is_fenced(*state, object));
		free_object(&arena, object);
	}
	assert_true(read_faults(alloc_fenced(24) + 24));
	assert_heap(*state);
	ga_arena_destroy(&arena);
}

static void
beyond_a_bound_objects_are_ordinary_and_that_is_told_once(void **state)
{
	ga_heap *heap = *state;
	char *objects[100];
	int fenced = 0;

	heap->config.max_mappings = 160;
	begin_fenced(state);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		objects[i] = alloc_fenced(100);
		fill(objects[i], 100, i);
		fenced += is_fenced(heap, objects[i]);
	}
	assert_int_equal(fenced, 40);
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_FENCE_LIMIT);
	assert_int_equal(heap->events[0].size, 40);

	/* A few less do not begin it anew, all less do. */
	free_object(&arena, objects[0]);
	assert_false(is_fenced(heap, alloc_fenced(100)));
	for (size_t i = 1; i < lengthof(objects); i++)
	{
		assert_true(is_filled(objects[i], 100, i));
		free_object(&arena, objects[i]);
	}
	assert_true(is_fenced(heap, alloc_fenced(100)));
	assert_int_equal(heap->num_events, 1);
	assert_heap(heap);
	ga_arena_destroy(&arena);
}

static void
each_system_call_may_fail(void **state)
{
	static const os_call calls[] = {OS_MAP, OS_USE, OS_DROP, OS_LEAVE, OS_MOVE, OS_RESERVE};

	for (size_t i = 0; i < lengthof(calls); i++)
		for (uint64_t nth = 1; nth <= 6; nth++)
		{
			char *objects[4];

			begin_fenced(state);
			fake_fail(calls[i], nth, ENOMEM);
			for (size_t j = 0; j < lengthof(objects); j++)
			{
				objects[j] = ga_arena_alloc_careful(&arena, 3000, 1);
				if (objects[j] != NULL)
					fill(objects[j], 3000, j);
				assert_heap(*state);
			}
			for (size_t j = 0; j < lengthof(objects); j += 2)
				if (objects[j] != NULL)
				{
					assert_true(is_filled(objects[j], 3000, j));
					free_object(&arena, objects[j]);
					assert_heap(*state);
				}
			ga_arena_destroy(&arena);
			fake_fail_never();
			assert_heap(*state);
		}
}

static void
a_limit_holds_for_them(void **state)
{
	ga_heap *heap = *state;

	begin_fenced(state);
	(void) alloc_fenced(100);
	heap->limit = ga_heap_held(heap) + 4096;
	(void) alloc_fenced(100);
	assert_null(ga_arena_alloc_careful(&arena, 100, 1));
	assert_true(heap->refused > 0);
	heap->refused = 0;
	heap->limit = SIZE_MAX;
	assert_heap(heap);
	ga_arena_destroy(&arena);
}

static void
what_they_point_to_is_pinned(void **state)
{
	ga_heap *heap = *state;
	uintptr_t freed = victim(heap);
	char *object;

	begin_fenced(state);
	object = alloc_fenced(8);
	*(uintptr_t *) object = freed;
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
	assert_int_equal(pinned_by(heap, freed), (uintptr_t) object);
	ga_arena_destroy(&arena);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)
	const struct CMUnitTest tests[] = {
		TEST(one_byte_behind_an_object_faults),
		TEST(a_freed_object_faults_at_once),
		TEST(all_objects_fault_after_a_reset_and_the_next_life_is_fenced),
		TEST(an_arena_that_was_not_fenced_is_from_its_next_life_on),
		TEST(an_object_that_changes_its_size_moves),
		TEST(pages_that_were_used_before_are_fenced_as_well),
		TEST(beyond_a_bound_objects_are_ordinary_and_that_is_told_once),
		TEST(each_system_call_may_fail),
		TEST(a_limit_holds_for_them),
		TEST(what_they_point_to_is_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
