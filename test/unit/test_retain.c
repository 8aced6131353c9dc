/*-------------------------------------------------------------------------
 *
 * test_retain.c
 *	  Physical memory of chunks that are not in use.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static size_t
pages_of(const ga_heap *heap, const ga_chunk *chunk)
{
	return resident_pages((void *) chunk->base, chunk->size) * heap->os->page_size;
}

static void
pages_longest_unused_are_released_first(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[17];

	heap->config.retain = MB;
	take_row(heap, 16, chunks, lengthof(chunks));
	shuffle(chunks, lengthof(chunks), 11);
	for (size_t i = 0; i < 16; i++)
	{
		make_ready(heap, chunks[i]);
		assert_int_equal(heap->retained, (i + 1) * 64 * KB);
	}
	assert_int_equal(fake_calls(OS_UNUSE) + fake_calls(OS_DROP), 0);

	/* Above the budget; down to an eighth below it. */
	make_ready(heap, chunks[16]);
	assert_int_equal(heap->retained, MB - MB / 8);
	for (size_t i = 0; i < 17; i++)
	{
		assert_int_equal(chunks[i]->touched, i < 3 ? 0 : 64 * KB);
		assert_int_equal(pages_of(heap, chunks[i]), chunks[i]->touched);
		assert_int_equal(chunks[i]->state, GA_READY);
	}
	assert_heap(heap);
}

static void
only_the_end_of_a_large_chunk_is_released(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, 24);

	heap->config.retain = 8 * MB;
	make_ready(heap, chunk);
	assert_int_equal(heap->retained, 7 * MB);
	assert_int_equal(heap->released, 9 * MB);
	assert_int_equal(chunk->touched, 7 * MB);
	assert_int_equal(pages_of(heap, chunk), 7 * MB);
	assert_int_equal(fake_calls(OS_UNUSE), 1);
	assert_heap(heap);

	/* If the system refuses, all stays, and is told once. */
	fake_fail_from(OS_UNUSE, 1, ENOMEM);
	ga_heap_trim(heap, 4 * MB);
	assert_int_equal(heap->retained, 7 * MB);
	assert_int_equal(chunk->touched, 7 * MB);
	assert_int_equal(heap->num_events, 1);
	fake_fail_never();
	assert_heap(heap);
	ga_heap_trim(heap, 4 * MB);
	assert_int_equal(heap->retained, 4 * MB - MB / 2);
	assert_heap(heap);
}

/* They would each cost a mapping between others that were spent. */
static void
slots_that_are_given_back_leave(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, GA_SLOT_ORDER + 1);
	uintptr_t base = chunk->base;

	fake_fail(OS_LEAVE, 1, ENOMEM);
	make_ready(heap, chunk);
	ga_heap_trim(heap, 0);
	assert_int_equal(heap->retained, 2 * GA_SLOT_SIZE);
	assert_ptr_equal(ga_heap_lookup(heap, base), chunk);
	assert_heap(heap);

	ga_heap_trim(heap, 0);
	assert_int_equal(heap->retained, 0);
	assert_int_equal(heap->released, 0);
	assert_int_equal(heap->swept_slots, 2);
	assert_null(ga_heap_lookup(heap, base));
	assert_true(read_faults((void *) base));
	assert_heap(heap);

	/* They come back before there is another segment. */
	assert_non_null(take_chunk(heap, GA_MAX_ORDER - 1));
	for (int order = GA_MAX_ORDER - 2; order >= GA_SLOT_ORDER; order--)
		assert_non_null(take_chunk(heap, order));
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_non_null(ga_heap_lookup(heap, base));
}

/* Nor is there a call for each of them. */
static void
huge_spans_that_are_given_back_leave(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_span(heap, 2 * GA_SEGMENT_SIZE);
	uintptr_t base = chunk->base;

	ga_chunk_touch(heap, chunk, MB);
	make_ready(heap, chunk);
	ga_heap_trim(heap, 0);
	assert_int_equal(fake_calls(OS_LEAVE), 1);
	assert_int_equal(heap->swept_slots, 2 * GA_SLOTS);
	assert_heap(heap);
	assert_int_equal(take_span(heap, 2 * GA_SEGMENT_SIZE)->base, base);
}

static void
excess_is_kept_for_a_while(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, 23);
	size_t before = heap->touched;

	heap->config.retain = MB;
	ga_heap_keep_excess(heap, true);
	make_ready(heap, chunk);
	assert_int_equal(heap->retained, 8 * MB);
	assert_int_equal(fake_calls(OS_UNUSE) + fake_calls(OS_DROP), 0);

	/* Pages that are touched for the first time take the place of others, in steps. */
	take_written(heap, 20);
	ga_heap_touched(heap);
	assert_int_equal(heap->retained, 7 * MB);
	assert_int_equal(heap->touched, before);
	for (int i = 1; i <= 4; i++)
	{
		take_written(heap, 16);
		ga_heap_touched(heap);
		assert_int_equal(heap->retained, 7 * MB - (i < 4 ? 0 : 256 * KB));
	}
	assert_int_equal(heap->touched, before);
	assert_int_equal(fake_calls(OS_UNUSE), 2);
	assert_int_equal(pages_of(heap, chunk), 7 * MB - 256 * KB);
	assert_heap(heap);

	/* What is within the budget stays. */
	take_written(heap, 24);
	ga_heap_touched(heap);
	assert_int_equal(heap->retained, MB);
	assert_heap(heap);
	ga_heap_keep_excess(heap, false);
	assert_int_equal(heap->retained, MB);
}

static void
excess_is_given_back_at_the_end(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, 22);
	ga_chunk *other = take_quarantined(heap, 22);

	heap->config.retain = MB;
	write_chunk(heap, other);
	ga_heap_keep_excess(heap, true);
	make_ready(heap, chunk);
	quarantine(heap, other);

	/* The pages of the second have moved, and are kept like those of the first. */
	assert_int_equal(heap->retained, 8 * MB);
	sweep_nothing(heap);
	assert_int_equal(heap->retained, 8 * MB);
	ga_heap_keep_excess(heap, false);
	assert_true(heap->retained <= MB);
	assert_heap(heap);
	make_ready(heap, take_written(heap, 21));
	assert_true(heap->retained <= MB);

	/* What is too much at once is not moved before it is given back. */
	other = take_quarantined(heap, 22);
	write_chunk(heap, other);
	quarantine(heap, other);
	assert_int_equal(fake_calls(OS_MOVE), 1);
	assert_true(heap->retained <= MB);
}

static void
release_leaves_nothing(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[4];
	ga_chunk *live;
	ga_chunk *dead;

	take_row(heap, 16, chunks, lengthof(chunks));
	make_ready(heap, chunks[0]);
	make_ready(heap, chunks[2]);
	(void) victim(heap);
	live = take_quarantined(heap, 16);
	dead = take_quarantined(heap, 17);
	write_chunk(heap, live);
	write_chunk(heap, dead);
	quarantine(heap, dead);
	assert_int_equal(ga_heap_release(heap), 2 * 64 * KB + GA_SLOT_SIZE - 64 * KB);
	assert_int_equal(heap->retained, 0);
	assert_int_equal(heap->touched, 3 * 64 * KB);
	assert_true(ga_list_empty(&heap->retained_lru));
	assert_true(read_faults((void *) dead->base));
	assert_false(read_faults((void *) live->base));
	assert_heap(heap);
	assert_int_equal(ga_heap_release(heap), 0);
}

/* What has no pages needs no access: such memory counts against limits. */
static void
released_chunks_are_closed(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[6];

	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 4; i > 0; i--)
		make_ready(heap, chunks[i]);
	assert_int_equal(heap->mapped, GA_SLOT_SIZE);
	assert_int_equal(ga_heap_release(heap), 4 * 64 * KB);
	assert_int_equal(heap->mapped, GA_SLOT_SIZE - 4 * 64 * KB);
	for (size_t i = 0; i < lengthof(chunks); i++)
		assert_int_equal(read_faults((void *) chunks[i]->base), i >= 1 && i <= 4);
	assert_heap(heap);
	for (size_t i = 0; i < 4; i++)
		assert_non_null(take_written(heap, 16));
	assert_int_equal(heap->mapped, GA_SLOT_SIZE);
}

static void
closing_is_one_call_for_a_run(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[8];

	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i++)
		make_ready(heap, chunks[i]);
	assert_int_equal(ga_heap_release(heap), 8 * 64 * KB);
	assert_int_equal(fake_calls(OS_UNUSE), 0);
	assert_int_equal(fake_calls(OS_DROP), 1);
	assert_int_equal(heap->mapped, GA_SLOT_SIZE - 8 * 64 * KB);
}

/* Where it would make too many mappings, access stays. */
static void
closing_that_costs_too_much(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[3];

	take_row(heap, 16, chunks, lengthof(chunks));
	make_ready(heap, chunks[1]);
	heap->config.max_mappings = 1;
	assert_int_equal(ga_heap_release(heap), 64 * KB);
	assert_int_equal(chunks[1]->accessible, 64 * KB);
	assert_int_equal(chunks[1]->touched, 0);
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_MAPPING_LIMIT);
	assert_heap(heap);
	assert_access(heap);
	assert_ptr_equal(take_written(heap, 16), chunks[1]);
}

static void
release_that_fails(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[3];

	take_row(heap, 16, chunks, lengthof(chunks));
	make_ready(heap, chunks[0]);
	make_ready(heap, chunks[2]);
	fake_fail_from(OS_DROP, 2, EINVAL);
	assert_int_equal(ga_heap_release(heap), 64 * KB);
	assert_int_equal(heap->retained, 64 * KB);
	assert_heap(heap);
	assert_int_equal(ga_heap_release(heap), 0);
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_RELEASE_FAILED);
	assert_int_equal(heap->events[0].error, EINVAL);

	fake_fail_never();
	assert_int_equal(ga_heap_release(heap), 64 * KB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_longest_unused_are_released_first),
		TEST(only_the_end_of_a_large_chunk_is_released),
		TEST(slots_that_are_given_back_leave),
		TEST(huge_spans_that_are_given_back_leave),
		TEST(excess_is_kept_for_a_while),
		TEST(excess_is_given_back_at_the_end),
		TEST(release_leaves_nothing),
		TEST(released_chunks_are_closed),
		TEST(closing_is_one_call_for_a_run),
		TEST(closing_that_costs_too_much),
		TEST(release_that_fails),
	};

	return cmocka_run_group_tests_name("retain", tests, NULL, NULL);
}
