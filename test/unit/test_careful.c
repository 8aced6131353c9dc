/*-------------------------------------------------------------------------
 *
 * test_careful.c
 *	  Careful arenas: poison in what is freed, and numbers of stacks behind objects.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "delay.h"
#include "support.h"

static ga_arena arena;

/* Begin an arena of the mode that is careful in some ways. */
static void
begin_careful(void **state, ga_quarantine mode, unsigned careful)
{
	begin(&arena, *state, mode);
	ga_arena_set_careful(&arena, careful);
}

static void *
alloc_with(size_t size, uint32_t stack)
{
	void *object = ga_arena_alloc_careful(&arena, size, stack);

	assert_non_null(object);
	return object;
}

static void
objects_have_their_numbers(void **state)
{
	static const size_t sizes[] = {0,	1,	  3,	4,	  8,	100,   120,
								   128, 1000, 8187, 8188, 8192, 10000, 16 * KB};
	char *objects[lengthof(sizes)];

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		objects[i] = alloc_with(sizes[i], (uint32_t) (i + 1) * 1000003);
		fill(objects[i], sizes[i], i);
	}
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		assert_int_equal(ga_arena_stack_of(&arena, objects[i]), (i + 1) * 1000003);
		assert_int_equal(ga_object_requested(objects[i]), sizes[i]);
		assert_true(is_filled(objects[i], sizes[i], i));
	}
	assert_heap(*state);
	ga_arena_destroy(&arena);
}

static void
the_fast_way_leaves_the_same(void **state)
{
	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK);
	(void) alloc_with(1, 1);
	for (size_t size = 0; size <= 1000; size++)
	{
		void *object = ga_arena_alloc_stacked_fast(&arena, size, (uint32_t) size + 7);

		if (object == NULL)
			object = alloc_with(size, (uint32_t) size + 7);
		assert_int_equal(ga_object_requested(object), size);
		assert_int_equal(ga_object_stack(object), size + 7);
		assert_in_range(ga_object_size(object), size + GA_STACK_ROOM, SIZE_MAX);
		assert_int_equal(ga_arena_check_object(&arena, object), GA_FREE_OK);
	}
	assert_null(ga_arena_alloc_stacked_fast(&arena, GA_SMALL_MAX + 1, 1));
	ga_arena_destroy(&arena);
}

static void
objects_that_change_their_size_keep_content_and_get_another_number(void **state)
{
	static const size_t sizes[] = {100,		101, 50, 4000,	  20 * KB, 40 * KB,
								   18 * KB, 30,	 0,	 17 * KB, 16 * KB};
	size_t size = 10;
	char *object;

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK | GA_CAREFUL_CLOBBER);
	object = alloc_with(size, 1);
	fill(object, size, 5);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		object = ga_arena_realloc_careful(&arena, object, sizes[i], (uint32_t) i + 2);
		assert_non_null(object);
		assert_true(is_filled(object, size < sizes[i] ? size : sizes[i], 5));
		size = sizes[i];
		fill(object, size, 5);
		assert_int_equal(ga_arena_stack_of(&arena, object), i + 2);
		assert_int_equal(ga_object_requested(object), size);
		assert_heap(*state);
	}
	ga_arena_destroy(&arena);
}

static void
an_object_that_cannot_grow_stays(void **state)
{
	char *object;

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK);
	object = alloc_with(100, 1);
	fill(object, 100, 5);
	((ga_heap *) *state)->limit = 0;
	assert_null(ga_arena_realloc_careful(&arena, object, 1 * MB, 2));
	assert_null(ga_arena_alloc_careful(&arena, 1 * MB, 2));
	assert_true(is_filled(object, 100, 5));
	assert_int_equal(ga_arena_stack_of(&arena, object), 1);
	((ga_heap *) *state)->limit = SIZE_MAX;
	ga_arena_destroy(&arena);
}

static void
history_has_the_numbers_of_spans(void **state)
{
	ga_freed_place place;
	char *large;
	char *small;

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK);
	large = alloc_with(100 * KB, 77);
	small = alloc_with(100, 78);
	free_object(&arena, large);
	assert_true(ga_history_explain(*state, (uintptr_t) large + 5, &place));
	assert_true(place.freed->stacked && place.freed->large);
	assert_int_equal(place.freed->stack, 77);

	ga_arena_reset(&arena);
	assert_true(ga_history_explain(*state, (uintptr_t) small, &place));
	assert_true(place.freed->stacked && place.readable);
	assert_int_equal(ga_object_stack(small + place.moved), 78);
	ga_arena_destroy(&arena);
}

static void
lives_without_numbers_are_known_as_such(void **state)
{
	ga_freed_place place;
	char *object;

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK);
	(void) alloc_with(100, 1);
	ga_arena_reset(&arena);
	ga_arena_set_careful(&arena, 0);
	object = alloc(&arena, 100);
	ga_arena_reset(&arena);
	assert_true(ga_history_explain(*state, (uintptr_t) object, &place));
	assert_false(place.freed->stacked);
	ga_arena_destroy(&arena);
}

static void
a_freed_object_is_known_by_its_number_while_it_waits(void **state)
{
	ga_event event;
	char *object;

	begin_careful(state, GA_QUARANTINE_ON, GA_CAREFUL_STACK);
	object = alloc_with(100, 42);
	free_object(&arena, object);
	assert_true(is_poison(object, ga_object_size(object)));
	assert_true(ga_delay_find(*state, (uintptr_t) object + 8, &event));
	assert_int_equal(event.allocated, 42);
	poke_word(object, 1);
	ga_delay_check(&arena);
	assert_int_equal(((ga_heap *) *state)->num_events, 1);
	assert_int_equal(((ga_heap *) *state)->events[0].allocated, 42);
	ga_arena_destroy(&arena);
}

static void
pfree_leaves_poison_where_nothing_is_quarantined(void **state)
{
	char *objects[3];

	begin_careful(state, GA_QUARANTINE_OFF, GA_CAREFUL_CLOBBER);
	for (int i = 0; i < 3; i++)
	{
		objects[i] = alloc_with(200, 0);
		fill(objects[i], 200, 1);
	}
	for (int i = 1; i < 3; i++)
	{
		free_object(&arena, objects[i]);
		assert_true(is_poison(objects[i], 200));
	}
	assert_true(is_filled(objects[0], 200, 1));
	ga_arena_destroy(&arena);
}

/* What a reset or the end gives up, also in chunks that others then use. */
static void
resets_leave_poison(ga_quarantine mode, void **state, bool destroy)
{
	char *objects[600];
	size_t size = 1000;

	begin_careful(state, mode, GA_CAREFUL_CLOBBER);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		objects[i] = alloc_with(size, 0);
		fill(objects[i], size, i);
	}
	if (destroy)
		ga_arena_destroy(&arena);
	else
		ga_arena_reset_careful(&arena, GA_CAREFUL_CLOBBER);

	/* The pages of a chunk that was merged, or moved, are elsewhere. */
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		const ga_chunk *chunk = ga_heap_lookup(*state, (uintptr_t) objects[i]);

		if (chunk != NULL && (uintptr_t) objects[i] + size <= chunk->base + chunk->touched)
			assert_true(is_poison(objects[i], size));
	}
	assert_true(destroy || is_poison(objects[0], size) || mode != GA_QUARANTINE_OFF);
	if (!destroy)
		ga_arena_destroy(&arena);
}

static void
a_reset_leaves_poison(void **state)
{
	resets_leave_poison(GA_QUARANTINE_OFF, state, false);
	resets_leave_poison(GA_QUARANTINE_ON, state, false);
}

static void
the_end_leaves_poison(void **state)
{
	resets_leave_poison(GA_QUARANTINE_OFF, state, true);
	resets_leave_poison(GA_QUARANTINE_ON, state, true);
}

static void
poison_of_a_reset_leaves_numbers(void **state)
{
	ga_freed_place place;
	char *object;

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_STACK | GA_CAREFUL_CLOBBER);
	object = alloc_with(100, 99);
	fill(object, 100, 1);
	ga_arena_reset_careful(&arena, GA_CAREFUL_CLOBBER);
	assert_true(ga_history_explain(*state, (uintptr_t) object, &place));
	assert_true(is_poison(object + place.moved, 96));
	assert_int_equal(ga_object_stack(object + place.moved), 99);
	ga_arena_destroy(&arena);
}

static void
a_write_after_free_is_told_of_before_the_poison_of_a_reset(void **state)
{
	char *object;

	begin_careful(state, GA_QUARANTINE_STRICT, GA_CAREFUL_CLOBBER);
	object = alloc_with(100, 0);
	(void) alloc_with(100, 0);
	free_object(&arena, object);
	poke_word(object, 1);
	ga_arena_reset_careful(&arena, 0);
	assert_int_equal(((ga_heap *) *state)->num_events, 1);
	ga_arena_destroy(&arena);
}

static void
what_an_object_shrinks_by_is_poison(void **state)
{
	char *object;

	begin_careful(state, GA_QUARANTINE_OFF, GA_CAREFUL_CLOBBER);
	object = alloc_with(200, 0);
	fill(object, 200, 1);
	assert_ptr_equal(ga_arena_realloc_careful(&arena, object, 100, 0), object);
	assert_true(is_filled(object, 100, 1));
	assert_true(is_poison(object + 104, 96));
	object = alloc_with(30 * KB, 0);
	fill(object, 30 * KB, 1);
	assert_ptr_equal(ga_arena_realloc_careful(&arena, object, 29 * KB, 0), object);
	assert_true(is_filled(object, 29 * KB, 1));
	assert_true(is_poison(object + 29 * KB, 1 * KB));
	ga_arena_destroy(&arena);
}

static void
careful_arenas_have_no_fast_frees(void **state)
{
	begin_careful(state, GA_QUARANTINE_OFF, GA_CAREFUL_WATCH);
	for (int i = 0; i < 2000; i++)
	{
		void *object = alloc_with(100, 0);

		assert_int_equal(arena.active_first, UINTPTR_MAX);
		if (i % 2 == 0)
			free_object(&arena, object);
		assert_int_equal(arena.full_size, 0);
	}
	assert_heap(*state);

	/* The next life may have them. */
	ga_arena_reset_careful(&arena, 0);
	(void) alloc(&arena, 100);
	assert_int_not_equal(arena.active_first, UINTPTR_MAX);
	assert_heap(*state);
	ga_arena_destroy(&arena);
}

static void
careful_arenas_are_not_parked(void **state)
{
	begin_careful(state, GA_QUARANTINE_OFF, GA_CAREFUL_WATCH);
	(void) alloc_with(100, 0);
	assert_false(ga_arena_park(&arena));
	ga_arena_destroy(&arena);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)
	const struct CMUnitTest tests[] = {
		TEST(objects_have_their_numbers),
		TEST(the_fast_way_leaves_the_same),
		TEST(objects_that_change_their_size_keep_content_and_get_another_number),
		TEST(an_object_that_cannot_grow_stays),
		TEST(history_has_the_numbers_of_spans),
		TEST(lives_without_numbers_are_known_as_such),
		TEST(a_freed_object_is_known_by_its_number_while_it_waits),
		TEST(pfree_leaves_poison_where_nothing_is_quarantined),
		TEST(a_reset_leaves_poison),
		TEST(the_end_leaves_poison),
		TEST(poison_of_a_reset_leaves_numbers),
		TEST(a_write_after_free_is_told_of_before_the_poison_of_a_reset),
		TEST(what_an_object_shrinks_by_is_poison),
		TEST(careful_arenas_have_no_fast_frees),
		TEST(careful_arenas_are_not_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
