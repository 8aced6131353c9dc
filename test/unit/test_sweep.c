/*-------------------------------------------------------------------------
 *
 * test_sweep.c
 *	  Sweeps: which pointers pin a slot, what happens meanwhile, and when one is due.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

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
	uintptr_t chunk = victim(heap);
	ga_sweep_result result = sweep_nothing(heap);

	assert_int_equal(result.chunks_freed, 1);
	assert_int_equal(result.chunks_pinned, 0);
	assert_int_equal(result.bytes_freed, GA_SLOT_SIZE);
	assert_int_equal(state_at(heap, chunk), GA_FRESH);
	assert_true(result.duration >= 0);

	result = sweep_nothing(heap);
	assert_int_equal(result.chunks_freed, 0);
}

static void
a_pointer_to_any_byte_pins(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunk = victim(heap);
	const size_t offsets[] = {0, 1, 7, 8, 4096, 8191, 8192, 30001, 2 * MB - 8, 2 * MB - 1};

	for (size_t i = 0; i < lengthof(offsets); i++)
	{
		assert_int_equal(sweep_word(heap, chunk + offsets[i]), 1);
		assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);
		assert_true(read_faults((void *) chunk));
	}
}

static void
a_pointer_beside_does_not_pin(void **state)
{
	ga_heap *heap = *state;
	const ptrdiff_t offsets[] = {-8, -1, 2 * 1024 * 1024, 2 * 1024 * 1024 + 8};

	for (size_t i = 0; i < lengthof(offsets); i++)
	{
		uintptr_t slot = victim(heap);

		assert_int_equal(sweep_word(heap, slot + (uintptr_t) offsets[i]), 0);
		assert_int_equal(state_at(heap, slot), GA_FRESH);
	}
}

static void
words_that_are_no_addresses(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunk = victim(heap);
	uintptr_t words[64 + 5];

	for (int bit = 0; bit < 64; bit++)
		words[bit] = (uintptr_t) 1 << bit;
	words[64] = 0;
	words[65] = UINTPTR_MAX;
	words[66] = (uintptr_t) GA_POISON;
	words[67] = chunk | (uintptr_t) 1 << 63;
	words[68] = chunk >> 1;
	assert_int_equal(sweep_words(heap, words, lengthof(words)).chunks_pinned, 0);
}

static void
chunks_of_all_orders_are_pinned_at_both_ends(void **state)
{
	ga_heap *heap = *state;

	for (int order = GA_SLOT_ORDER; order <= GA_MAX_ORDER; order++)
	{
		uintptr_t chunk = victim_of(heap, order);
		size_t size = (size_t) 1 << order;
		size_t slots = size / GA_SLOT_SIZE;

		assert_int_equal(sweep_word(heap, chunk), slots);
		assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);
		assert_int_equal(heap->state_chunks[GA_QUARANTINED], slots);
		chunk = victim_of(heap, order);
		assert_int_equal(sweep_word(heap, chunk + size - 1), slots);
		assert_int_equal(state_at(heap, chunk + size - 1), GA_QUARANTINED);
		assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);
		assert_int_equal(pinned_by(heap, chunk), pinned_by(heap, chunk + size - 1));
		assert_true(pinned_by(heap, chunk) != 0);
		assert_int_equal(sweep_nothing(heap).chunks_freed, slots);
	}
}

/* But not what lies beside it. */
static void
neighbours_are_not_pinned_together(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunks[4];

	for (int i = 0; i < 4; i++)
		chunks[i] = victim_of(heap, GA_SLOT_ORDER + 1);
	for (int i = 1; i < 4; i++)
		assert_int_equal(chunks[i] - chunks[i - 1], 2 * GA_SLOT_SIZE);
	assert_int_equal(sweep_word(heap, chunks[1] + GA_SLOT_SIZE), 2);
	assert_int_equal(state_at(heap, chunks[0] + GA_SLOT_SIZE), GA_FRESH);
	assert_int_equal(state_at(heap, chunks[1]), GA_QUARANTINED);
	assert_int_equal(state_at(heap, chunks[1] + GA_SLOT_SIZE), GA_QUARANTINED);
	assert_int_equal(state_at(heap, chunks[2]), GA_FRESH);
}

static void
huge_spans_are_pinned_everywhere(void **state)
{
	ga_heap *heap = *state;

	for (size_t at = 0; at < 256 * MB; at += 32 * MB)
	{
		static ga_arena arena;
		uintptr_t span;

		begin(&arena, heap, GA_QUARANTINE_STRICT);
		span = (uintptr_t) alloc(&arena, 250 * MB) - GA_HEADER_SIZE;
		ga_arena_destroy(&arena);
		assert_int_equal(sweep_word(heap, span + at), 128);
		assert_int_equal(pinned_by(heap, span + at) != 0, true);
		assert_int_equal(pinned_by(heap, span) != 0, true);
		assert_int_equal(state_at(heap, span + 250 * MB), GA_QUARANTINED);
		assert_int_equal(sweep_word(heap, span + at + GA_SLOT_SIZE - 1), 128);
		assert_int_equal(sweep_word(heap, span + 256 * MB), 0);
		assert_int_equal(state_at(heap, span + at), GA_FRESH);
	}

	/* They are used again. */
	assert_int_equal(heap->reserved, 256 * MB);
}

/* Words are read four at a time; none may be left out. */
static void
every_word_of_a_root_counts(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunk = victim(heap);
	uintptr_t words[23];

	for (size_t count = 1; count <= lengthof(words); count++)
		for (size_t i = 0; i < count; i++)
		{
			memset(words, 0, sizeof(words));
			words[i] = chunk + 16;
			assert_int_equal(sweep_words(heap, words, count).chunks_pinned, 1);
			assert_int_equal(pinned_by(heap, chunk), &words[i]);
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

	words[0] = words[11] = victim(heap);
	for (size_t end = 1; end < 11; end++)
		assert_int_equal(sweep_words(heap, words + 1, end).chunks_pinned, 0);

	/* Of words that are only half inside, nothing is known. */
	words[0] = words[11] = victim(heap);
	assert_int_equal(sweep_range(heap, (char *) words + 1, sizeof(words) - 2, false).chunks_pinned,
					 0);
	words[1] = victim(heap);
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
		uintptr_t pointer = victim(heap) + 32;
		char bytes[32] __attribute__((aligned(8))) = {0};

		memcpy(bytes + 8 + shift, &pointer, sizeof(pointer));
		assert_int_equal(sweep_range(heap, bytes, sizeof(bytes), false).chunks_pinned, shift == 0);
		sweep_nothing(heap);
	}
}

static void
several_slots_and_pointers(void **state)
{
	ga_heap *heap = *state;
	uintptr_t slots[60];
	uintptr_t words[40];
	ga_sweep_result result;

	for (size_t i = 0; i < lengthof(slots); i++)
		slots[i] = victim(heap);

	/* Twenty slots, each from two places. */
	for (size_t i = 0; i < lengthof(words); i++)
		words[i] = slots[i % 20 * 3] + i * 8;
	result = sweep_words(heap, words, lengthof(words));
	assert_int_equal(result.chunks_pinned, 20);
	assert_int_equal(result.chunks_freed, 40);
	assert_int_equal(result.bytes_freed, 40 * GA_SLOT_SIZE);
	for (size_t i = 0; i < lengthof(slots); i++)
		assert_int_equal(state_at(heap, slots[i]), i % 3 == 0 ? GA_QUARANTINED : GA_FRESH);
	assert_int_equal(heap->counters.chunks_freed, 40);
	assert_int_equal(heap->counters.chunks_pinned, 20);

	/* What is pinned costs no memory. */
	assert_true(heap->touched <= GA_SLOT_SIZE);
}

static void
pinned_then_unpinned(void **state)
{
	ga_heap *heap = *state;
	uintptr_t chunk = victim(heap);
	uintptr_t word = chunk + 100;

	for (int i = 0; i < 5; i++)
	{
		assert_int_equal(sweep_words(heap, &word, 1).chunks_pinned, 1);
		assert_int_equal(pinned_by(heap, chunk), &word);
	}
	word = 0;
	assert_int_equal(sweep_words(heap, &word, 1).chunks_freed, 1);
	assert_int_equal(pinned_by(heap, chunk), 0);
	assert_int_equal(heap->counters.sweeps, 6);
	assert_int_equal(heap->counters.chunks_pinned, 5);
}

static void
a_pinned_slot_is_never_handed_out(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		uintptr_t word;

		begin(&arena, heap, (ga_quarantine) mode);
		word = (uintptr_t) alloc(&arena, 1000) + 500;
		(void) alloc(&arena, 7000);
		ga_arena_reset(&arena);
		for (int life = 0; life < 300; life++)
		{
			for (int i = 0; i < 100; i++)
				assert_false(word - (uintptr_t) alloc(&arena, 100) < 100);
			ga_arena_reset(&arena);
			(void) sweep_words(heap, &word, 1);
			if (mode == GA_QUARANTINE_STRICT)
				assert_int_equal(pinned_by(heap, word), &word);
		}
		assert_int_equal(state_at(heap, word), GA_QUARANTINED);

		/* Others come and go. */
		assert_true(heap->counters.chunks_freed > 20);
		assert_true(heap->reserved <= 4 * GA_SEGMENT_SIZE);
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
		assert_int_equal(heap->state_chunks[GA_QUARANTINED], 0);
		ga_heap_reset_stats(heap);
	}
}

/* However many there are: a bit each, and where the pointers are. */
static void
pinned_slots_cost_no_memory(void **state)
{
	ga_heap *heap = *state;
	static uintptr_t words[2000];
	size_t touched;
	size_t mapped;

	for (int i = 0; i < 4; i++)
		(void) victim(heap);
	touched = heap->touched;
	mapped = heap->mapped;
	for (size_t i = 0; i < lengthof(words); i++)
		words[i] = victim(heap) + 8 * i;
	for (int i = 0; i < 3; i++)
		assert_int_equal(sweep_words(heap, words, lengthof(words)).chunks_pinned, lengthof(words));
	assert_int_equal(heap->touched, touched);
	assert_int_equal(heap->mapped, mapped);
	assert_int_equal(heap->slots, 0);
	assert_true(heap->metadata.mapped < 256 * KB);
	for (size_t i = 0; i < lengthof(words); i++)
		assert_int_equal(pinned_by(heap, words[i]), &words[i]);
	assert_true(read_faults((void *) words[0]));
}

/*
 * While a sweep is under way
 */

/* What is freed while a sweep is under way waits for the next. */
static void
freed_during_a_sweep(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_sweep_result result;
	uintptr_t word;
	uintptr_t before = victim(heap);

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	word = (uintptr_t) alloc(&arena, 1000);

	/* The root is read when the chunk is still in use. */
	ga_sweep_begin(heap);
	ga_sweep_root(heap, (uintptr_t) &word, (uintptr_t) (&word + 1), GA_ROOT_MAPPED);
	ga_arena_destroy(&arena);
	assert_true(read_faults((void *) word));
	assert_heap(heap);
	ga_sweep_live(heap);
	ga_sweep_finish(heap, &result);
	assert_heap(heap);
	assert_int_equal(result.chunks_freed, 1);
	assert_int_equal(result.chunks_pinned, 0);
	assert_int_equal(state_at(heap, before), GA_FRESH);

	/* It counts for the next one. */
	assert_int_equal(state_at(heap, word), GA_QUARANTINED);
	assert_int_equal(heap->fresh_quarantine, GA_SLOT_SIZE);
	assert_int_equal(sweep_words(heap, &word, 1).chunks_pinned, 1);
	assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
}

/* What the caller knows to be there is not asked about. */
static void
resident_roots(void **state)
{
	ga_heap *heap = *state;
	ga_sweep_result result;
	uint64_t words[3] = {0, victim(heap), 0};
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
	uintptr_t slots[200];
	ga_sweep_result result;
	uintptr_t word;

	ga_sweep_begin(heap);
	for (size_t i = 0; i < lengthof(slots); i++)
		slots[i] = victim(heap);
	word = slots[77];
	ga_sweep_root(heap, (uintptr_t) &word, (uintptr_t) (&word + 1), GA_ROOT_MAPPED);
	ga_sweep_finish(heap, &result);
	assert_int_equal(result.chunks_freed + result.chunks_pinned, 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], lengthof(slots));
	assert_heap(heap);
	assert_int_equal(sweep_words(heap, &word, 1).chunks_freed, lengthof(slots) - 1);
}

static void
the_engine_works_during_a_sweep(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uintptr_t chunk = victim(heap);
	uintptr_t word = chunk;
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
	assert_int_equal(state_at(heap, chunk), GA_QUARANTINED);
	ga_arena_destroy(&arena);
}

/*
 * When
 */

static void
a_sweep_is_due_by_addresses(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	static ga_arena arena;

	config.sweep_min = 8 * MB;
	config.sweep_percent = 50;
	ga_heap_configure(heap, &config);
	assert_int_equal(heap->next_sweep, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (int i = 0; i < 4; i++)
	{
		assert_false(ga_sweep_due(heap));
		free_object(&arena, alloc(&arena, 256 * KB - GA_HEADER_SIZE));
	}
	assert_true(ga_sweep_due(heap));
	sweep_nothing(heap);
	assert_false(ga_sweep_due(heap));
	assert_int_equal(heap->next_sweep, 8 * MB);

	/* Half of what is in use then. */
	(void) alloc(&arena, 40 * MB);
	sweep_nothing(heap);
	assert_in_range(heap->next_sweep, 20 * MB - 64 * KB, 20 * MB + 64 * KB);
	while (!ga_sweep_due(heap))
		free_object(&arena, alloc(&arena, 256 * KB - GA_HEADER_SIZE));
	assert_in_range(heap->fresh_quarantine, 20 * MB, 22 * MB);
	ga_arena_destroy(&arena);
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
	assert_int_equal(sweep_nothing(heap).chunks_freed, 32 * MB / GA_SLOT_SIZE);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_pointer_a_chunk_is_free),
		TEST(a_pointer_to_any_byte_pins),
		TEST(a_pointer_beside_does_not_pin),
		TEST(words_that_are_no_addresses),
		TEST(chunks_of_all_orders_are_pinned_at_both_ends),
		TEST(neighbours_are_not_pinned_together),
		TEST(huge_spans_are_pinned_everywhere),
		TEST(every_word_of_a_root_counts),
		TEST(a_root_ends_where_it_ends),
		TEST(only_aligned_words_are_pointers),
		TEST(several_slots_and_pointers),
		TEST(pinned_then_unpinned),
		TEST(a_pinned_slot_is_never_handed_out),
		TEST(pinned_slots_cost_no_memory),
		TEST(freed_during_a_sweep),
		TEST(resident_roots),
		TEST(many_freed_during_a_sweep),
		TEST(the_engine_works_during_a_sweep),
		TEST(a_sweep_is_due_by_addresses),
		TEST(moving_makes_a_sweep_due),
		TEST(sweeps_are_counted),
	};

	return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
