/*-------------------------------------------------------------------------
 *
 * test_park.c
 *	  Arenas that ended and keep their chunk for the next.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define OWNER UINT64_C(0x1122334455667788)

static ga_arena arenas[GA_PARKED_MAX + 1];

static int
setup(void **state)
{
	ga_config config = usual_config();

	config.quarantine = GA_QUARANTINE_OFF;
	*state = new_heap(&config);
	return 0;
}

static int
teardown(void **state)
{
	ga_heap *heap = *state;

	while (ga_arena_unpark(heap) != NULL)
		;
	assert_int_equal(heap->in_use, 0);
	assert_heap(heap);
	assert_access(heap);
	delete_heap(heap);
	return 0;
}

/* Park an arena that has just begun and holds one object. */
static void
begin_and_park(ga_arena *arena, ga_heap *heap, size_t *meter, size_t credit)
{
	ga_arena_init(arena, heap, OWNER, 5, meter, credit);
	(void) alloc(arena, 100);
	assert_true(ga_arena_park(arena));
}

static void
the_next_arena_has_the_chunk(void **state)
{
	ga_heap *heap = *state;
	ga_arena *arena = &arenas[0];
	size_t meters[2] = {0, 0};
	ga_chunk *chunk;
	uint64_t calls;
	uint64_t id;
	void *object;

	ga_arena_init(arena, heap, OWNER, 5, &meters[0], 0);
	object = alloc(arena, 100);
	for (int i = 0; i < 20; i++)
		free_object(arena, alloc(arena, 300 + (size_t) i));
	chunk = arena->active;
	id = arena->id;
	assert_true(meters[0] > 0);

	assert_true(ga_arena_park(arena));
	assert_int_equal(meters[0], 0);
	assert_int_equal(heap->in_use, 0);
	assert_int_equal(heap->arenas.count, 0);
	assert_int_equal(heap->parked.count, 1);
	assert_int_equal(chunk->state, GA_ACTIVE);
	assert_heap(heap);

	calls = fake_all_calls();
	assert_ptr_equal(ga_arena_revive(heap, OWNER + 1, &meters[1], 1000), arena);
	assert_int_equal(heap->arenas.count, 1);
	assert_int_equal(heap->parked.count, 0);
	assert_int_equal(arena->id, id + 1);
	assert_int_equal(chunk->arena_id, id + 1);
	assert_int_equal(arena->allocs + arena->resets, 0);
	assert_heap(heap);

	assert_ptr_equal(alloc(arena, 100), object);
#if GA_OWNER_WORD
	assert_int_equal(((uint64_t *) object)[-1], OWNER + 1);
#endif
	assert_int_equal(*ga_object_header(object) & GA_HDR_TAG_MASK, 5);
	assert_int_equal(meters[1], 0);
	(void) alloc(arena, 2000);
	assert_true(meters[1] > 0);
	assert_int_equal(meters[0], 0);
	assert_int_equal(fake_all_calls(), calls);
	assert_heap(heap);
	ga_arena_destroy(arena);
	assert_int_equal(meters[1], 0);
}

/* All but the last chunk is given up. */
static void
only_one_chunk_is_kept(void **state)
{
	ga_heap *heap = *state;
	ga_arena *arena = &arenas[0];

	set_chunk_size(heap, 1 * MB);
	ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
	for (int i = 0; i < 6; i++)
		(void) alloc(arena, 6000);
	(void) alloc(arena, 300 * KB);
	assert_true(arena->full.count > 0 && arena->large.count == 1);
	assert_true(ga_arena_park(arena));
	assert_int_equal(heap->state_chunks[GA_FULL], 0);
	assert_int_equal(heap->state_chunks[GA_ACTIVE], 1);
	assert_heap(heap);
}

static void
what_is_not_parked(void **state)
{
	ga_heap *heap = *state;
	ga_arena *arena = &arenas[0];
	ga_arena *other = &arenas[1];

	/* nothing to keep */
	ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
	assert_false(ga_arena_park(arena));
	ga_arena_destroy(arena);

	/* a large chunk */
	set_chunk_size(heap, 4 * MB);
	ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
	(void) alloc(arena, 500 * KB);
	assert_int_equal(arena->large.count, 0);
	assert_false(ga_arena_park(arena));
	ga_arena_destroy(arena);

	/* quarantined */
	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		set_mode(heap, (ga_quarantine) mode);
		ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
		(void) alloc(arena, 100);
		assert_false(ga_arena_park(arena));
		assert_heap(heap);
		ga_arena_destroy(arena);
	}

	/* one that was quarantined and holds nothing any more */
	set_mode(heap, GA_QUARANTINE_ON);
	ga_arena_init(other, heap, OWNER, 5, NULL, 0);
	(void) alloc(other, 100);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_reset(other);
	assert_int_equal(other->mode, GA_QUARANTINE_OFF);
	assert_false(ga_arena_park(other));
	ga_arena_destroy(other);
	assert_int_equal(heap->parked.count, 0);
}

static void
not_too_many_are_parked(void **state)
{
	ga_heap *heap = *state;

	for (size_t i = 0; i < lengthof(arenas); i++)
	{
		ga_arena_init(&arenas[i], heap, OWNER, 5, NULL, 0);
		(void) alloc(&arenas[i], 100);
	}
	for (size_t i = 0; i < lengthof(arenas); i++)
		assert_int_equal(ga_arena_park(&arenas[i]), i < GA_PARKED_MAX);
	assert_heap(heap);
	ga_arena_destroy(&arenas[GA_PARKED_MAX]);

	/* They take turns, so that what they held is overwritten late. */
	for (size_t i = 0; i < GA_PARKED_MAX; i++)
	{
		assert_ptr_equal(ga_arena_revive(heap, OWNER, NULL, 0), &arenas[i]);
		ga_arena_destroy(&arenas[i]);
	}
	assert_null(ga_arena_revive(heap, OWNER, NULL, 0));
}

/* An arena that is quarantined takes a chunk as if it were new. */
static void
quarantined_arenas_leave_the_chunk(void **state)
{
	ga_heap *heap = *state;
	size_t meter = 0;

	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		ga_arena *arena = &arenas[0];
		ga_chunk *chunk;

		set_mode(heap, GA_QUARANTINE_OFF);
		begin_and_park(arena, heap, NULL, 0);
		chunk = arena->active;
		set_mode(heap, (ga_quarantine) mode);
		assert_ptr_equal(ga_arena_revive(heap, OWNER, &meter, 8 * KB), arena);
		assert_int_equal(arena->mode, mode);
		assert_null(arena->active);
		assert_int_equal(chunk->state, GA_READY);
		assert_int_equal(meter, 0);
		assert_heap(heap);
		(void) alloc(arena, 100);
		ga_arena_destroy(arena);
		assert_heap(heap);
		ga_heap_flush_faults(heap);
		sweep_nothing(heap);
	}
}

/* Objects of an arena that was parked are none of the one that has its chunk. */
static void
stale_objects_are_no_objects(void **state)
{
	ga_heap *heap = *state;
	ga_arena *arena = &arenas[0];
	void *object;

	ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
	(void) alloc(arena, 100);
	object = alloc(arena, 200);
	assert_true(ga_arena_park(arena));
	assert_ptr_equal(ga_arena_revive(heap, OWNER, NULL, 0), arena);
	assert_int_equal(ga_arena_check_object(arena, object), GA_FREE_WILD);
	(void) alloc(arena, 10);
	assert_int_equal(ga_arena_check_object(arena, object), GA_FREE_WILD);
	ga_arena_destroy(arena);
}

static void
unparking_gives_all_up(void **state)
{
	ga_heap *heap = *state;

	for (size_t i = 0; i < 3; i++)
	{
		ga_arena_init(&arenas[i], heap, OWNER, 5, NULL, 0);
		(void) alloc(&arenas[i], 100);
	}
	for (size_t i = 0; i < 3; i++)
		assert_true(ga_arena_park(&arenas[i]));
	for (size_t i = 0; i < 3; i++)
	{
		assert_ptr_equal(ga_arena_unpark(heap), &arenas[i]);
		assert_heap(heap);
	}
	assert_null(ga_arena_unpark(heap));
	assert_int_equal(heap->state_chunks[GA_ACTIVE], 0);
	assert_int_equal(heap->state_bytes[GA_READY], GA_SLOT_SIZE);
}

/* Sweeps pass them over, and their stale pointers. */
static void
parked_arenas_pin_nothing(void **state)
{
	ga_heap *heap = *state;
	ga_arena *arena = &arenas[0];
	uintptr_t chunk;
	uintptr_t *word;

	ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
	word = alloc(arena, 100);
	chunk = victim(heap);
	*word = chunk;
	assert_true(ga_arena_park(arena));
	assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
	assert_int_equal(state_at(heap, chunk), GA_FRESH);
}

/* By it, a caller finds the arena of an object that was freed near another one. */
static void
an_arena_that_ended_has_no_window(void **state)
{
	ga_heap *heap = *state;
	ga_arena *arena = &arenas[0];
	uintptr_t object;

	ga_arena_init(arena, heap, OWNER, 5, NULL, 0);
	assert_false(ga_arena_window_has(arena, 0));
	object = (uintptr_t) alloc(arena, 100);
	assert_true(ga_arena_window_has(arena, object));
	assert_false(ga_arena_window_has(arena, object - GA_HEADER_SIZE));
	assert_false(ga_arena_window_has(arena, arena->ptr));
	while ((uintptr_t) alloc(arena, 1000) - object < GA_GRANULE_SIZE)
		;
	assert_false(ga_arena_window_has(arena, object));
	assert_int_equal(ga_arena_free_slow(arena, (void *) object), GA_FREE_OK);
	assert_true(ga_arena_window_has(arena, object));

	assert_true(ga_arena_park(arena));
	assert_false(ga_arena_window_has(arena, object));
	assert_ptr_equal(ga_arena_unpark(heap), arena);
	assert_false(ga_arena_window_has(arena, object));
	assert_false(ga_arena_window_has(arena, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_arena_has_the_chunk),
		TEST(only_one_chunk_is_kept),
		TEST(what_is_not_parked),
		TEST(not_too_many_are_parked),
		TEST(quarantined_arenas_leave_the_chunk),
		TEST(stale_objects_are_no_objects),
		TEST(unparking_gives_all_up),
		TEST(parked_arenas_pin_nothing),
		TEST(an_arena_that_ended_has_no_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
