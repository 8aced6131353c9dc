/*-------------------------------------------------------------------------
 *
 * test_slot.c
 *	  Slots and frames: how memory of quarantined arenas is spent.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/* System calls that change what is mapped, but for metadata and new address space. */
static uint64_t
changes(void)
{
	return fake_calls(OS_USE) + fake_calls(OS_UNUSE) + fake_calls(OS_DROP) + fake_calls(OS_MOVE);
}

static ga_chunk *
cut_written(ga_heap *heap, int order)
{
	ga_chunk *chunk = take_quarantined(heap, order);

	write_chunk(heap, chunk);
	return chunk;
}

/* Take and give up chunks of 64 kB until another nursery is begun; returns their number. */
static int
use_up_nursery(ga_heap *heap)
{
	const ga_slot *nursery = heap->nursery;
	int count = 0;

	do
	{
		quarantine(heap, cut_written(heap, 16));
		count++;
	} while (heap->nursery == nursery);
	return count - 1;
}

static void
chunks_are_cut_in_order_of_address(void **state)
{
	ga_heap *heap = *state;
	uintptr_t at = 0;

	for (int i = 0; i < 30; i++)
	{
		ga_chunk *chunk = cut_written(heap, heap->min_order + i % 3);

		assert_true(at == 0 || chunk->base == at);
		assert_ptr_equal(chunk->slot, heap->nursery);
		at = chunk->base + chunk->size;
		assert_heap(heap);
	}
}

/* The pages go on to the next slot, and nothing is left where they were. */
static void
a_used_up_nursery_moves(void **state)
{
	ga_heap *heap = *state;
	uintptr_t first;
	uint64_t moves;
	uint64_t before;

	quarantine(heap, cut_written(heap, 16));
	first = heap->nursery->base;
	assert_int_equal(state_at(heap, first), GA_FAULT);
	assert_false(read_faults((void *) first));
	assert_int_equal(use_up_nursery(heap), 15);
	assert_int_equal(state_at(heap, first), GA_QUARANTINED);
	assert_true(read_faults((void *) first));
	assert_true(write_faults((void *) (first + GA_SLOT_SIZE - 1)));
	assert_int_equal(heap->counters.move_calls, 1);

	/* From now on there is one call for each of them, and memory does not grow. */
	for (int i = 0; i < 3; i++)
		(void) use_up_nursery(heap);
	before = changes();
	moves = fake_calls(OS_MOVE);
	for (int i = 0; i < 20; i++)
		assert_int_equal(use_up_nursery(heap), 15);
	assert_int_equal(fake_calls(OS_MOVE) - moves, 20);
	assert_int_equal(changes() - before, 20);
	assert_in_range(heap->touched, GA_NURSERY_SIZE, 2 * GA_NURSERY_SIZE);
	assert_int_equal(heap->retained + GA_NURSERY_SIZE, heap->touched);
	assert_int_equal(heap->fresh_quarantine, 24 * GA_SLOT_SIZE);
}

/* No address is used twice between two sweeps, and the metadata stays flat. */
static void
a_day_of_addresses(void **state)
{
	ga_config usual = usual_config();
	ga_heap *heap = new_heap(&usual);
	const size_t budget = 4096 * MB;
	size_t metadata = 0;
	static uint32_t window_of[10000]; /* in which a slot was last used */
	uintptr_t last_slot = 0;
	uint32_t window = 1;
	uint64_t sweeps = 0;
	size_t reserved = 0;

	memset(window_of, 0, sizeof(window_of));
	fake_pretend();
	ga_heap_configure(heap, &(ga_config){.quarantine = GA_QUARANTINE_ON,
										 .sample_rate = 1.0,
										 .chunk_size = 64 * KB,
										 .retain = 16 * MB,
										 .sweep_min = budget,
										 .max_mappings = 1000,
										 .history = 1000});

	/* 20 billion bytes a minute for an hour, each slot being two chunks here. */
	for (size_t spent = 0; spent < 60 * 20000000000 / (SANITIZED ? 16 : 1); spent += GA_SLOT_SIZE)
	{
		for (int i = 0; i < 2; i++)
		{
			ga_chunk *chunk = take_quarantined(heap, GA_SLOT_ORDER - 2);

			assert_non_null(chunk);
			if (chunk->slot->base != last_slot)
			{
				size_t number;

				last_slot = chunk->slot->base;
				number = (last_slot - heap->segments->base) >> GA_SLOT_SHIFT;
				assert_true(number < lengthof(window_of));
				assert_true(window_of[number] < window);
				window_of[number] = window;
			}
			ga_chunk_touch(heap, chunk, heap->os->page_size);
			quarantine(heap, chunk);
		}
		if (!ga_sweep_due(heap))
			continue;

		/* The clock goes on as it would. */
		fake_set_clock(1 + (int64_t) (spent / (20000000000 / 60) * 1000000));
		(void) sweep_nothing(heap);
		window++;
		if (++sweeps == 4)
		{
			metadata = heap->metadata.mapped;
			reserved = heap->reserved;
		}
	}
	assert_true(sweeps > 10);
	assert_int_equal(heap->metadata.mapped, metadata);
	assert_int_equal(heap->reserved, reserved);
	assert_true(metadata < MB);
	assert_true(heap->touched < GA_COOLING_BYTES + MB);
	assert_heap(heap);
	delete_heap(heap);
	(void) state;
}

/* In a sample of the arenas, fewer frames wait; and what segments needed goes back. */
static void
frames_of_a_sample_are_used_again_soon(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	ga_config config = heap->config;
	uint64_t calls;

	config.sample_rate = 0.002;
	ga_heap_configure(heap, &config);
	for (int i = 0; i < 2 * GA_COOLING_FRAMES; i++)
	{
		ga_arena_init_sampled(&arena, heap, 0, 0, NULL, 0);
		memset(alloc(&arena, 100), 1, 100);
		ga_arena_destroy(&arena);
	}
	assert_int_equal(heap->cooling.count, GA_COOLING_SAMPLE);
	assert_true(heap->touched <= (GA_COOLING_SAMPLE + 2) * 8 * KB);

	calls = fake_calls(OS_UNUSE);
	(void) ga_heap_release(heap);
	assert_in_range(fake_calls(OS_UNUSE) - calls, 1, 2 * GA_COOLING_FRAMES / 32 + 1);
	assert_non_null(heap->granules.free);
	assert_ptr_equal(heap->granules.trimmed, heap->granules.free);
	assert_heap(heap);
}

/* An arena with slots of its own gives them up by one call, and touches no page anew. */
static void
strict_arenas_cost_one_call(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uint64_t before;
	uint64_t reserves;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	/* The frames that moved last rest for a while. */
	for (int i = 0; i < 2 * GA_COOLING_FRAMES; i++)
	{
		memset(alloc(&arena, 100), 1, 100);
		(void) alloc(&arena, 8000);
		(void) alloc(&arena, 8000);
		ga_arena_reset(&arena);
	}
	before = changes();
	reserves = fake_calls(OS_RESERVE);
	for (int i = 0; i < 100; i++)
	{
		char *object = alloc(&arena, 100);

		memset(object, 1, 100);
		(void) alloc(&arena, 8000);
		(void) alloc(&arena, 8000);
		ga_arena_reset(&arena);
		assert_true(i % 20 != 0 || read_faults(object));

		/* Without memory to give up there is nothing to do. */
		ga_arena_reset(&arena);
	}
	assert_int_equal(changes() - before, 100);
	assert_true(fake_calls(OS_RESERVE) - reserves <= 4);
	assert_true(heap->touched <= GA_COOLING_BYTES + 48 * KB);
	ga_arena_destroy(&arena);
}

/*
 * What is dead in a slot where something lives on is bounded, however many there
 * are.
 */
static void
survivors_keep_little_more_than_themselves(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *live[1000];
	const size_t slots = SANITIZED ? 200 : lengthof(live);

	for (size_t i = 0; i < slots; i++)
	{
		live[i] = cut_written(heap, heap->min_order);
		while (heap->nursery == live[i]->slot)
			quarantine(heap, cut_written(heap, 17));
	}
	assert_heap(heap);
	assert_true(heap->waste <= GA_WASTE_MAX);
	assert_in_range(heap->touched, slots * live[0]->size,
					slots * live[0]->size + GA_WASTE_MAX + 4 * GA_NURSERY_SIZE);
	assert_true(ga_heap_mappings(heap) < 16 * slots);
	assert_true(read_faults((void *) (live[0]->base + live[0]->size)));
	for (size_t i = 0; i < slots; i++)
		assert_int_equal(peek_word((void *) live[i]->base), UINT64_MAX);

	/* When the last one goes, the slots are spent. */
	for (size_t i = 0; i < slots; i++)
		quarantine(heap, live[i]);
	ga_heap_flush_faults(heap);
	assert_int_equal(heap->slots, 0);
	assert_int_equal(heap->closed, 0);
	assert_true(heap->touched <= 2 * GA_NURSERY_SIZE);
	assert_int_equal(sweep_nothing(heap).chunks_pinned, 0);
}

/* What little is dead there faults, too, but not at once: most often the rest dies soon. */
static void
survivors_keep_nothing_for_long(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *live = cut_written(heap, heap->min_order);
	ga_chunk *dead = cut_written(heap, heap->min_order);
	uintptr_t at = dead->base;
	uint64_t before;

	quarantine(heap, dead);
	(void) use_up_nursery(heap);
	before = fake_calls(OS_DROP) + fake_calls(OS_UNUSE);
	for (int i = 1; i < GA_WASTE_AGE; i++)
	{
		assert_int_equal(peek_word((void *) at), UINT64_MAX);
		(void) use_up_nursery(heap);
	}
	assert_int_equal(fake_calls(OS_DROP) + fake_calls(OS_UNUSE), before);
	(void) use_up_nursery(heap);
	assert_true(read_faults((void *) at));
	assert_int_equal(heap->waste, 0);
	assert_int_equal(peek_word((void *) live->base), UINT64_MAX);

	/* That was one call. */
	for (int i = 0; i < 2 * GA_WASTE_AGE; i++)
		(void) use_up_nursery(heap);
	assert_int_equal(fake_calls(OS_DROP) + fake_calls(OS_UNUSE), before + 1);
	quarantine(heap, live);
	assert_int_equal(state_at(heap, at), GA_QUARANTINED);
}

/* Where too many mappings would come of it, pages are given back all the same. */
static void
isolation_stops_at_the_mapping_limit(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[12];

	heap->config.max_mappings = 7;
	for (size_t i = 0; i < lengthof(chunks); i++)
		chunks[i] = cut_written(heap, 16);
	for (size_t i = 1; i < lengthof(chunks); i += 2)
		quarantine(heap, chunks[i]);
	ga_heap_flush_faults(heap);
	assert_int_equal(ga_heap_mappings(heap), 7);
	assert_int_equal(heap->touched, 6 * 64 * KB);
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_MAPPING_LIMIT);
	assert_heap(heap);
	assert_access(heap);
	assert_true(read_faults((void *) chunks[1]->base));
	assert_int_equal(peek_word((void *) chunks[9]->base), 0);

	/* Strict arenas share a slot then. */
	for (int i = 0; i < 2; i++)
	{
		static ga_arena arenas[2];

		begin(&arenas[i], heap, GA_QUARANTINE_STRICT);
		(void) alloc(&arenas[i], 100);
		assert_null(arenas[i].slot);
		if (i == 1)
		{
			assert_ptr_equal(arenas[0].active->slot, arenas[1].active->slot);
			ga_arena_destroy(&arenas[0]);
			ga_arena_destroy(&arenas[1]);
		}
	}

	/* And so do their large objects. */
	{
		static ga_arena arena;
		void *objects[2];

		begin(&arena, heap, GA_QUARANTINE_STRICT);
		for (size_t i = 0; i < lengthof(objects); i++)
			objects[i] = alloc(&arena, 64 * KB);
		assert_ptr_equal(ga_heap_lookup(heap, (uintptr_t) objects[0])->slot,
						 ga_heap_lookup(heap, (uintptr_t) objects[1])->slot);
		assert_heap(heap);
		ga_arena_destroy(&arena);
	}

	/* When there are fewer again, isolation goes on. */
	for (size_t i = 0; i < lengthof(chunks); i += 2)
		quarantine(heap, chunks[i]);
	ga_heap_flush_faults(heap);
	assert_true(ga_heap_may_isolate(heap));
}

/*
 * Where the system does not move pages, slots fault all the same; that is told
 * once.
 */
static void
slots_that_cannot_be_moved_are_left(void **state)
{
	ga_heap *heap = *state;
	static const int errors[] = {EFAULT, ENOMEM, EPERM, ENOSYS};

	for (size_t i = 0; i < lengthof(errors); i++)
	{
		bool for_good = errors[i] == EPERM || errors[i] == ENOSYS;
		size_t touched = heap->touched;
		uint64_t moves = fake_calls(OS_MOVE);
		uintptr_t slot;

		fake_fail_from(OS_MOVE, 1, errors[i]);
		heap->num_events = 0;
		for (int time = 0; time < 3; time++)
		{
			slot = victim(heap);
			assert_true(read_faults((void *) slot));
			assert_heap(heap);
			assert_access(heap);
		}
		assert_true(heap->touched <= touched);
		assert_int_equal(fake_calls(OS_MOVE) - moves, for_good ? 1 : 3);
		assert_int_equal(heap->moves_refused, for_good);
		assert_int_equal(heap->num_events, for_good);
		assert_true(!for_good || heap->events[0].kind == GA_EVENT_MOVE_FAILED);
		assert_true(!for_good || heap->events[0].error == errors[i]);
		fake_fail_never();
		heap->moves_refused = heap->move_failure_told = false;
		if (i == 1)
			fake_lose_targets();
	}

	/* Targets that were lost on the way are reserved again. */
	sweep_nothing(heap);
	while (heap->swept_slots > 0)
		assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
}

/* A slot that can neither be moved nor left is tried again later. */
static void
slots_that_cannot_fault(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = cut_written(heap, GA_SLOT_ORDER);
	uintptr_t base = chunk->base;

	fake_fail_from(OS_MOVE, 1, ENOMEM);
	fake_fail_from(OS_LEAVE, 1, ENOMEM);
	quarantine(heap, chunk);
	assert_int_equal(state_at(heap, base), GA_FAULT);
	assert_false(read_faults((void *) base));
	assert_int_equal(heap->num_events, 1);
	assert_int_equal(heap->events[0].kind, GA_EVENT_FAULT_FAILED);
	assert_int_equal(heap->events[0].error, ENOMEM);
	assert_heap(heap);

	/* Told once. */
	ga_heap_flush_faults(heap);
	assert_int_equal(heap->num_events, 1);
	fake_fail_never();
	ga_heap_flush_faults(heap);
	assert_int_equal(state_at(heap, base), GA_QUARANTINED);
	assert_true(read_faults((void *) base));
	assert_true(ga_list_empty(&heap->stuck));
}

/* It is tried again when another slot is given up, and the system does what is asked. */
static void
slots_that_are_stuck_go_with_the_next(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *first = cut_written(heap, GA_SLOT_ORDER);
	ga_chunk *second = cut_written(heap, GA_SLOT_ORDER);
	uintptr_t bases[2] = {first->base, second->base};

	fake_fail_from(OS_MOVE, 1, ENOMEM);
	fake_fail_from(OS_LEAVE, 1, ENOMEM);
	quarantine(heap, first);
	assert_false(read_faults((void *) bases[0]));
	fake_fail_never();
	quarantine(heap, second);
	for (int i = 0; i < 2; i++)
		assert_true(read_faults((void *) bases[i]));
	assert_true(ga_list_empty(&heap->stuck));
	assert_heap(heap);
}

/* Frames that wait to be used again are mappings, of which there are only so many. */
static void
frames_that_wait_count_as_mappings(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[100];
	size_t limit;

	for (size_t i = 0; i < lengthof(chunks); i++)
		chunks[i] = cut_written(heap, GA_SLOT_ORDER);
	limit = ga_heap_mappings(heap) / 2;
	heap->config.max_mappings = limit;
	for (size_t i = 0; i < lengthof(chunks); i++)
		quarantine(heap, chunks[i]);
	assert_true(ga_heap_mappings(heap) <= limit);
	assert_true(heap->cooling.count + heap->ready[GA_SLOT_ORDER].count > lengthof(chunks) / 4);
	assert_heap(heap);
}

/* Pointers in it count, whether the slot was only spent or is known to be taken. */
static void
what_somebody_else_has_in_a_slot_is_a_root(void **state)
{
	ga_heap *heap = *state;
	uintptr_t taken = victim(heap);
	uintptr_t pinned = victim(heap);
	size_t page = ga_os_default()->page_size;
	uintptr_t *others = ga_os_default()->reserve((void *) taken, page);

	assert_ptr_equal(others, taken);
	assert_int_equal(ga_os_default()->use(others, page), 0);
	GA_MAKE_UNDEFINED(others, page);
	for (int times = 0; times < 2; times++)
	{
		ga_sweep_result result;

		others[0] = pinned;
		result = sweep_range(heap, others, page, false);
		assert_int_equal(result.chunks_pinned, 1);
		assert_int_equal(state_at(heap, pinned), GA_QUARANTINED);

		/* Let the heap find out whose it is. */
		while (times == 0 && heap->swept_slots > 0)
			assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
	}
	assert_int_equal(ga_os_default()->free(others, page), 0);
}

/* Nobody else's mapping is taken for a slot that is free again. */
static void
slots_that_somebody_else_took(void **state)
{
	ga_heap *heap = *state;
	uintptr_t slots[3];
	void *others;

	for (int i = 0; i < 3; i++)
		slots[i] = victim(heap);
	others = ga_os_default()->reserve((void *) slots[1], 4096);
	assert_ptr_equal(others, slots[1]);
	sweep_nothing(heap);
	while (heap->swept_slots > 0)
	{
		ga_chunk *chunk = take_chunk(heap, GA_SLOT_ORDER);

		assert_non_null(chunk);
		assert_false(slots[1] - chunk->base < chunk->size);
		assert_heap(heap);
	}
	assert_null(ga_heap_lookup(heap, slots[1]));
	assert_int_equal(ga_os_default()->free(others, 4096), 0);
}

/* The system may give us what is ours: where all slots of a segment are spent there is a hole. */
static void
holes_are_not_taken_for_new_segments(void **state)
{
	ga_heap *heap = *state;
	uintptr_t base;
	uint64_t segments = 0;

	(void) victim(heap);
	base = heap->segments->base;
	for (int i = 0; i < 3 * GA_SLOTS; i++)
		(void) victim(heap);
	assert_int_equal(heap->segments->spent, UINT32_MAX);
	for (int i = 0; i < 3; i++)
	{
		heap->hint = base;
		assert_non_null(take_chunk(heap, GA_MAX_ORDER));
		heap->hint = base;
		assert_non_null(take_span(heap, 2 * GA_SEGMENT_SIZE));
		assert_heap(heap);
	}
	assert_int_equal(ga_segment_of(heap, base)->spent, UINT32_MAX);
	assert_true(read_faults((void *) base));
	for (const ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
		segments++;
	assert_int_equal(heap->reserved, segments * GA_SEGMENT_SIZE);
}

/* As long as the system refuses them, slots that are free stay so. */
static void
slots_that_cannot_be_reserved_again(void **state)
{
	ga_heap *heap = *state;
	size_t swept;

	for (int i = 0; i < 40; i++)
		(void) victim(heap);
	swept = sweep_nothing(heap).chunks_freed;
	assert_int_equal(swept, 40);
	assert_non_null(take_chunk(heap, GA_MAX_ORDER - 1));
	while (heap->swept_slots == 40)
		assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
	fake_fail_from(OS_RESERVE, 1, ENOMEM);
	while (take_chunk(heap, GA_SLOT_ORDER) != NULL)
		assert_heap(heap);
	swept = heap->swept_slots;
	assert_heap(heap);
	fake_fail_never();
	while (heap->swept_slots > 0)
		assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
	assert_true(swept <= 40);
}

/* Where address space is used up, one slot is better than none. */
static void
little_address_space_for_what_was_swept(void **state)
{
	ga_heap *heap = *state;

	for (int i = 0; i < 40; i++)
		(void) victim(heap);
	while (heap->fresh[GA_SLOT_ORDER].count + heap->ready[GA_SLOT_ORDER].count > 0)
		assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
	sweep_nothing(heap);
	fake_cap_reserved(fake_reserved());
	while (take_chunk(heap, GA_SLOT_ORDER) != NULL)
		assert_heap(heap);
	assert_int_equal(heap->swept_slots, 40);
	for (int i = 0; i < 3; i++)
	{
		fake_cap_reserved(fake_reserved() + GA_SLOT_SIZE);
		assert_non_null(take_chunk(heap, GA_SLOT_ORDER));
		assert_null(take_chunk(heap, GA_SLOT_ORDER));
		assert_heap(heap);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(chunks_are_cut_in_order_of_address),
		TEST(a_used_up_nursery_moves),
		cmocka_unit_test(a_day_of_addresses),
		TEST(strict_arenas_cost_one_call),
		TEST(frames_of_a_sample_are_used_again_soon),
		TEST(survivors_keep_little_more_than_themselves),
		TEST(survivors_keep_nothing_for_long),
		TEST(isolation_stops_at_the_mapping_limit),
		TEST(slots_that_cannot_be_moved_are_left),
		TEST(slots_that_cannot_fault),
		TEST(slots_that_are_stuck_go_with_the_next),
		TEST(frames_that_wait_count_as_mappings),
		TEST(what_somebody_else_has_in_a_slot_is_a_root),
		TEST(slots_that_somebody_else_took),
		TEST(holes_are_not_taken_for_new_segments),
		TEST(slots_that_cannot_be_reserved_again),
		TEST(little_address_space_for_what_was_swept),
	};

	return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
