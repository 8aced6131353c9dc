/*-------------------------------------------------------------------------
 *
 * test_sweep.c
 *	  Sweeps: what pins a chunk, and when.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static int
setup(void **state)
{
	ga_config config = usual_config();

	*state = new_heap(&config);
	return 0;
}

static int
teardown(void **state)
{
	assert_heap(*state);
	assert_access(*state);
	delete_heap(*state);
	return 0;
}

static size_t
sweep_word(ga_heap *heap, uintptr_t word)
{
	return sweep_words(heap, &word, 1).chunks_pinned;
}

/*
 * Pointers
 */

static void
without_a_pointer_a_chunk_is_free(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = victim(heap);
	ga_sweep_result result = sweep_nothing(heap);

	assert_int_equal(result.chunks_freed, 1);
	assert_int_equal(result.chunks_pinned, 0);
	assert_int_equal(result.bytes_freed, chunk->size);
	assert_int_equal(chunk->state, GA_READY);
	assert_true(result.duration >= 0);

	result = sweep_nothing(heap);
	assert_int_equal(result.chunks_freed, 0);
}

static void
a_pointer_to_any_byte_pins(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = victim(heap);
	const size_t offsets[] = {0, 1, 7, 8, 4096, 8191, 8192, 30001, 64 * KB - 8, 64 * KB - 1};

	for (size_t i = 0; i < lengthof(offsets); i++)
	{
		assert_int_equal(sweep_word(heap, chunk->base + offsets[i]), 1);
		assert_int_equal(chunk->state, GA_QUARANTINED);
		assert_true(read_faults((void *) chunk->base));
	}
}

static void
a_pointer_beside_does_not_pin(void **state)
{
	ga_heap *heap = *state;
	const ptrdiff_t offsets[] = {-8, -1, 64 * 1024, 64 * 1024 + 8};
	ga_chunk *chunks[2 * lengthof(offsets) + 1];

	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(offsets); i++)
	{
		ga_chunk *chunk = chunks[2 * i + 1];

		quarantine_now(heap, chunk);
		assert_int_equal(sweep_word(heap, chunk->base + (uintptr_t) offsets[i]), 0);
		assert_int_equal(chunk->state, GA_READY);
	}
}

static void
words_that_are_no_addresses(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = victim(heap);
	uintptr_t words[64 + 5];

	for (int bit = 0; bit < 64; bit++)
		words[bit] = (uintptr_t) 1 << bit;
	words[64] = 0;
	words[65] = UINTPTR_MAX;
	words[66] = (uintptr_t) GA_POISON;
	words[67] = chunk->base | (uintptr_t) 1 << 63;
	words[68] = chunk->base >> 1;
	assert_int_equal(sweep_words(heap, words, lengthof(words)).chunks_pinned, 0);
}

static void
chunks_of_all_orders_are_pinned_at_both_ends(void **state)
{
	ga_heap *heap = *state;

	for (int order = heap->min_order; order <= GA_MAX_ORDER; order++)
	{
		ga_chunk *chunk = take_chunk(heap, order);

		quarantine_now(heap, chunk);
		assert_int_equal(sweep_word(heap, chunk->base), 1);
		assert_int_equal(sweep_word(heap, chunk->base + chunk->size / 2), 1);
		assert_int_equal(sweep_word(heap, chunk->base + chunk->size - 1), 1);
		assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
	}
}

static void
huge_spans_are_pinned_everywhere(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_span(heap, 200 * MB);

	quarantine_now(heap, chunk);
	for (uintptr_t at = chunk->base; at < chunk->base + chunk->size; at += 32 * MB)
	{
		assert_int_equal(sweep_word(heap, at), 1);
		assert_int_equal(sweep_word(heap, at + 32 * MB - 1), 1);
	}
	assert_int_equal(sweep_word(heap, chunk->base + chunk->size), 0);
	assert_int_equal(chunk->state, GA_READY);
}

/* Words are read four at a time; none may be left out. */
static void
every_word_of_a_root_counts(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = victim(heap);
	uintptr_t words[23];

	for (size_t count = 1; count <= lengthof(words); count++)
		for (size_t i = 0; i < count; i++)
		{
			memset(words, 0, sizeof(words));
			words[i] = chunk->base + 16;
			assert_int_equal(sweep_words(heap, words, count).chunks_pinned, 1);
			assert_int_equal(chunk->pinned_by, &words[i]);
			if (i > 0)
				assert_int_equal(
					sweep_range(heap, words + i, sizeof(uintptr_t), false).chunks_pinned, 1);
		}
}

/* And none beyond its ends. */
static void
a_root_ends_where_it_ends(void **state)
{
	ga_heap *heap = *state;
	uintptr_t words[12] = {0};

	words[0] = words[11] = victim(heap)->base;
	for (size_t end = 1; end < 11; end++)
		assert_int_equal(sweep_words(heap, words + 1, end).chunks_pinned, 0);

	/* Of words that are only half inside, nothing is known. */
	words[0] = words[11] = victim(heap)->base;
	assert_int_equal(sweep_range(heap, (char *) words + 1, sizeof(words) - 2, false).chunks_pinned,
					 0);
	words[1] = victim(heap)->base;
	assert_int_equal(sweep_range(heap, (char *) words + 1, sizeof(words) - 2, false).chunks_pinned,
					 1);
	assert_int_equal(sweep_range(heap, (char *) words + 9, 6, false).chunks_pinned, 0);
}

static void
only_aligned_words_are_pointers(void **state)
{
	ga_heap *heap = *state;

	for (size_t shift = 0; shift < 8; shift++)
	{
		uintptr_t pointer = victim(heap)->base + 32;
		char bytes[32] __attribute__((aligned(8))) = {0};

		memcpy(bytes + 8 + shift, &pointer, sizeof(pointer));
		assert_int_equal(sweep_range(heap, bytes, sizeof(bytes), false).chunks_pinned, shift == 0);
		sweep_nothing(heap);
	}
}

static void
several_chunks_and_pointers(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[60];
	uintptr_t words[40];
	ga_sweep_result result;

	take_row(heap, 14, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i++)
		quarantine(heap, chunks[i]);

	/* Twenty chunks, each from two places. */
	for (size_t i = 0; i < lengthof(words); i++)
		words[i] = chunks[i % 20 * 3]->base + i * 8;
	result = sweep_words(heap, words, lengthof(words));
	assert_int_equal(result.chunks_pinned, 20);
	assert_int_equal(result.chunks_freed, 40);
	assert_int_equal(result.bytes_freed, 40 * 16 * KB);
	for (size_t i = 0; i < lengthof(chunks); i++)
		assert_int_equal(chunks[i]->state, i % 3 == 0 ? GA_QUARANTINED : GA_READY);
	assert_int_equal(heap->counters.chunks_freed, 40);
	assert_int_equal(heap->counters.chunks_pinned, 20);
}

static void
pinned_then_unpinned(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = victim(heap);
	uintptr_t word = chunk->base + 100;

	for (int i = 0; i < 5; i++)
	{
		assert_int_equal(sweep_words(heap, &word, 1).chunks_pinned, 1);
		assert_int_equal(chunk->pinned_by, &word);
		assert_false(chunk->marked);
	}
	word = 0;
	assert_int_equal(sweep_words(heap, &word, 1).chunks_freed, 1);
	assert_int_equal(chunk->pinned_by, 0);
	assert_int_equal(heap->counters.sweeps, 6);
	assert_int_equal(heap->counters.chunks_pinned, 5);
}

/* As long as a root points there, its addresses are nobody else's. */
static void
a_pinned_chunk_is_never_handed_out(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		ga_chunk *chunk;
		uintptr_t word;

		begin(&arena, heap, (ga_quarantine) mode);
		word = (uintptr_t) alloc(&arena, 1000) + 500;
		(void) alloc(&arena, 7000);
		chunk = chunk_at(heap, (void *) word);
		ga_arena_reset(&arena);
		for (int life = 0; life < 200; life++)
		{
			for (int i = 0; i < 100; i++)
				assert_ptr_not_equal(chunk_at(heap, alloc(&arena, 100)), chunk);
			ga_arena_reset(&arena);
			(void) sweep_words(heap, &word, 1);
			assert_true(ga_state_is_candidate(chunk->state));
			assert_int_equal(chunk->pinned_by, &word);
		}

		/* Others come and go. */
		assert_true(heap->counters.chunks_freed > 20);
		assert_true(heap->reserved == GA_HEAP_ARENA_SIZE);
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
		assert_int_equal(chunk->state, GA_READY);
		ga_heap_reset_stats(heap);
	}
}

/*
 * Live memory
 */

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
			*places[i] = victim(heap)->base;
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
	pointer = victim(heap)->base + 8;
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
		uintptr_t pointer = victim(heap)->base;

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
		assert_int_equal(chunk_at(heap, (void *) pointer)->state, GA_QUARANTINED);
		(void) sweep_nothing(heap);
		assert_int_equal(chunk_at(heap, (void *) pointer)->state, GA_READY);
		ga_arena_destroy(&arena);

		/* The same for the next arena in a chunk that was handed on. */
		begin(&other, heap, (ga_quarantine) mode);
		memset(alloc(&other, 64), 0, 64);
		pointer = victim(heap)->base;
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
		ga_chunk *chunk = victim(heap);
		uintptr_t *holder;

		begin(&arena, heap, (ga_quarantine) mode);
		for (int i = 0; i < 3; i++)
			memset(alloc(&arena, 1023 * 8), 0, 1023 * 8);
		holder = alloc(&arena, 40);
		memset(holder, 0, 40);
		holder[3] = chunk->base + 123;
		for (int i = 0; i < 2; i++)
			assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);

		for (size_t i = 0; i < 64 * KB / 8 / KB; i++)
			memset(alloc(&arena, 8 * KB), 0, 8 * KB);
		assert_int_equal(chunk_at(heap, holder)->state, GA_FULL);
		for (int i = 0; i < 2; i++)
			assert_int_equal(sweep_nothing(heap).chunks_pinned, 1);
		assert_int_equal(chunk->pinned_by, &holder[3]);

		ga_arena_destroy(&arena);
		assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
		assert_int_equal(chunk->state, GA_READY);
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
	ga_chunk *chunk = victim(heap);
	uintptr_t pointer = chunk->base + 124;

	begin(&arena, heap, GA_QUARANTINE_ON);
	for (size_t i = 0; i < 3 * 64 * KB / 512; i++)
	{
		uintptr_t *object = alloc(&arena, 480);

		for (int j = 0; j < 60; j++)
			object[j] = pointer;
	}
	ga_arena_destroy(&arena);
	sweep_words(heap, &pointer, 1);
	assert_true(heap->state_chunks[GA_READY] >= 3);
	assert_int_equal(chunk->state, GA_QUARANTINED);

	/* Two chunks are filled with other things, the rest of the second is not. */
	begin(&arena, heap, GA_QUARANTINE_ON);
	for (size_t i = 0; i < 64 * KB / 512; i++)
		memset(alloc(&arena, 480), 0, 480);
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
	assert_int_equal(chunk->state, GA_READY);
	ga_arena_destroy(&arena);
}

/*
 * During a sweep
 */

/* What is freed while a sweep is under way waits for the next. */
static void
freed_during_a_sweep(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_sweep_result result;
	uintptr_t word;
	ga_chunk *before = victim(heap);
	ga_chunk *chunk;
	uint64_t faults;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	word = (uintptr_t) alloc(&arena, 1000);
	chunk = chunk_at(heap, (void *) word);

	/* The root is read when the chunk is still in use. */
	ga_sweep_begin(heap);
	ga_sweep_root(heap, (uintptr_t) &word, (uintptr_t) (&word + 1), GA_ROOT_MAPPED);
	faults = fake_calls(OS_FAULT);
	ga_arena_destroy(&arena);
	assert_int_equal(chunk->state, GA_FAULT);
	assert_int_equal(fake_calls(OS_FAULT), faults);
	assert_false(read_faults((void *) word));
	assert_heap(heap);
	ga_sweep_live(heap);
	ga_sweep_finish(heap, &result);
	assert_heap(heap);
	assert_int_equal(result.chunks_freed, 1);
	assert_int_equal(result.chunks_pinned, 0);
	assert_int_equal(before->state, GA_READY);

	/* At its end it is set to fault, and counts for the next one. */
	assert_int_equal(chunk->state, GA_QUARANTINED);
	assert_true(read_faults((void *) word));
	assert_true(heap->fresh_quarantine > 0);
	assert_int_equal(sweep_words(heap, &word, 1).chunks_pinned, 1);
	assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
}

/* What the caller knows to be there is not asked about. */
static void
resident_roots(void **state)
{
	ga_heap *heap = *state;
	ga_sweep_result result;
	uint64_t words[3] = {0, victim(heap)->base, 0};
	uint64_t asked;

	ga_sweep_begin(heap);
	asked = fake_calls(OS_RESIDENT);
	ga_sweep_root(heap, (uintptr_t) words + 1, (uintptr_t) (words + 2) + 7, GA_ROOT_RESIDENT);
	assert_int_equal(fake_calls(OS_RESIDENT), asked);
	ga_sweep_finish(heap, &result);
	assert_int_equal(result.chunks_pinned, 1);
	assert_int_equal(result.bytes_scanned, sizeof(uint64_t));
	assert_heap(heap);
}

/* Also if a root was read afterwards, and if they are many. */
static void
many_freed_during_a_sweep(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[200];
	ga_sweep_result result;
	uintptr_t word;
	uint64_t faults;

	take_row(heap, 15, chunks, lengthof(chunks));
	word = chunks[77]->base;
	faults = fake_calls(OS_FAULT);
	ga_sweep_begin(heap);
	for (size_t i = 0; i < lengthof(chunks); i++)
		quarantine(heap, chunks[i]);
	ga_sweep_root(heap, (uintptr_t) &word, (uintptr_t) (&word + 1), GA_ROOT_MAPPED);
	assert_int_equal(fake_calls(OS_FAULT), faults);
	ga_sweep_finish(heap, &result);
	assert_int_equal(fake_calls(OS_FAULT), faults + 1);
	assert_int_equal(result.chunks_freed + result.chunks_pinned, 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], lengthof(chunks));
	assert_heap(heap);
	assert_int_equal(sweep_words(heap, &word, 1).chunks_freed, lengthof(chunks) - 1);
}

static void
the_engine_works_during_a_sweep(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_chunk *chunk = victim(heap);
	uintptr_t word = chunk->base;
	ga_sweep_result result;

	ga_sweep_begin(heap);
	begin(&arena, heap, GA_QUARANTINE_ON);
	for (int i = 0; i < 300; i++)
	{
		(void) alloc(&arena, 1000);
		if (i % 100 == 50)
			ga_arena_reset(&arena);
	}
	(void) alloc(&arena, 100 * MB);
	(void) ga_heap_release(heap);
	assert_heap(heap);
	ga_sweep_root(heap, (uintptr_t) &word, (uintptr_t) (&word + 1), GA_ROOT_MAPPED);
	ga_sweep_live(heap);
	assert_heap(heap);
	ga_sweep_finish(heap, &result);
	assert_int_equal(result.chunks_pinned, 1);
	assert_int_equal(chunk->state, GA_QUARANTINED);
	ga_arena_destroy(&arena);
}

/* Chunks that could not be set to fault are swept like others. */
static void
chunks_on_the_fault_list(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *row[3];

	take_row(heap, 16, row, 3);
	heap->config.max_mappings = 0;
	quarantine(heap, row[0]);
	quarantine(heap, row[1]);
	assert_int_equal(sweep_word(heap, row[1]->base + 9), 1);
	assert_int_equal(row[0]->state, GA_READY);
	assert_int_equal(row[1]->state, GA_FAULT);
	assert_int_equal(heap->fault_bytes, row[1]->size);
	assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
	assert_int_equal(row[1]->state, GA_READY);
	assert_int_equal(heap->fault_bytes, 0);
}

/*
 * When
 */

static void
a_sweep_is_due_by_volume(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	static ga_arena arena;

	config.sweep_min = MB;
	config.sweep_percent = 50;
	ga_heap_configure(heap, &config);
	assert_int_equal(heap->next_sweep, MB);
	begin(&arena, heap, GA_QUARANTINE_ON);
	for (int i = 0; i < 4; i++)
	{
		assert_false(ga_sweep_due(heap));
		free_object(&arena, alloc(&arena, 256 * KB - GA_HEADER_SIZE));
	}
	assert_true(ga_sweep_due(heap));
	sweep_nothing(heap);
	assert_false(ga_sweep_due(heap));
	assert_int_equal(heap->next_sweep, MB);

	/* Half of what is in use then. */
	(void) alloc(&arena, 10 * MB);
	sweep_nothing(heap);
	assert_in_range(heap->next_sweep, 5 * MB - 64 * KB, 5 * MB + 64 * KB);
	while (!ga_sweep_due(heap))
		free_object(&arena, alloc(&arena, 256 * KB - GA_HEADER_SIZE));
	assert_in_range(heap->fresh_quarantine, 5 * MB - 64 * KB, 5 * MB + 512 * KB);
	ga_arena_destroy(&arena);
}

/*
 * sweep_at
 *		Quarantine as much as makes a sweep due, and sweep at a time of the clock
 *		for so many microseconds.
 */
static void
sweep_at(ga_heap *heap, int64_t start, int64_t duration)
{
	ga_sweep_result result;

	heap->fresh_quarantine = heap->next_sweep;
	fake_set_clock(start);
	ga_sweep_begin(heap);
	fake_set_clock(start + duration);
	ga_sweep_finish(heap, &result);
	assert_int_equal(result.duration, duration);
	assert_heap(heap);
}

static void
frequent_sweeps_wait_for_more(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	int64_t now = 1000000;

	config.sweep_min = MB;
	config.sweep_max = 6 * MB;
	ga_heap_configure(heap, &config);

	/* The first one tells nothing, and one that is not due does not either. */
	sweep_at(heap, now, 100);
	assert_int_equal(heap->next_sweep, MB);
	sweep_nothing(heap);
	assert_int_equal(heap->next_sweep, MB);

	/* A 16th of the time is not yet too much, and a 128th not yet little. */
	sweep_at(heap, now += 1600, 100);
	assert_int_equal(heap->next_sweep, MB);
	sweep_at(heap, now += 1599, 100);
	assert_int_equal(heap->next_sweep, 2 * MB);
	sweep_at(heap, now += 12800, 100);
	assert_int_equal(heap->next_sweep, 2 * MB);

	/* Up to the bound, and back. */
	sweep_at(heap, now += 1000, 100);
	assert_int_equal(heap->next_sweep, 4 * MB);
	sweep_at(heap, now += 1000, 100);
	assert_int_equal(heap->next_sweep, 6 * MB);
	sweep_at(heap, now += 1000, 100);
	assert_int_equal(heap->next_sweep, 6 * MB);
	sweep_at(heap, now += 12801, 100);
	assert_int_equal(heap->next_sweep, 3 * MB);
	for (int i = 0; i < 5; i++)
		sweep_at(heap, now += 1000000, 100);
	assert_int_equal(heap->next_sweep, MB);
}

/* Strict spans that grow leave addresses behind, which sweeps have to get back. */
static void
moving_makes_a_sweep_due(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t size = MB;
	char *object;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	object = alloc(&arena, size);
	for (int i = 0; !ga_sweep_due(heap); i++)
	{
		assert_true(i < 40);
		object = ga_arena_realloc(&arena, object, size += 4096);
		assert_non_null(object);
	}
	assert_true(sweep_nothing(heap).chunks_freed > 20);
	ga_arena_destroy(&arena);
}

static void
sweeps_are_counted(void **state)
{
	ga_heap *heap = *state;

	for (int i = 0; i < 3; i++)
		sweep_nothing(heap);
	assert_int_equal(heap->counters.sweeps, 3);
	assert_true(heap->counters.sweep_us >= heap->counters.max_sweep_us);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_pointer_a_chunk_is_free),
		TEST(a_pointer_to_any_byte_pins),
		TEST(a_pointer_beside_does_not_pin),
		TEST(words_that_are_no_addresses),
		TEST(chunks_of_all_orders_are_pinned_at_both_ends),
		TEST(huge_spans_are_pinned_everywhere),
		TEST(every_word_of_a_root_counts),
		TEST(a_root_ends_where_it_ends),
		TEST(only_aligned_words_are_pointers),
		TEST(several_chunks_and_pointers),
		TEST(pinned_then_unpinned),
		TEST(a_pinned_chunk_is_never_handed_out),
		TEST(live_objects_pin),
		TEST(freed_objects_do_not_pin),
		TEST(earlier_lives_do_not_pin),
		TEST(liveness_through_an_arena),
		TEST(what_was_there_before_does_not_pin),
		TEST(freed_during_a_sweep),
		TEST(resident_roots),
		TEST(many_freed_during_a_sweep),
		TEST(the_engine_works_during_a_sweep),
		TEST(chunks_on_the_fault_list),
		TEST(a_sweep_is_due_by_volume),
		TEST(frequent_sweeps_wait_for_more),
		TEST(moving_makes_a_sweep_due),
		TEST(sweeps_are_counted),
	};

	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
