/*-------------------------------------------------------------------------
 *
 * test_chunk_span.c
 *	  Chunks for spans: how far they are accessible, huge ones, and huge pages.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "annotate.h"
#include "support.h"

static void
a_span_is_accessible_as_far_as_needed(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_span(heap, 3 * MB);

	assert_int_equal(chunk->size, 4 * MB);
	assert_int_equal(chunk->accessible, 3 * MB);
	assert_int_equal(heap->mapped, 3 * MB);
	assert_access(heap);

	assert_true(ga_chunk_set_accessible(heap, chunk, 3400 * KB));
	assert_int_equal(heap->mapped, 3400 * KB);
	poke_word((void *) (chunk->base + 3400 * KB - 8), 1);
	assert_true(read_faults((void *) (chunk->base + 3400 * KB)));
	ga_chunk_touch(heap, chunk, 3400 * KB);
	assert_heap(heap);

	/* What is given up is gone. */
	assert_true(ga_chunk_set_accessible(heap, chunk, 100 * KB));
	assert_int_equal(chunk->touched, 100 * KB);
	assert_true(read_faults((void *) (chunk->base + 100 * KB)));
	assert_int_equal(resident_pages((void *) (chunk->base + 100 * KB), 3996 * KB), 0);
	assert_heap(heap);
	assert_access(heap);

	assert_true(ga_chunk_set_accessible(heap, chunk, 4 * MB));
	assert_int_equal(peek_word((void *) (chunk->base + 3400 * KB - 8)), 0);
	assert_heap(heap);
}

static void
access_to_a_span_that_fails(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_span(heap, 3 * MB);

	GA_MAKE_UNDEFINED(chunk->base, 3 * MB); /* as for an object */
	fill((void *) chunk->base, 3 * MB, 1);
	ga_chunk_touch(heap, chunk, 3 * MB);
	fake_fail(OS_USE, 1, ENOMEM);
	assert_false(ga_chunk_set_accessible(heap, chunk, 4 * MB));
	assert_int_equal(chunk->accessible, 3 * MB);
	assert_heap(heap);
	assert_access(heap);

	/* Whatever fails, its pages are still there. */
	for (int call = 0; call < OS_NUM_CALLS; call++)
		fake_fail((os_call) call, 1, ENOMEM);
	assert_false(ga_chunk_set_accessible(heap, chunk, 2 * MB));
	assert_int_equal(chunk->accessible, 3 * MB);
	assert_true(is_filled((void *) chunk->base, 3 * MB, 1));
	assert_heap(heap);
	assert_access(heap);
}

static void
huge_spans_are_reused_best_fit(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *small = take_span(heap, 65 * MB);
	ga_chunk *middle = take_span(heap, 130 * MB);
	ga_chunk *large = take_span(heap, 300 * MB);

	assert_int_equal(small->size, 128 * MB);
	assert_int_equal(middle->size, 192 * MB);
	assert_int_equal(large->size, 320 * MB);
	assert_int_equal(heap->reserved, 640 * MB);
	make_ready(heap, large);
	make_ready(heap, small);
	make_ready(heap, middle);
	assert_heap(heap);
	assert_int_equal(heap->ready_huge.count, 3);

	assert_ptr_equal(take_span(heap, 100 * MB), small);
	assert_ptr_equal(take_span(heap, 100 * MB), middle);
	assert_ptr_equal(take_span(heap, 200 * MB), large);
	assert_int_equal(heap->reserved, 640 * MB);
	assert_non_null(take_span(heap, 65 * MB));
	assert_int_equal(heap->reserved, 768 * MB);
	assert_heap(heap);
	assert_access(heap);
}

/* Address space for a span that came to nothing serves the next. */
static void
huge_spans_that_fail_cost_no_address_space(void **state)
{
	ga_heap *heap = *state;
	size_t metadata;

	fake_fail_from(OS_USE, 1, ENOMEM);
	assert_null(take_span(heap, 100 * MB));
	assert_int_equal(heap->reserved, 128 * MB);
	metadata = heap->metadata.mapped;
	for (int i = 0; i < 10; i++)
		assert_null(take_span(heap, 100 * MB));
	assert_int_equal(heap->reserved, 128 * MB);
	assert_int_equal(heap->metadata.mapped, metadata);
	assert_heap(heap);

	fake_fail_never();
	assert_non_null(take_span(heap, 100 * MB));
	assert_int_equal(heap->reserved, 128 * MB);
	assert_int_equal(heap->state_chunks[GA_FRESH], 0);
}

/* Nor does it hide the fresh chunks of ordinary size. */
static void
fresh_chunks_beside_huge_ones(void **state)
{
	ga_heap *heap = *state;

	fake_fail_from(OS_USE, 1, ENOMEM);
	fake_fail_from(OS_MAP, 1 + fake_calls(OS_MAP), ENOMEM);
	assert_null(take_span(heap, 100 * MB));
	fake_fail_never();
	fake_fail_from(OS_USE, 1, ENOMEM);
	assert_null(take_span(heap, 100 * MB));
	fake_fail_never();

	/* A fresh 64 MB that could not be mapped either stands behind it. */
	assert_non_null(take_chunk(heap, GA_MAX_ORDER));
	fake_fail(OS_MAP, 2, ENOMEM);
	assert_null(take_chunk(heap, GA_MAX_ORDER));
	fake_fail_never();
	assert_int_equal(heap->fresh[GA_MAX_ORDER].count, 1);
	assert_non_null(take_chunk(heap, GA_MAX_ORDER));
	assert_int_equal(heap->reserved, (128 + 64 + 64) * MB);
}

static void
metadata_of_a_huge_span_that_fails(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *first = take_chunk(heap, 16);
	int regions;

	/* One of its segments finds no memory: all of it is given back. */
	assert_non_null(first);
	regions = leave_metadata(heap, 100 * sizeof(ga_segment));
	assert_null(take_span(heap, 20480 * MB));
	more_metadata(heap, regions);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_int_equal(fake_reserved(), heap->reserved + heap->metadata.reserved);
	assert_heap(heap);
	for (uintptr_t at = heap->hint; at < heap->hint + 20480 * MB; at += GA_SEGMENT_SIZE)
		assert_null(ga_segment_of(heap, at));
	assert_non_null(take_span(heap, 100 * MB));
}

/*
 * Huge pages
 */

static void
huge_pages_are_asked_for_once(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk;

	heap->config.huge_pages = true;
	assert_non_null(take_chunk(heap, 20));
	assert_int_equal(fake_calls(OS_HUGE), 0);
	chunk = take_chunk(heap, 21);
	assert_int_equal(fake_calls(OS_HUGE), 1);
	make_ready(heap, chunk);
	assert_ptr_equal(take_chunk(heap, 21), chunk);
	assert_int_equal(fake_calls(OS_HUGE), 1);
	assert_non_null(take_span(heap, 3 * MB));
	assert_int_equal(fake_calls(OS_HUGE), 2);
}

/* It is advice: where it fails, the chunk is taken all the same. */
static void
huge_pages_that_are_refused(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk;

	heap->config.huge_pages = true;
	fake_fail(OS_HUGE, 1, EINVAL);
	chunk = take_chunk(heap, 21);
	assert_non_null(chunk);
	assert_false(chunk->huge_advised);
	make_ready(heap, chunk);
	assert_ptr_equal(take_chunk(heap, 21), chunk);
	assert_true(chunk->huge_advised);
}

static void
huge_pages_are_off_by_default(void **state)
{
	assert_non_null(take_chunk(*state, 22));
	assert_int_equal(fake_calls(OS_HUGE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_span_is_accessible_as_far_as_needed),
		TEST(access_to_a_span_that_fails),
		TEST(huge_spans_are_reused_best_fit),
		TEST(huge_spans_that_fail_cost_no_address_space),
		TEST(fresh_chunks_beside_huge_ones),
		TEST(metadata_of_a_huge_span_that_fails),
		TEST(huge_pages_are_asked_for_once),
		TEST(huge_pages_that_are_refused),
		TEST(huge_pages_are_off_by_default),
	};

	return cmocka_run_group_tests_name("chunk of a span", tests, NULL, NULL);
}
