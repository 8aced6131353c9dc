/*-------------------------------------------------------------------------
 *
 * test_sweep_live.c
 *	  Sweeps: what in the memory of arenas pins a slot.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static void
live_objects_pin(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		uintptr_t *places[4];

		/* In a full chunk, in the last word of the active one, in spans. */
		begin(&arena, heap, (ga_quarantine) mode);
		places[0] = alloc(&arena, 64);
		(void) alloc(&arena, 8 * KB);
		places[1] = alloc(&arena, 64);
		places[2] = alloc(&arena, 100 * KB - GA_HEADER_SIZE);
		places[3] = alloc(&arena, 70 * MB);
		assert_int_equal(chunk_at(heap, places[0])->state, GA_FULL);
		assert_ptr_equal(chunk_at(heap, places[1]), arena.active);
		memset(places[0], 0, 64);
		memset(places[1], 0, 64);
		places[1] += 7;
		places[2] += (100 * KB - GA_HEADER_SIZE) / 8 - 1;
		places[3] += 69 * MB / 8;
		assert_int_equal((uintptr_t) (places[1] + 1), arena.ptr);

		for (size_t i = 0; i < lengthof(places); i++)
		{
			*places[i] = victim(heap);
			assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
			*places[i] = 0;
			assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
		}
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
	}
}

/* Freed objects of quarantined arenas are poisoned, or above the bump pointer. */
static void
freed_objects_do_not_pin(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uintptr_t *delayed;
	uintptr_t *in_place;
	uintptr_t *span;
	uintptr_t pointer;

	begin(&arena, heap, GA_QUARANTINE_ON);
	delayed = alloc(&arena, 64);
	in_place = alloc(&arena, 64);
	span = alloc(&arena, 100 * KB);
	pointer = victim(heap) + 8;
	for (int i = 0; i < 8; i++)
		delayed[i] = in_place[i] = span[i] = pointer;
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
	free_object(&arena, delayed);
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
	free_object(&arena, in_place);
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
	free_object(&arena, span);
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
	ga_arena_destroy(&arena);
}

/* Earlier lives in a chunk are dead, both below and above the present one. */
static void
earlier_lives_do_not_pin(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		static ga_arena other;
		uintptr_t pointer = victim(heap);

		begin(&arena, heap, (ga_quarantine) mode);
		for (int i = 0; i < 20; i++)
		{
			uintptr_t *object = alloc(&arena, 64);

			for (int j = 0; j < 8; j++)
				object[j] = pointer;
		}
		assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
		ga_arena_reset(&arena);
		memset(alloc(&arena, 64), 0, 64);
		assert_int_equal(state_at(heap, pointer), GA_QUARANTINED);
		(void) sweep_nothing(heap);
		assert_int_equal(state_at(heap, pointer), GA_FRESH);
		ga_arena_destroy(&arena);

		/* The same for the next arena in a chunk that was handed on. */
		begin(&other, heap, (ga_quarantine) mode);
		memset(alloc(&other, 64), 0, 64);
		pointer = victim(heap);
		assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
		ga_arena_destroy(&other);
		(void) sweep_nothing(heap);
	}
}

/*
 * After TestUserArenaLiveness of Go: what an object in an arena points to stays
 * as long as the arena does, in whatever chunk of it the object comes to lie.
 */
static void
liveness_through_an_arena(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		uintptr_t chunk = victim(heap);
		uintptr_t *holder;

		begin(&arena, heap, (ga_quarantine) mode);
		for (int i = 0; i < 3; i++)
			memset(alloc(&arena, 1023 * 8), 0, 1023 * 8);
		holder = alloc(&arena, 40);
		memset(holder, 0, 40);
		holder[3] = chunk + 123;
		for (int i = 0; i < 2; i++)
			assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);

		for (size_t i = 0; i < 64 * KB / 8 / KB; i++)
			memset(alloc(&arena, 8 * KB), 0, 8 * KB);
		assert_int_equal(chunk_at(heap, holder)->state, GA_FULL);
		for (int i = 0; i < 2; i++)
			assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
		assert_int_equal(pinned_by(heap, chunk), &holder[3]);

		ga_arena_destroy(&arena);
		assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
		assert_int_equal(state_at(heap, chunk), GA_FRESH);
		sweep_nothing(heap);
	}
}

/*
 * After TestUserArenaClearsPointerBits of Go: what lay in a chunk before it was
 * used again says nothing about those who use it now.
 */
static void
what_was_there_before_does_not_pin(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uintptr_t chunk = victim(heap);
	uintptr_t pointer = chunk + 124;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (size_t i = 0; i < 3 * 64 * KB / 512; i++)
	{
		uintptr_t *object = alloc(&arena, 480);

		for (int j = 0; j < 60; j++)
			object[j] = pointer;
	}
	ga_arena_destroy(&arena);
	sweep_words(heap, &pointer, 1);
	assert_int_equal(heap->state_chunks[GA_FULL], 0);
	assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);

	/* Two chunks are filled with other things, the rest of the second is not. */
	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (size_t i = 0; i < 64 * KB / 512; i++)
		memset(alloc(&arena, 480), 0, 480);
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
	assert_int_equal(state_at(heap, chunk), GA_FRESH);
	ga_arena_destroy(&arena);
}

/*
 * During a sweep
 */

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(live_objects_pin),
		TEST(freed_objects_do_not_pin),
		TEST(earlier_lives_do_not_pin),
		TEST(liveness_through_an_arena),
		TEST(what_was_there_before_does_not_pin),
	};

	return cmocka_run_group_tests_name("sweep of live memory", tests, NULL, NULL);
}
