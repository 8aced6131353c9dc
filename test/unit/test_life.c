/*-------------------------------------------------------------------------
 *
 * test_life.c
 *	  The lives of arenas: resets, modes, and what becomes of their chunks.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "delay.h"
#include "support.h"

#define HEADER GA_HEADER_SIZE

static void
a_reset_of_one_chunk_calls_nobody(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_ON; mode++)
		for (size_t credit = 0; credit <= 8 * KB; credit += 8 * KB)
		{
			size_t meter = 0;
			static ga_arena arena;
			uint64_t calls;
			const ga_chunk *chunk;
			char *first;

			set_mode(heap, (ga_quarantine) mode);
			ga_arena_init(&arena, heap, 0, 0, &meter, credit);
			first = alloc(&arena, 50);
			chunk = arena.active;
			calls = fake_all_calls();
			for (int i = 0; i < 10; i++)
			{
				char *object;

				ga_arena_reset(&arena);
				assert_int_equal(meter, 0);
				object = alloc(&arena, 50);
				assert_ptr_equal(arena.active, chunk);
				if (mode == GA_QUARANTINE_OFF)
					assert_ptr_equal(object, first);
				else
					assert_true(object > first);
				assert_heap(heap);
			}
			assert_int_equal(fake_all_calls(), calls);
			assert_int_equal(arena.resets, 10);
			ga_arena_destroy(&arena);
		}
}

static void
off_rewinds(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *small;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	small = alloc(&arena, 100);
	for (int i = 0; i < 300; i++)
		(void) alloc(&arena, 1000);
	(void) alloc(&arena, 100 * KB);
	assert_true(arena.full.count >= 3);
	ga_arena_reset(&arena);
	assert_int_equal(usage_of(&arena).chunks, 1);
	assert_int_equal(usage_of(&arena).used_bytes, 0);
	assert_int_equal(arena.full.count + arena.large.count, 0);
	assert_int_equal(heap->state_chunks[GA_FAULT] + heap->state_chunks[GA_QUARANTINED], 0);
	assert_true(heap->state_chunks[GA_READY] >= 4);
	assert_heap(heap);
	for (int i = 0; i < 100; i++)
		(void) alloc(&arena, 1000);
	ga_arena_destroy(&arena);
	assert_int_equal(heap->state_chunks[GA_ACTIVE] + heap->state_chunks[GA_FULL], 0);
	assert_int_equal(heap->state_chunks[GA_REUSE], 0);
	assert_int_equal(chunk_at(heap, small)->state, GA_READY);
}

/* A chunk above 64 kB is given up by a reset: the next life may be small. */
static void
large_chunks_do_not_stay(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_ON; mode++)
	{
		static ga_arena arena;

		set_chunk_size(heap, MB);
		begin(&arena, heap, (ga_quarantine) mode);
		(void) alloc(&arena, 200 * KB);
		assert_int_equal(arena.active->order, 18);
		ga_arena_reset(&arena);
		assert_null(arena.active);
		(void) alloc(&arena, 1);
		assert_true(arena.active->order <= GA_HANDON_ORDER);
		ga_arena_destroy(&arena);
	}
}

static void
on_goes_on_where_it_stood(void **state)
{
	ga_heap *heap = *state;
	static ga_arena first;
	static ga_arena second;
	char *object;
	char *next;
	size_t bytes;

	begin(&first, heap, GA_QUARANTINE_ON);
	object = alloc(&first, 1000);
	bytes = bytes_of(object);
	ga_arena_destroy(&first);
	assert_int_equal(chunk_at(heap, object)->state, GA_REUSE);
	assert_false(read_faults(object));

	/* Arenas in other modes do not take it. */
	begin(&second, heap, GA_QUARANTINE_OFF);
	assert_ptr_not_equal(chunk_at(heap, alloc(&second, 8)), chunk_at(heap, object));
	ga_arena_destroy(&second);
	begin(&second, heap, GA_QUARANTINE_STRICT);
	assert_ptr_not_equal(chunk_at(heap, alloc(&second, 8)), chunk_at(heap, object));
	ga_arena_destroy(&second);

	begin(&second, heap, GA_QUARANTINE_ON);
	next = alloc(&second, 10);
	assert_ptr_equal(next, object + bytes);
	assert_int_equal(usage_of(&second).used_bytes, bytes_of(next));
	assert_int_equal(usage_of(&second).dead_bytes, bytes);
	assert_int_equal(chunk_at(heap, next)->arena_id, second.id);
	assert_heap(heap);
	ga_arena_destroy(&second);
}

static void
handed_on_chunks_are_used_up(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *first = NULL;
	int lives = 0;

	/* Seven eighths of a chunk are used by one arena after the other. */
	while (first == NULL || chunk_at(heap, first)->state == GA_REUSE)
	{
		char *object;

		begin(&arena, heap, GA_QUARANTINE_ON);
		object = alloc(&arena, 1000);
		if (first == NULL)
			first = object;
		assert_ptr_equal(chunk_at(heap, object), chunk_at(heap, first));
		ga_arena_destroy(&arena);
		lives++;
		assert_heap(heap);
	}
	assert_int_equal(lives, 7);
	assert_int_equal(chunk_at(heap, first)->state, GA_FAULT);
}

/* One that has too little room for the arena that needs it goes to quarantine. */
static void
handed_on_chunks_without_room(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *first;
	char *second;

	begin(&arena, heap, GA_QUARANTINE_ON);
	first = alloc(&arena, 5000);
	ga_arena_destroy(&arena);
	assert_int_equal(chunk_at(heap, first)->state, GA_REUSE);
	begin(&arena, heap, GA_QUARANTINE_ON);
	second = alloc(&arena, 5000);
	assert_ptr_not_equal(chunk_at(heap, first), chunk_at(heap, second));
	assert_int_equal(chunk_at(heap, first)->state, GA_FAULT);
	ga_arena_destroy(&arena);
}

/* A chunk in which something is dead is for quarantined arenas alone. */
static void
other_modes_take_nothing_over(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *old;
	char *object;
	ga_chunk *chunk;

	begin(&arena, heap, GA_QUARANTINE_ON);
	old = alloc(&arena, 1000);
	chunk = chunk_at(heap, old);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_reset(&arena);
	assert_int_equal(arena.mode, GA_QUARANTINE_OFF);
	assert_null(arena.active);
	assert_int_equal(chunk->state, GA_REUSE);
	object = alloc(&arena, 1000);
	assert_ptr_not_equal(arena.active, chunk);
	assert_null(arena.active->slot);
	set_mode(heap, GA_QUARANTINE_ON);
	ga_arena_reset(&arena);
	assert_int_equal(chunk_at(heap, object)->state, GA_READY);
	assert_ptr_equal(chunk_at(heap, alloc(&arena, 1000))->slot, chunk->slot);
	ga_arena_destroy(&arena);
}

static void
not_too_many_chunks_are_handed_on(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arenas[GA_HANDON_MAX + 10];

	for (size_t i = 0; i < lengthof(arenas); i++)
	{
		begin(&arenas[i], heap, GA_QUARANTINE_ON);
		(void) alloc(&arenas[i], 100);
	}
	for (size_t i = 0; i < lengthof(arenas); i++)
		ga_arena_destroy(&arenas[i]);
	assert_int_equal(heap->state_chunks[GA_REUSE], GA_HANDON_MAX);
	assert_int_equal(heap->state_chunks[GA_FAULT], 10);
}

static void
on_quarantines_full_chunks(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *small;
	char *span;

	begin(&arena, heap, GA_QUARANTINE_ON);
	small = alloc(&arena, 100);
	span = alloc(&arena, 100 * KB);
	for (int i = 0; i < 100; i++)
		(void) alloc(&arena, 1000);
	ga_arena_reset(&arena);
	assert_int_equal(chunk_at(heap, small)->state, GA_FAULT);
	assert_int_equal(chunk_at(heap, span)->state, GA_FAULT);
	ga_heap_flush_faults(heap);
	assert_true(read_faults(small));
	assert_true(read_faults(span + 99 * KB));
	assert_heap(heap);
	ga_arena_destroy(&arena);
	ga_heap_flush_faults(heap);
	assert_int_equal(state_at(heap, (uintptr_t) small), GA_QUARANTINED);
}

static void
strict_faults_at_once(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *small;
	char *object;
	char *span;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	small = alloc(&arena, 100);
	span = alloc(&arena, 100 * KB);
	ga_arena_reset(&arena);
	assert_null(arena.active);
	assert_int_equal(heap->state_chunks[GA_FAULT], 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], 2);
	assert_true(read_faults(small));
	assert_true(write_faults(span));

	object = alloc(&arena, 100);
	assert_ptr_not_equal(object, small);
	span = alloc(&arena, 100 * KB);
	free_object(&arena, span);
	assert_true(read_faults(span));
	ga_arena_destroy(&arena);
	assert_true(read_faults(object));
	assert_int_equal(heap->state_chunks[GA_REUSE], 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], 4);
}

static void
each_life_draws_its_mode(void **state)
{
	ga_heap *heap = *state;

	for (int from = GA_QUARANTINE_OFF; from <= GA_QUARANTINE_STRICT; from++)
		for (int to = GA_QUARANTINE_OFF; to <= GA_QUARANTINE_STRICT; to++)
			for (int full = 0; full < 2; full++)
			{
				static ga_arena arena;
				char *object;
				int state_then;

				begin(&arena, heap, (ga_quarantine) from);
				object = alloc(&arena, 1000);
				for (int i = 0; i < 40 * full; i++)
					(void) alloc(&arena, 1000);

				/* A new setting is for the next life. */
				set_mode(heap, (ga_quarantine) to);
				assert_int_equal(arena.mode, from);
				ga_arena_reset(&arena);
				assert_int_equal(arena.mode, to);
				assert_heap(heap);

				/* What was quarantined in this life does not become ready. */
				state_then = (int) state_at(heap, (uintptr_t) object);
				if (from == GA_QUARANTINE_STRICT)
					assert_int_equal(state_then, GA_QUARANTINED);
				else if (from == GA_QUARANTINE_ON)
					assert_true(state_then != GA_READY &&
								(state_then != GA_ACTIVE ||
								 chunk_at(heap, object)->start > (uintptr_t) object));
				else
					assert_true(state_then != GA_FAULT && state_then != GA_QUARANTINED);
				for (int i = 0; i < 30; i++)
					(void) alloc(&arena, 1000);
				assert_heap(heap);
				ga_arena_destroy(&arena);
				sweep_nothing(heap);
			}
}

static void
a_share_of_arenas_is_quarantined(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	int quarantined = 0;
	static ga_arena arena;

	config.sample_rate = 0.25;
	ga_heap_configure(heap, &config);
	ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	for (int i = 0; i < 5000; i++)
	{
		quarantined += arena.mode == GA_QUARANTINE_STRICT;
		(void) alloc(&arena, 200);
		ga_arena_reset(&arena);
		quarantined += arena.mode == GA_QUARANTINE_STRICT;
		ga_arena_destroy(&arena);
		ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	}
	ga_arena_destroy(&arena);
	assert_in_range(quarantined, 2300, 2700);
}

/* What note_free() was called with last, and how often. */
static struct
{
	uint64_t count;
	const ga_arena *arena;
	ga_freed_by how;
} note;

static uint64_t
note_free(ga_arena *arena, ga_freed_by how)
{
	note.arena = arena;
	note.how = how;
	return ++note.count;
}

/*
 * noted
 *		What the newest record of an address says.
 */
static uint64_t
noted(const ga_heap *heap, const void *object)
{
	for (uint64_t i = heap->history.count; i > 0; i--)
	{
		const ga_freed *freed = &heap->history.records[(i - 1) % heap->history.room];

		if ((uintptr_t) object - freed->from < freed->to - freed->from)
			return freed->note;
	}
	fail_msg("nothing is known of %p", object);
	return 0;
}

/*
 * assert_noted
 *		The chunk was freed by the last thing that was noted.
 */
static void
assert_noted(ga_heap *heap, const void *object, const ga_arena *arena, ga_freed_by how)
{
	ga_freed_place place;

	assert_int_equal(noted(heap, object), note.count);
	if (ga_history_explain(heap, (uintptr_t) object, &place))
		assert_int_equal(place.freed->note, note.count);
	assert_ptr_equal(note.arena, arena);
	assert_int_equal(note.how, how);
}

static void
chunks_keep_a_note_of_their_end(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	void *objects[500];
	char *object;
	char *span;
	int count;

	note.count = 0;
	heap->note_free = note_free;
	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		begin(&arena, heap, (ga_quarantine) mode);
		span = alloc(&arena, 100 * KB);
		free_object(&arena, span);
		assert_noted(heap, span, &arena, GA_FREED_BY_PFREE);
		span = alloc(&arena, 100 * KB);
		assert_non_null(ga_arena_realloc(&arena, span, 500 * KB));
		assert_noted(heap, span, &arena, GA_FREED_BY_REPALLOC);

		/* All chunks of a life have one note. */
		span = alloc(&arena, 100 * KB);
		object = alloc(&arena, 6000);
		(void) alloc(&arena, 6000);
		ga_arena_reset(&arena);
		assert_noted(heap, object, &arena, GA_FREED_BY_RESET);
		assert_noted(heap, span, &arena, GA_FREED_BY_RESET);

		span = alloc(&arena, 100 * KB);
		ga_arena_destroy(&arena);
		assert_noted(heap, span, &arena, GA_FREED_BY_DELETE);

		begin(&arena, heap, (ga_quarantine) mode);
		count = fill_chunk(&arena, objects, 400);
		for (int i = 0; i < count - 1; i++)
			free_object(&arena, objects[i]);
		for (int i = 0; i < GA_DELAY_OBJECTS; i++)
		{
			object = alloc(&arena, 1000);
			(void) alloc(&arena, 8);
			free_object(&arena, object);
		}
		ga_arena_trim(&arena);
		assert_noted(heap, objects[0], &arena, GA_FREED_BY_PFREE);
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
	}
	assert_int_equal(note.count, 12);

	/* Nothing dangerous happens in the others. */
	begin(&arena, heap, GA_QUARANTINE_OFF);
	free_object(&arena, alloc(&arena, 100 * KB));
	ga_arena_destroy(&arena);
	assert_int_equal(note.count, 12);
}

/* The note of a chunk that is handed on is that of whoever did so. */
static void
handed_on_chunks_keep_their_note(void **state)
{
	ga_heap *heap = *state;
	static ga_arena first;
	static ga_arena second;
	char *object;
	uint64_t expected;

	note.count = 0;
	heap->note_free = note_free;
	begin(&first, heap, GA_QUARANTINE_ON);
	object = alloc(&first, 5000);
	ga_arena_destroy(&first);
	expected = note.count;
	assert_int_equal(chunk_at(heap, object)->state, GA_REUSE);
	assert_int_equal(noted(heap, object), expected);

	/* Somebody else frees something; then the chunk is found too full. */
	begin(&second, heap, GA_QUARANTINE_ON);
	free_object(&second, alloc(&second, 100 * KB));
	(void) alloc(&second, 5000);
	assert_int_equal(chunk_at(heap, object)->state, GA_FAULT);
	assert_true(note.count > expected);
	assert_int_equal(noted(heap, object), expected);
	ga_arena_destroy(&second);
}

/*
 * Lives of either kind follow each other in one arena, and arenas of either
 * kind come and go: nothing may pile up.
 */
static void
sampling_does_not_pile_up_chunks(void **state)
{
	ga_heap *heap = *state;
	ga_config config = heap->config;
	static ga_arena arena;
	static ga_arena others[4 * GA_HANDON_MAX];

	config.sample_rate = 0.3;
	ga_heap_configure(heap, &config);
	ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	for (int i = 0; i < 20000; i++)
	{
		assert_non_null(ga_arena_alloc(&arena, 100));
		ga_arena_reset(&arena);
		if (i % 1000 == 0)
			(void) sweep_nothing(heap);
	}
	assert_true(heap->state_chunks[GA_REUSE] <= 1);
	assert_true(heap->state_chunks[GA_ACTIVE] + heap->state_chunks[GA_FULL] <= 1);
	assert_true(heap->state_chunks[GA_NURSERY] <= 1);
	assert_true(heap->reserved <= 1000 * GA_SLOT_SIZE);
	ga_arena_destroy(&arena);

	for (size_t i = 0; i < lengthof(others); i++)
	{
		ga_arena_init(&others[i], heap, 0, 0, NULL, 0);
		assert_non_null(ga_arena_alloc(&others[i], 100));
	}
	for (size_t i = 0; i < lengthof(others); i++)
		ga_arena_destroy(&others[i]);
	assert_true(heap->state_chunks[GA_REUSE] <= GA_HANDON_MAX);
}

static void
a_life_can_be_quarantined_whatever_was_drawn(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	static ga_arena arena;
	uint64_t unsampled;
	char *object;

	config.sample_rate = 0;
	ga_heap_configure(heap, &config);
	unsampled = heap->sampler->unsampled;
	ga_arena_init_sampled(&arena, heap, 0, 0, NULL, 0);
	assert_int_equal(heap->sampler->unsampled, unsampled);
	assert_int_equal(arena.mode, GA_QUARANTINE_STRICT);
	object = alloc(&arena, 100);
	assert_int_equal(ga_arena_free(&arena, object), GA_FREE_OK);
	assert_int_equal(ga_arena_free(&arena, object), GA_FREE_DOUBLE);

	/* the next life is drawn as usual */
	ga_arena_reset(&arena);
	assert_int_equal(arena.mode, GA_QUARANTINE_OFF);
	ga_arena_destroy(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reset_of_one_chunk_calls_nobody), TEST(off_rewinds),
		TEST(large_chunks_do_not_stay),			 TEST(on_goes_on_where_it_stood),
		TEST(handed_on_chunks_are_used_up),		 TEST(handed_on_chunks_without_room),
		TEST(other_modes_take_nothing_over),	 TEST(not_too_many_chunks_are_handed_on),
		TEST(on_quarantines_full_chunks),		 TEST(strict_faults_at_once),
		TEST(each_life_draws_its_mode),			 TEST(a_share_of_arenas_is_quarantined),
		TEST(chunks_keep_a_note_of_their_end),	 TEST(handed_on_chunks_keep_their_note),
		TEST(sampling_does_not_pile_up_chunks),	 TEST(a_life_can_be_quarantined_whatever_was_drawn),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
