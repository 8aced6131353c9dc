/*-------------------------------------------------------------------------
 *
 * test_quarantine.c
 *	  Giving chunks up: fault list, quarantine, mapping limit, physical memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/* The engine sets this many chunks, or bytes, to fault at a time. */
#define FAULT_BATCH_CHUNKS 64
#define FAULT_BATCH_BYTES  (4 * MB)

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
the_life_of_a_chunk(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, 16);
	size_t size = chunk->size;

	assert_states(heap, 1, 0, 0, 0, 0);
	assert_int_equal(heap->retained, 0);

	quarantine(heap, chunk);
	assert_int_equal(chunk->state, GA_FAULT);
	assert_true(list_contains(&heap->fault, &chunk->link));
	assert_null(chunk->arena);
	assert_states(heap, 0, 0, 1, 0, 0);
	assert_int_equal(heap->fault_bytes, size);
	assert_int_equal(heap->retained, size);
	assert_int_equal(heap->mapped, size);
	assert_int_equal(heap->fresh_quarantine, size);
	assert_heap(heap);

	ga_heap_flush_faults(heap);
	assert_int_equal(chunk->state, GA_QUARANTINED);
	assert_true(list_contains(&heap->quarantined, &chunk->link));
	assert_states(heap, 0, 0, 0, 1, 0);
	assert_int_equal(heap->fault_bytes, 0);
	assert_int_equal(heap->retained, size);
	assert_int_equal(heap->mapped, 0);
	assert_true(read_faults((void *) chunk->base));
	assert_true(write_faults((void *) (chunk->base + size - 1)));
	assert_int_equal(resident_pages((void *) chunk->base, size), size / heap->os->page_size);
	assert_heap(heap);

	assert_int_equal(sweep_nothing(heap).chunks_freed, 1);
	assert_int_equal(chunk->state, GA_READY);
	assert_true(list_contains(&heap->ready[16], &chunk->link));
	assert_states(heap, 0, 0, 0, 0, 1);
	assert_int_equal(heap->retained, size);
	assert_int_equal(heap->fresh_quarantine, 0);

	assert_int_equal(ga_heap_release(heap), size);
	assert_states(heap, 0, 0, 0, 0, 1);
	assert_int_equal(heap->retained, 0);
	assert_int_equal(heap->released, size);
	assert_int_equal(resident_pages((void *) chunk->base, size), 0);
	assert_heap(heap);

	assert_ptr_equal(take_chunk(heap, 16), chunk);
	assert_states(heap, 1, 0, 0, 0, 0);
	assert_int_equal(heap->released, 0);
	assert_int_equal(peek_word((void *) chunk->base), 0);

	hand_on(heap, chunk);
	assert_int_equal(chunk->state, GA_REUSE);
	assert_true(list_contains(&heap->reuse[16], &chunk->link));
	assert_states(heap, 0, 1, 0, 0, 0);
	assert_int_equal(heap->retained + heap->released, 0);
	assert_heap(heap);
}

static void
neighbours_are_set_to_fault_by_one_call(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[FAULT_BATCH_CHUNKS];

	take_row(heap, heap->min_order, chunks, lengthof(chunks));
	shuffle(chunks, lengthof(chunks), 5);
	for (size_t i = 0; i < lengthof(chunks); i++)
	{
		assert_int_equal(heap->fault.count, i);
		assert_int_equal(fake_calls(OS_FAULT), 0);
		quarantine(heap, chunks[i]);
		assert_heap(heap);
	}
	/* The batch is full. */
	assert_int_equal(fake_calls(OS_FAULT), 1);
	assert_int_equal(heap->counters.fault_calls, 1);
	assert_states(heap, 0, 0, 0, FAULT_BATCH_CHUNKS, 0);
	assert_int_equal(heap->mapped, 0);
	assert_int_equal(heap->mappings, 0);
}

static void
gaps_cost_a_call_each(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[20];

	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i++)
		if (i % 5 != 0)
			quarantine(heap, chunks[i]);
	assert_int_equal(heap->mappings, 2);
	ga_heap_flush_faults(heap);
	assert_int_equal(fake_calls(OS_FAULT), 4);
	assert_int_equal(heap->mappings, 8);
	assert_heap(heap);
	assert_access(heap);
	for (size_t i = 0; i < lengthof(chunks); i++)
		assert_int_equal(read_faults((void *) chunks[i]->base), i % 5 != 0);
}

static void
many_bytes_are_a_batch_too(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[4];

	take_row(heap, 20, chunks, lengthof(chunks));
	for (size_t i = 0; i < 3; i++)
		quarantine(heap, chunks[i]);
	assert_int_equal(heap->fault_bytes, FAULT_BATCH_BYTES - MB);
	assert_int_equal(fake_calls(OS_FAULT), 0);
	quarantine(heap, chunks[3]);
	assert_int_equal(fake_calls(OS_FAULT), 1);
	assert_states(heap, 0, 0, 0, 4, 0);
}

/* A span of which only a part is accessible may only end a run. */
static void
a_run_ends_with_a_span(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *row[3];

	row[0] = take_chunk(heap, 16);
	row[1] = take_span(heap, 36 * KB);
	row[2] = take_chunk(heap, 16);
	assert_int_equal(row[1]->base, row[0]->base + 64 * KB);
	assert_int_equal(row[2]->base, row[1]->base + 64 * KB);
	assert_int_equal(row[1]->accessible, 36 * KB);
	assert_heap(heap);
	for (int i = 0; i < 3; i++)
		quarantine(heap, row[i]);
	ga_heap_flush_faults(heap);
	assert_int_equal(fake_calls(OS_FAULT), 2);
	assert_states(heap, 0, 0, 0, 3, 0);
}

static void
faults_that_fail(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[6];

	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i += 2)
		quarantine(heap, chunks[i]);

	/* The second of three runs fails; those after it wait as well. */
	fake_fail_from(OS_FAULT, 2, ENOMEM);
	ga_heap_flush_faults(heap);
	assert_states(heap, 3, 0, 2, 1, 0);
	assert_heap(heap);
	assert_access(heap);
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_FAULT_FAILED);
	assert_int_equal(heap->events[0].error, ENOMEM);

	/* It is told once. */
	ga_heap_flush_faults(heap);
	assert_int_equal(heap->num_events, 1);

	fake_fail_never();
	ga_heap_flush_faults(heap);
	assert_states(heap, 3, 0, 0, 3, 0);

	/* And again after it went well in between. */
	quarantine(heap, chunks[1]);
	fake_fail(OS_FAULT, 1, EAGAIN);
	ga_heap_flush_faults(heap);
	assert_int_equal(heap->num_events, 2);
	assert_int_equal(heap->events[1].error, EAGAIN);
}

/* What cannot be set to fault can be freed by a sweep. */
static void
a_sweep_frees_the_fault_list(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_written(heap, 16);
	ga_sweep_result result;

	quarantine(heap, chunk);
	fake_fail_from(OS_FAULT, 1, ENOMEM);
	result = sweep_nothing(heap);
	assert_int_equal(result.chunks_freed, 1);
	assert_int_equal(result.bytes_freed, chunk->size);
	assert_int_equal(chunk->state, GA_READY);
	assert_int_equal(chunk->accessible, chunk->size);
	assert_int_equal(heap->fault_bytes, 0);
}

static void
isolation_stops_at_the_mapping_limit(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[16];
	ga_sweep_result result;

	heap->config.max_mappings = 6;
	take_row(heap, 16, chunks, lengthof(chunks));
	assert_int_equal(heap->mappings, 2);
	for (size_t i = 1; i < lengthof(chunks); i += 2)
		quarantine(heap, chunks[i]);
	ga_heap_flush_faults(heap);
	assert_int_equal(heap->mappings, 6);
	assert_states(heap, 8, 0, 6, 2, 0);
	assert_heap(heap);
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_MAPPING_LIMIT);
	assert_int_equal(heap->events[0].size, 6);

	/* Told once, and nothing more is isolated. */
	for (int i = 0; i < 3; i++)
		ga_heap_flush_faults(heap);
	assert_int_equal(heap->num_events, 1);
	assert_states(heap, 8, 0, 6, 2, 0);

	/* The sweep frees chunks of both kinds. */
	result = sweep_nothing(heap);
	assert_int_equal(result.chunks_freed, 8);
	assert_states(heap, 8, 0, 0, 0, 8);
	assert_int_equal(heap->fault_bytes, 0);

	/* When mappings are fewer again, isolation goes on, and can stop again. */
	for (size_t i = 0; i < 8; i++)
		assert_non_null(take_written(heap, 16));
	assert_int_equal(heap->mappings, 2);
	for (size_t i = 1; i < lengthof(chunks); i += 2)
		quarantine(heap, chunks[i]);
	ga_heap_flush_faults(heap);
	assert_states(heap, 8, 0, 6, 2, 0);
	assert_int_equal(heap->num_events, 2);
}

/*
 * Physical memory
 */

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
	assert_int_equal(fake_calls(OS_UNUSE), 0);

	/* Above the budget; down to an eighth below it. */
	make_ready(heap, chunks[16]);
	assert_int_equal(heap->retained, MB - MB / 8);
	assert_int_equal(heap->released, 3 * 64 * KB);
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
	assert_int_equal(fake_calls(OS_UNUSE), 0);

	/* Pages that are touched for the first time take the place of others, in steps. */
	take_written(heap, 20);
	assert_int_equal(heap->retained, 7 * MB);
	assert_int_equal(heap->touched, before);
	for (int i = 1; i <= 4; i++)
	{
		take_written(heap, 16);
		assert_int_equal(heap->retained, 7 * MB - (i < 4 ? 0 : 256 * KB));
	}
	assert_int_equal(heap->touched, before);
	assert_int_equal(fake_calls(OS_UNUSE), 2);
	assert_int_equal(pages_of(heap, chunk), 7 * MB - 256 * KB);
	assert_heap(heap);

	/* What is within the budget stays. */
	take_written(heap, 24);
	assert_int_equal(heap->retained, MB);
	assert_heap(heap);
	ga_heap_keep_excess(heap, false);
	assert_int_equal(heap->retained, MB);
}

static void
excess_is_given_back_at_the_end(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[2];

	heap->config.retain = MB;
	take_row(heap, 22, chunks, lengthof(chunks));
	ga_heap_keep_excess(heap, true);
	make_ready(heap, chunks[0]);
	quarantine_now(heap, chunks[1]);
	assert_int_equal(heap->retained, 8 * MB);
	sweep_nothing(heap);
	assert_int_equal(heap->retained, 8 * MB);
	ga_heap_keep_excess(heap, false);
	assert_true(heap->retained <= MB);
	assert_heap(heap);
	make_ready(heap, take_written(heap, 21));
	assert_true(heap->retained <= MB);
}

static void
quarantined_pages_count_for_the_budget(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[32];

	heap->config.retain = MB;
	take_row(heap, 16, chunks, lengthof(chunks));
	for (size_t i = 0; i < lengthof(chunks); i++)
		quarantine(heap, chunks[i]);
	assert_int_equal(heap->retained, 2 * MB);
	ga_heap_flush_faults(heap);
	assert_int_equal(heap->retained, MB - MB / 8);
	assert_int_equal(heap->released, 2 * MB - heap->retained);

	/* One call for the run, in order of address. */
	assert_int_equal(fake_calls(OS_UNUSE), 1);
	assert_int_equal(pages_of(heap, chunks[0]), 0);
	assert_int_equal(pages_of(heap, chunks[31]), 64 * KB);
	assert_heap(heap);
}

static void
release_leaves_nothing(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[8];

	take_row(heap, 16, chunks, lengthof(chunks));
	make_ready(heap, chunks[0]);
	quarantine_now(heap, chunks[2]);
	quarantine_now(heap, chunks[3]);
	quarantine(heap, chunks[5]);
	assert_int_equal(ga_heap_release(heap), 4 * 64 * KB);
	assert_int_equal(heap->retained, 0);
	assert_int_equal(heap->released, 4 * 64 * KB);
	assert_true(ga_list_empty(&heap->retained_lru));
	for (size_t i = 0; i < lengthof(chunks); i++)
		assert_int_equal(pages_of(heap, chunks[i]),
						 ga_state_is_idle(chunks[i]->state) ? 0 : 64 * KB);
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
	assert_int_equal(heap->mapped, 6 * 64 * KB);
	assert_int_equal(ga_heap_release(heap), 4 * 64 * KB);
	assert_int_equal(heap->mapped, 2 * 64 * KB);
	for (size_t i = 0; i < lengthof(chunks); i++)
		assert_int_equal(read_faults((void *) chunks[i]->base), i >= 1 && i <= 4);
	assert_heap(heap);
	for (size_t i = 0; i < 4; i++)
		assert_non_null(take_written(heap, 16));
	assert_int_equal(heap->mapped, 6 * 64 * KB);
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
	assert_int_equal(fake_calls(OS_UNUSE), 1);
	assert_int_equal(fake_calls(OS_FAULT), 1);
	assert_int_equal(heap->mapped, 0);
}

/* Where it is refused, or would make too many mappings, access stays. */
static void
closing_that_is_refused(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[3];

	for (int limited = 0; limited < 2; limited++)
	{
		take_row(heap, 16, chunks, lengthof(chunks));
		make_ready(heap, chunks[1]);
		if (limited)
			heap->config.max_mappings = 2;
		else
			fake_fail(OS_FAULT, 1, ENOMEM);
		assert_int_equal(ga_heap_release(heap), 64 * KB);
		assert_int_equal(chunks[1]->accessible, 64 * KB);
		assert_int_equal(chunks[1]->touched, 0);
		assert_heap(heap);
		assert_access(heap);
		assert_ptr_equal(take_written(heap, 16), chunks[1]);
	}
}

static void
release_that_fails(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[3];

	take_row(heap, 16, chunks, lengthof(chunks));
	make_ready(heap, chunks[0]);
	make_ready(heap, chunks[2]);
	fake_fail_from(OS_UNUSE, 2, EINVAL);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_life_of_a_chunk),
		TEST(neighbours_are_set_to_fault_by_one_call),
		TEST(gaps_cost_a_call_each),
		TEST(many_bytes_are_a_batch_too),
		TEST(a_run_ends_with_a_span),
		TEST(faults_that_fail),
		TEST(a_sweep_frees_the_fault_list),
		TEST(isolation_stops_at_the_mapping_limit),
		TEST(pages_longest_unused_are_released_first),
		TEST(only_the_end_of_a_large_chunk_is_released),
		TEST(excess_is_kept_for_a_while),
		TEST(excess_is_given_back_at_the_end),
		TEST(quarantined_pages_count_for_the_budget),
		TEST(release_leaves_nothing),
		TEST(released_chunks_are_closed),
		TEST(closing_is_one_call_for_a_run),
		TEST(closing_that_is_refused),
		TEST(release_that_fails),
	};

	return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
