/*-------------------------------------------------------------------------
 *
 * test_heap.c
 *	  Settings of a heap, the draw of modes, events and counters.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static int
teardown(void **state)
{
	delete_heap(*state);
	return 0;
}

/*
 * share_quarantined
 *		How many of 10,000 arenas are drawn to be quarantined.
 */
static int
share_quarantined(ga_heap *heap, double rate)
{
	ga_config config = heap->config;
	int count = 0;

	config.sample_rate = rate;
	ga_heap_configure(heap, &config);
	for (int i = 0; i < 10000; i++)
	{
		ga_quarantine mode = ga_heap_draw_mode(heap);

		/* Those in a sample are strict. */
		assert_true(mode == GA_QUARANTINE_OFF ||
					mode == (rate < 1.0 ? GA_QUARANTINE_STRICT : config.quarantine));
		count += mode != GA_QUARANTINE_OFF;
	}
	return count;
}

/*
 * Pages count once they are written, and no longer when they are released.
 */
static void
resident_pages_are_counted(void **state)
{
	ga_heap *heap = *state;
	ga_arena arena;
	char *object;
	size_t before;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	object = ga_arena_alloc(&arena, 40 * MB);
	assert_non_null(object);
	before = ga_heap_resident(heap);
	assert_in_range(before, 1, heap->metadata.mapped + 64 * KB);
	memset(object, 1, 10 * MB);
	assert_in_range(ga_heap_resident(heap) - before, 10 * MB - 64 * KB, 10 * MB);
	memset(object, 1, 40 * MB);
	assert_in_range(ga_heap_resident(heap) - before, 40 * MB - 64 * KB, 40 * MB);
	assert_in_range(ga_heap_held(heap) - ga_heap_resident(heap), 0, heap->metadata.mapped);
	ga_arena_reset(&arena);
	(void) ga_heap_release(heap);
	assert_in_range(ga_heap_resident(heap), 1, before);
	ga_arena_destroy(&arena);
	assert_heap(heap);
}

static void
the_sample_rate_is_a_share(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		heap->config.quarantine = (ga_quarantine) mode;
		assert_int_equal(share_quarantined(heap, 0.0), 0);
		assert_in_range(share_quarantined(heap, 0.5), 4750, 5250);
		assert_int_equal(share_quarantined(heap, 1.0), 10000);
	}
	heap->config.quarantine = GA_QUARANTINE_OFF;
	assert_int_equal(share_quarantined(heap, 1.0), 0);
}

static void
settings_are_taken_over(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();

	for (int order = 16; order <= GA_MAX_ORDER; order++)
	{
		config.chunk_size = (size_t) 1 << order;
		ga_heap_configure(heap, &config);
		assert_int_equal(heap->max_order, order);
		assert_int_equal(heap->large_threshold, config.chunk_size / 4);
	}
}

static void
sweep_settings_take_effect_at_once(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();

	assert_int_equal(heap->next_sweep, 32 * MB);
	config.sweep_percent = -1;
	ga_heap_configure(heap, &config);
	heap->fresh_quarantine = 1024 * MB;
	assert_false(ga_sweep_due(heap));

	config.sweep_percent = 100;
	config.sweep_min = 1 * MB;
	ga_heap_configure(heap, &config);
	assert_int_equal(heap->next_sweep, MB);
	assert_true(ga_sweep_due(heap));

	/* Half of what is in use. */
	heap->in_use = 200 * MB;
	config.sweep_percent = 50;
	ga_heap_configure(heap, &config);
	assert_in_range(heap->next_sweep, 99 * MB, 100 * MB);
	config.sweep_percent = 0;
	ga_heap_configure(heap, &config);
	assert_int_equal(heap->next_sweep, MB);
	heap->in_use = 0;
}

static void
never_sweeping_from_the_start(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();

	ga_heap_destroy(heap);
	config.sweep_percent = -1;
	init_heap(heap, fake_os(), &config, 1);
	heap->fresh_quarantine = 1024 * MB;
	assert_false(ga_sweep_due(heap));
}

static void
names_of_states(void **state)
{
	const char *const names[] = {
		"fresh", "active", "full", "reuse", "nursery", "fault", "quarantined", "ready",
	};

	(void) state;
	for (int i = 0; i < GA_NUM_STATES; i++)
		assert_string_equal(ga_state_name((ga_chunk_state) i), names[i]);
}

static void
events_are_limited(void **state)
{
	ga_heap *heap = *state;
	ga_event event = {.kind = GA_EVENT_WRITE_AFTER_FREE};

	for (size_t i = 0; i < GA_MAX_EVENTS + 3; i++)
	{
		event.offset = i;
		ga_heap_add_event(heap, &event);
	}
	assert_int_equal(heap->num_events, GA_MAX_EVENTS);
	assert_int_equal(heap->lost_events, 3);
	for (size_t i = 0; i < GA_MAX_EVENTS; i++)
		assert_int_equal(heap->events[i].offset, i);
}

/*
 * assert_allocated
 *		The sums are those over all classes, and what is expected.
 */
static void
assert_allocated(const ga_heap *heap, uint64_t objects, uint64_t bytes)
{
	const ga_counters *counters = &heap->counters;
	uint64_t all_objects = counters->large_allocs;
	uint64_t all_bytes = counters->large_bytes + counters->grown_bytes;
	ga_allocated allocated;

	for (int i = 0; i < GA_NUM_CLASSES; i++)
	{
		all_objects += counters->classes[i].allocs;
		all_bytes += counters->classes[i].allocs * ga_class_size(i);
	}
	ga_counters_allocated(counters, &allocated);
	assert_int_equal(allocated.objects, all_objects);
	assert_int_equal(allocated.bytes, all_bytes);
	assert_int_equal(allocated.objects, objects);
	assert_int_equal(allocated.bytes, bytes);
}

static void
all_that_is_allocated_is_counted(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uint64_t objects = 0;
	uint64_t bytes = 0;
	void *object;

	set_chunk_size(heap, 64 * KB);
	assert_int_equal(ga_class_of(GA_SMALL_MAX), GA_SMALL_CLASSES - 1);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	assert_allocated(heap, 0, 0);

	/* Each class, new and from its free list. */
	for (size_t size = 1; size <= heap->large_threshold; size += size / 16 + 1)
	{
		object = alloc(&arena, size);
		(void) alloc(&arena, 1);
		free_object(&arena, object);
		assert_ptr_equal(alloc(&arena, size), object);
		objects += 3;
		bytes += 2 * ga_class_round(size) + 8;
	}
	assert_allocated(heap, objects, bytes);

	/* The last object grows in place. */
	object = alloc(&arena, 100);
	assert_ptr_equal(ga_arena_realloc(&arena, object, 200), object);
	assert_allocated(heap, objects += 1, bytes += ga_class_round(200));

	/* A span does, and moves; what it shrinks by does not count. */
	object = alloc(&arena, 64 * KB - GA_HEADER_SIZE);
	assert_allocated(heap, objects += 1, bytes += 64 * KB);
	object = ga_arena_realloc(&arena, object, 1000 * KB);
	assert_int_equal(bytes_of(object), 1000 * KB + 4 * KB);
	assert_allocated(heap, objects, bytes += 940 * KB);
	object = ga_arena_realloc(&arena, object, 1012 * KB - GA_HEADER_SIZE);
	assert_allocated(heap, objects, bytes += 8 * KB);
	object = ga_arena_realloc(&arena, object, 500 * KB);
	assert_allocated(heap, objects, bytes);
	ga_arena_destroy(&arena);
	assert_allocated(heap, objects, bytes);
}

static void
counters_can_be_zeroed(void **state)
{
	ga_heap *heap = *state;
	ga_arena arena;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	assert_int_equal(ga_arena_free(&arena, ga_arena_alloc(&arena, 100)), GA_FREE_OK);
	assert_non_null(ga_arena_alloc(&arena, 100 * KB));
	ga_arena_reset(&arena);
	sweep_nothing(heap);
	assert_int_equal(heap->counters.classes[ga_class_of(100)].allocs, 1);
	assert_int_equal(heap->counters.classes[ga_class_of(100)].frees, 1);
	assert_int_equal(heap->counters.large_allocs, 1);
	assert_true(heap->counters.large_bytes >= 100 * KB);
	assert_int_equal(heap->counters.resets, 1);
	assert_int_equal(heap->counters.sweeps, 1);
	assert_int_equal(heap->counters.chunks_freed, 2);

	ga_heap_reset_stats(heap);
	for (size_t i = 0; i < sizeof(heap->counters); i++)
		assert_int_equal(((char *) &heap->counters)[i], 0);
	ga_arena_destroy(&arena);
	assert_heap(heap);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(resident_pages_are_counted),
		TEST(the_sample_rate_is_a_share),
		TEST(settings_are_taken_over),
		TEST(sweep_settings_take_effect_at_once),
		TEST(never_sweeping_from_the_start),
		TEST(names_of_states),
		TEST(events_are_limited),
		TEST(all_that_is_allocated_is_counted),
		TEST(counters_can_be_zeroed),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
