/*-------------------------------------------------------------------------
 *
 * test_chunk.c
 *	  Chunks: where they come from, their states, and the way back.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "annotate.h"
#include "support.h"

/*
 * assert_states
 *		Number of chunks that are not FRESH, by state.
 */
static void
assert_states(const ga_heap *heap, size_t full, size_t reuse, size_t fault, size_t quarantined,
			  size_t ready)
{
	assert_int_equal(heap->state_chunks[GA_ACTIVE], 0);
	assert_int_equal(heap->state_chunks[GA_FULL], full);
	assert_int_equal(heap->state_chunks[GA_REUSE], reuse);
	assert_int_equal(heap->state_chunks[GA_FAULT], fault);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], quarantined);
	assert_int_equal(heap->state_chunks[GA_READY], ready);
}

static void
a_heap_begins_empty(void **state)
{
	ga_heap *heap = *state;

	assert_int_equal(fake_all_calls(), 0);
	assert_int_equal(heap->reserved, 0);
	assert_heap(heap);
	sweep_nothing(heap);
	assert_int_equal(ga_heap_release(heap), 0);
	assert_int_equal(fake_all_calls(), 0);
}

/*
 * Getting chunks
 */

static void
fresh_chunks_are_halved(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *first = take_chunk(heap, heap->min_order);
	ga_chunk *second;

	assert_non_null(first);
	assert_int_equal(first->base % GA_SEGMENT_SIZE, 0);

	/* A slot is made accessible as a whole. */
	for (int order = heap->min_order; order < GA_MAX_ORDER; order++)
	{
		assert_int_equal(heap->fresh[order].count, order >= GA_SLOT_ORDER);
		assert_int_equal(heap->ready[order].count, order < GA_SLOT_ORDER);
	}
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_int_equal(heap->mapped, GA_SLOT_SIZE);
	assert_int_equal(heap->counters.use_calls, 1);

	second = take_chunk(heap, heap->min_order);
	assert_int_equal(second->base, first->base + first->size);
	assert_int_equal(heap->ready[heap->min_order].count, 0);
	assert_int_equal(heap->counters.use_calls, 1);
}

static void
chunks_of_all_orders_fill_a_segment(void **state)
{
	ga_heap *heap = *state;

	for (int order = GA_MAX_ORDER - 1; order >= heap->min_order; order--)
	{
		ga_chunk *chunk = take_written(heap, order);

		assert_int_equal(chunk->size, (size_t) 1 << order);
		assert_int_equal(chunk->base % chunk->size, 0);
		assert_heap(heap);
	}
	take_written(heap, heap->min_order);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_int_equal(heap->state_chunks[GA_FRESH], 0);
	assert_int_equal(heap->mapped, heap->reserved);

	take_written(heap, heap->min_order);
	assert_int_equal(heap->reserved, 2 * GA_SEGMENT_SIZE);
}

static void
halves_are_merged_when_needed(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[64];
	ga_chunk *whole;

	take_row(heap, 20, chunks, lengthof(chunks));
	shuffle(chunks, lengthof(chunks), 1);
	for (size_t i = 0; i < lengthof(chunks); i++)
		make_ready(heap, chunks[i]);
	assert_int_equal(heap->ready[20].count, 64);

	whole = take_chunk(heap, GA_MAX_ORDER);
	assert_non_null(whole);
	assert_int_equal(whole->size, GA_SEGMENT_SIZE);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_states(heap, 1, 0, 0, 0, 0);
}

static void
a_buddy_in_use_is_not_merged(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[64];
	ga_chunk *half;

	take_row(heap, 20, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i++)
		if (i != 10)
			make_ready(heap, chunks[i]);

	half = take_chunk(heap, GA_MAX_ORDER - 1);
	assert_int_equal(half->base, chunks[10]->base - 10 * MB + 32 * MB);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_heap(heap);
	assert_int_equal(chunks[10]->size, MB);

	/* What is left of the other half: 8 + 2 MB below it, 1 + 4 + 16 MB above. */
	assert_int_equal(heap->ready[23].count, 1);
	assert_int_equal(heap->ready[21].count, 1);
	assert_int_equal(heap->ready[20].count, 1);
	assert_int_equal(heap->ready[22].count, 1);
	assert_int_equal(heap->ready[24].count, 1);
	assert_int_equal(heap->state_chunks[GA_READY], 5);

	assert_non_null(take_chunk(heap, GA_MAX_ORDER));
	assert_int_equal(heap->reserved, 2 * GA_SEGMENT_SIZE);
}

/*
 * leave_one_slot
 *		Take all of a segment but one slot; returns the number of chunks.
 */
static size_t
leave_one_slot(ga_heap *heap)
{
	for (int order = GA_MAX_ORDER - 1; order >= GA_SLOT_ORDER; order--)
		assert_non_null(take_chunk(heap, order));
	return GA_MAX_ORDER - GA_SLOT_ORDER;
}

/*
 * ready_halves
 *		Two READY halves of the only free slot, accessible or not.
 */
static void
ready_halves(ga_heap *heap, bool lower_accessible, bool upper_accessible)
{
	size_t others = leave_one_slot(heap);
	ga_chunk *lower = take_written(heap, GA_SLOT_ORDER - 1);
	ga_chunk *upper = take_written(heap, GA_SLOT_ORDER - 1);

	if (!lower_accessible)
		make_ready(heap, lower);
	if (!upper_accessible)
		make_ready(heap, upper);
	(void) ga_heap_release(heap);
	if (lower_accessible)
		make_ready(heap, lower);
	if (upper_accessible)
		make_ready(heap, upper);
	assert_states(heap, others, 0, 0, 0, 2);
	assert_heap(heap);
}

static void
merging_evens_out_access(void **state)
{
	for (int i = 0; i < 4; i++)
	{
		ga_config config = usual_config();
		ga_heap *heap = new_heap(&config);
		bool lower = i % 2 == 1;
		bool upper = i / 2 == 1;
		size_t retained = (lower + upper) * GA_SLOT_SIZE / 2;
		ga_chunk *whole;

		ready_halves(heap, lower, upper);
		assert_int_equal(heap->retained, retained);
		whole = take_chunk(heap, GA_SLOT_ORDER);
		assert_non_null(whole);
		assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
		assert_heap(heap);
		assert_access(heap);
		make_ready(heap, whole);
		assert_in_range(heap->retained, retained, GA_SLOT_SIZE);
		assert_heap(heap);
		delete_heap(heap);
	}
	(void) state;
}

/* A pair that cannot be made alike stays a pair. */
static void
merging_that_fails(void **state)
{
	ga_heap *heap = *state;

	ready_halves(heap, false, true);
	fake_fail(OS_USE, 1, ENOMEM);
	assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
	assert_int_equal(heap->reserved, 2 * GA_SEGMENT_SIZE);
	assert_states(heap, GA_MAX_ORDER - GA_SLOT_ORDER + 1, 0, 0, 0, 2);
	assert_heap(heap);

	/* It is tried again when there is nothing else. */
	(void) leave_one_slot(heap);
	assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
	assert_int_equal(heap->reserved, 2 * GA_SEGMENT_SIZE);
	assert_states(heap, 2 * (GA_MAX_ORDER - GA_SLOT_ORDER) + 2, 0, 0, 0, 0);
}

/* A fresh half and a ready one make a ready whole that knows its pages. */
static void
fresh_merges_with_ready(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *whole;

	make_ready(heap, take_written(heap, GA_MAX_ORDER - 1));
	assert_int_equal(heap->retained, GA_SEGMENT_SIZE / 2);

	whole = take_chunk(heap, GA_MAX_ORDER);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	assert_int_equal(whole->touched, GA_SEGMENT_SIZE / 2);
}

/* Pages above a gap are still counted when a chunk is split again. */
static void
split_and_merge_keep_the_sums(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[4];
	size_t retained;

	(void) leave_one_slot(heap);
	take_row(heap, GA_SLOT_ORDER - 2, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i++)
		make_ready(heap, chunks[i]);
	ga_heap_trim(heap, 0);
	assert_int_equal(heap->retained, 0);
	assert_int_equal(heap->released, GA_SLOT_SIZE);

	/* One quarter is written to; after merging, pages may be anywhere below. */
	chunks[0] = take_chunk(heap, GA_SLOT_ORDER - 2);
	chunks[1] = take_chunk(heap, GA_SLOT_ORDER - 2);
	ga_chunk_touch(heap, chunks[1], 64 * KB);
	make_ready(heap, chunks[1]);
	make_ready(heap, chunks[0]);
	assert_heap(heap);
	retained = heap->retained;
	assert_int_equal(retained, 64 * KB);

	chunks[0] = take_chunk(heap, GA_SLOT_ORDER);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
	make_ready(heap, chunks[0]);
	assert_true(heap->retained >= retained);
	assert_heap(heap);
	for (int order = GA_SLOT_ORDER - 1; order >= heap->min_order; order--)
	{
		take_chunk(heap, order);
		assert_heap(heap);
	}
}

static void
ready_before_fresh_before_larger_ready(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *small = take_chunk(heap, 16);
	ga_chunk *large = take_chunk(heap, 20);
	ga_chunk *taken;

	make_ready(heap, small);
	make_ready(heap, large);
	assert_ptr_equal(take_chunk(heap, 16), small);
	taken = take_chunk(heap, 16);
	assert_false(taken->base - large->base < large->size);
	assert_int_equal(large->state, GA_READY);
	assert_int_equal(large->order, 20);
}

static void
no_address_space(void **state)
{
	ga_heap *heap = *state;

	fake_cap_reserved(fake_reserved() + GA_REGION_SIZE + GA_SEGMENT_SIZE);
	assert_non_null(take_chunk(heap, GA_MAX_ORDER));
	for (int order = heap->min_order; order <= GA_MAX_ORDER; order++)
		assert_null(take_chunk(heap, order));
	assert_null(take_span(heap, 100 * MB));
	assert_heap(heap);
	assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);

	fake_cap_reserved(SIZE_MAX);
	assert_non_null(take_chunk(heap, heap->min_order));
}

static void
no_memory_for_a_fresh_chunk(void **state)
{
	ga_heap *heap = *state;

	assert_non_null(take_chunk(heap, 21));
	fake_fail_from(OS_MAP, 1, ENOMEM);
	assert_null(take_chunk(heap, 21));
	assert_states(heap, 1, 0, 0, 0, 0);
	assert_heap(heap);
	fake_fail_never();
	assert_non_null(take_chunk(heap, 21));
}

/* Wherever metadata runs out, nothing has happened, and all can go on later. */
static void
no_memory_for_metadata(void **state)
{
	size_t most =
		sizeof(ga_segment) + sizeof(ga_map_leaf) + sizeof(ga_granules) + 20 * sizeof(ga_chunk);
	uint64_t random = 1;
	int refused = 0;
	int tries = 0;

	(void) state;
	for (size_t bytes = 0; bytes < most; bytes += 16 * (1 + random_below(&random, 40)), tries++)
	{
		ga_config config = usual_config();
		ga_heap *heap = new_heap(&config);
		int regions = leave_metadata(heap, bytes);

		refused += take_chunk(heap, heap->min_order) == NULL;
		assert_heap(heap);
		assert_int_equal(fake_reserved(), heap->reserved + heap->metadata.reserved);
		more_metadata(heap, regions);
		assert_non_null(take_chunk(heap, heap->min_order));
		assert_int_equal(heap->reserved, GA_SEGMENT_SIZE);
		assert_heap(heap);
		delete_heap(heap);
	}
	assert_true(refused > 10 && refused < tries);
}

/* A segment whose metadata was lacking does not use up more at each try. */
static void
failed_growth_costs_no_metadata(void **state)
{
	ga_heap *heap = *state;
	int regions = leave_metadata(heap, sizeof(ga_segment) + sizeof(ga_chunk) + 64);
	size_t next;

	assert_null(take_chunk(heap, 16));
	next = heap->metadata.current.next;
	for (int i = 0; i < 10; i++)
		assert_null(take_chunk(heap, 16));
	assert_int_equal(heap->metadata.current.next, next);
	more_metadata(heap, regions);
	assert_non_null(take_chunk(heap, 16));
}

/*
 * Access
 */

static void
the_warmest_chunk_comes_first(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[5];
	const size_t order[] = {3, 0, 4, 1, 2};

	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(order); i++)
		make_ready(heap, chunks[order[i]]);
	for (size_t i = lengthof(order); i > 0; i--)
		assert_ptr_equal(take_chunk(heap, 16), chunks[order[i - 1]]);
}

/* Access calls for chunks and metadata together, less those for metadata. */
static uint64_t
access_calls(const ga_heap *heap)
{
	return fake_calls(OS_USE) + fake_calls(OS_MAP) - heap->metadata.mapped / GA_REGION_STEP;
}

static void
fresh_slots_are_opened_whole(void **state)
{
	ga_heap *heap = *state;

	for (size_t i = 0; i < 64; i++)
	{
		(void) take_written(heap, 16);
		assert_int_equal(access_calls(heap), i / 32 + 1);
		assert_int_equal(heap->mapped, (i / 32 + 1) * GA_SLOT_SIZE);
		assert_heap(heap);
	}
	(void) take_written(heap, 20);
	assert_int_equal(access_calls(heap), 3);
	(void) take_written(heap, 22);
	assert_int_equal(access_calls(heap), 4);
	assert_int_equal(heap->counters.use_calls, 4);

	/* Small pages are asked for, unless large ones are wanted. */
	assert_int_equal(fake_calls(OS_SMALL), 4);
	heap->config.huge_pages = true;
	(void) take_written(heap, 22);
	assert_int_equal(fake_calls(OS_SMALL), 4);
}

static void
no_memory_for_a_slot(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk;

	assert_non_null(take_chunk(heap, 22));

	/* There is not enough for the slot, but for the chunk. */
	fake_fail(OS_MAP, 1, ENOMEM);
	chunk = take_written(heap, 19);
	assert_int_equal(heap->mapped, 4 * MB + chunk->size);
	assert_heap(heap);
	assert_access(heap);

	fake_fail_from(OS_MAP, 1, ENOMEM);
	fake_fail_from(OS_USE, 1, ENOMEM);
	assert_null(take_chunk(heap, 16));
	assert_heap(heap);
	assert_access(heap);
	fake_fail_never();
	assert_non_null(take_written(heap, 16));
}

static void
chunks_that_are_accessible_need_no_call(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, 16);
	uint64_t calls;

	make_ready(heap, chunk);
	calls = fake_all_calls();
	assert_ptr_equal(take_written(heap, 16), chunk);
	assert_int_equal(fake_all_calls(), calls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_heap_begins_empty),
		TEST(fresh_chunks_are_halved),
		TEST(chunks_of_all_orders_fill_a_segment),
		TEST(halves_are_merged_when_needed),
		TEST(a_buddy_in_use_is_not_merged),
		TEST(merging_evens_out_access),
		TEST(merging_that_fails),
		TEST(fresh_merges_with_ready),
		TEST(split_and_merge_keep_the_sums),
		TEST(ready_before_fresh_before_larger_ready),
		TEST(no_address_space),
		TEST(no_memory_for_a_fresh_chunk),
		TEST(no_memory_for_metadata),
		TEST(failed_growth_costs_no_metadata),
		TEST(the_warmest_chunk_comes_first),
		TEST(fresh_slots_are_opened_whole),
		TEST(no_memory_for_a_slot),
		TEST(chunks_that_are_accessible_need_no_call),
	};

	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
