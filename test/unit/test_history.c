/*-------------------------------------------------------------------------
 *
 * test_history.c
 *	  What is known of an address in memory that was freed.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static uint64_t notes;

static uint64_t
note_free(ga_arena *arena, ga_freed_by how)
{
	(void) arena;
	(void) how;
	return ++notes;
}

static int
setup(void **state)
{
	ga_config config = usual_config();
	ga_heap *heap = new_heap(&config);

	notes = 0;
	heap->note_free = note_free;
	*state = heap;
	return 0;
}

static int
teardown(void **state)
{
	assert_heap(*state);
	delete_heap(*state);
	return 0;
}

static void
spent_addresses_are_explained(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_freed_place place;
	char *first;
	char *second;
	int tries = 0;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	first = alloc(&arena, 1000);
	fill(first, 1000, 1);
	assert_false(ga_history_explain(heap, (uintptr_t) first, &place));
	ga_arena_reset(&arena);
	assert_true(ga_history_explain(heap, (uintptr_t) first + 10, &place));
	assert_int_equal(place.state, GA_QUARANTINED);
	assert_int_equal(place.freed->note, 1);
	assert_int_equal(place.freed->arena_id, arena.id);
	assert_int_equal(place.freed->from, first - GA_HEADER_SIZE);

	/* Where the pages went, what was there can still be read. */
	assert_true(place.readable);
	assert_true(is_filled(first + place.moved, 1000, 1));
	assert_ptr_equal(ga_object_at(place.freed->from + (uintptr_t) place.moved,
								  place.freed->to + (uintptr_t) place.moved,
								  (uintptr_t) first + 10 + (uintptr_t) place.moved),
					 first + place.moved);

	/* Until they are used again, which is not at once. */
	do
	{
		second = alloc(&arena, 100);
		if (second != first + place.moved)
			ga_arena_reset(&arena);
	} while (second != first + place.moved && ++tries < 100);
	assert_in_range(tries, GA_COOLING_FRAMES, 99);
	assert_true(ga_history_explain(heap, (uintptr_t) first, &place));
	assert_false(place.readable);
	assert_int_equal(place.freed->note, 1);
	ga_arena_destroy(&arena);
	assert_true(ga_history_explain(heap, (uintptr_t) second, &place));
	assert_int_equal(place.freed->note, 2 + tries);

	/* Also after a sweep. */
	sweep_nothing(heap);
	assert_true(ga_history_explain(heap, (uintptr_t) first, &place));
	assert_int_equal(place.freed->note, 1);
	assert_int_equal(place.state, GA_FRESH);
}

/* Of large objects the record tells the size, since their pages are soon used again. */
static void
large_objects_need_no_pages(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_freed_place place;
	static const size_t sizes[] = {100 * KB + 1, 3000000, 70 * MB};

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		uintptr_t first = (uintptr_t) alloc(&arena, sizes[i] / 2);
		uintptr_t second = (uintptr_t) ga_arena_realloc(&arena, (void *) first, sizes[i]);

		assert_true(ga_history_explain(heap, first, &place));
		assert_true(place.freed->large);
		assert_int_equal(place.freed->to - place.freed->from - GA_HEADER_SIZE - place.freed->slack,
						 sizes[i] / 2);
		ga_arena_reset(&arena);
		ga_heap_release(heap);
		assert_true(ga_history_explain(heap, second + sizes[i] - 1, &place));
		assert_true(place.freed->large);
		assert_int_equal(place.freed->from, second - GA_HEADER_SIZE);
		assert_int_equal(place.freed->to - place.freed->from - GA_HEADER_SIZE - place.freed->slack,
						 sizes[i]);
	}
	ga_arena_destroy(&arena);
}

/* Each life of a chunk has its record, whoever began and ended it. */
static void
lives_in_one_chunk_are_told_apart(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arenas[3];
	char *objects[3][3];
	ga_freed_place place;

	for (int i = 0; i < 3; i++)
	{
		begin(&arenas[i], heap, GA_QUARANTINE_ON);
		for (int life = 0; life < 3; life++)
		{
			objects[i][life] = alloc(&arenas[i], 100);
			if (life < 2)
				ga_arena_reset(&arenas[i]);
		}
		ga_arena_destroy(&arenas[i]);
	}
	ga_heap_flush_faults(heap);
	for (int i = 0; i < 3; i++)
		for (int life = 0; life < 3; life++)
		{
			assert_true(ga_history_explain(heap, (uintptr_t) objects[i][life], &place));
			assert_int_equal(place.freed->note, 3 * i + life + 1);
			assert_int_equal(place.freed->arena_id, arenas[i].id);
		}
}

static void
the_history_is_bounded(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uintptr_t objects[1200];
	ga_freed_place place;

	begin(&arena, heap, GA_QUARANTINE_ON);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		objects[i] = (uintptr_t) alloc(&arena, 100);
		ga_arena_reset(&arena);
	}
	ga_arena_destroy(&arena);
	ga_heap_flush_faults(heap);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		bool known = ga_history_explain(heap, objects[i], &place) && place.freed != NULL;

		assert_int_equal(known, i >= 200);
		assert_int_equal(state_at(heap, objects[i]) == GA_QUARANTINED, true);
	}
}

/* Foreign addresses, and those that were never used, are not ours to explain. */
static void
what_was_never_freed(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_freed_place place;

	assert_false(ga_history_explain(heap, 0, &place));
	assert_false(ga_history_explain(heap, (uintptr_t) &place, &place));
	begin(&arena, heap, GA_QUARANTINE_ON);
	(void) alloc(&arena, 100);
	assert_false(ga_history_explain(heap, heap->nursery->base + GA_SLOT_SIZE - 1, &place));
	assert_false(ga_history_explain(heap, heap->segments->base + GA_SEGMENT_SIZE - 1, &place));
	ga_arena_destroy(&arena);
}

static void
without_memory_for_it_nothing_is_known(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_freed_place place;
	char *object;

	heap->config.history = 0;
	begin(&arena, heap, GA_QUARANTINE_STRICT);
	object = alloc(&arena, 100);
	ga_arena_reset(&arena);
	assert_true(ga_history_explain(heap, (uintptr_t) object, &place));
	assert_null(place.freed);
	ga_arena_destroy(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(spent_addresses_are_explained),
		TEST(large_objects_need_no_pages),
		TEST(lives_in_one_chunk_are_told_apart),
		TEST(the_history_is_bounded),
		TEST(what_was_never_freed),
		TEST(without_memory_for_it_nothing_is_known),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
