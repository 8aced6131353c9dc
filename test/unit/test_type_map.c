/*-------------------------------------------------------------------------
 *
 * test_type_map.c
 *	  The type map: which words sweeps read, and where typed objects begin.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "typed_support.h"

/* Does a sweep find a pointer to what was spent if it stands at an address? */
static bool
pins(ga_heap *heap, void *address)
{
	uintptr_t lost = victim(heap);
	bool pinned;

	poke_word(address, lost + 40);
	(void) sweep_nothing(heap);
	pinned = state_at(heap, lost) == GA_QUARANTINED;
	if (pinned)
		assert_int_equal(pinned_by(heap, lost), (uintptr_t) address);
	poke_word(address, 0);
	(void) sweep_nothing(heap);
	assert_int_not_equal(state_at(heap, lost), GA_QUARANTINED);
	return pinned;
}

static void
bits_say_which_words_are_pointers(void **state)
{
	ga_heap *heap = *state;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 500; i++)
	{
		uint64_t *before = alloc(&arena, 48);
		uint64_t *node = new_node(heap);
		uint64_t *after = alloc(&arena, 48);

		assert_node_bits(heap, node);
		for (int word = 0; word < 6; word++)
			assert_true(is_read(heap, before + word) && is_read(heap, after + word));
	}
}

/*
 * Small objects of all sizes, wherever they begin in the words of the map and in their granule, and
 * with untyped ones between them.
 */
static void
bits_of_small_objects_of_all_sizes(void **state)
{
	ga_heap *heap = *state;
	uint64_t *objects[1200];
	const ga_type *types[1200];
	uint64_t seed = 7;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t words = 1 + (size_t) random_below(&seed, 17);
		uint64_t pointers = 1 + random_below(&seed, (UINT64_C(1) << words) - 1);

		if (i % 5 == 0)
			memset(alloc(&arena, 8 + i % 40), 0xff, 8);

		/* So that an allocation does not end where pages begin that are not yet charged. */
		if (i % 50 == 0)
			free_object(&arena, alloc(&arena, 7 * KB));
		types[i] = ga_type_get(heap, "small", words * 8, 8, &pointers, words);
		objects[i] = new_typed(heap, types[i], 1);
		memset(objects[i], 0xff, words * 8);
		assert_int_equal(ga_object_requested(objects[i]), words * 8);
	}
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t words = types[i]->size / 8;

		for (size_t word = 0; word < words; word++)
			assert_int_equal(is_read(heap, objects[i] + word), ga_type_is_pointer(types[i], word));
		assert_true(is_read(heap, objects[i] - 1));
		assert_true(is_read(heap, objects[i] + ga_object_size(objects[i]) / 8));
		assert_true(ga_object_find(heap, (uintptr_t) objects[i] + words * 8 - 1, &found));
		assert_int_equal(found.start, (uintptr_t) objects[i]);
		assert_int_equal(found.size, words * 8);
		assert_ptr_equal(found.type, types[i]);
	}
	assert_true(heap->type_granules.live > 10);
}

static void
bits_of_large_types_and_arrays(void **state)
{
	ga_heap *heap = *state;
	uint64_t pointers[5] = {0, UINT64_C(1) << 63, 1, 0, 1};
	const ga_type *wide = ga_type_get(heap, "wide", 2400, 8, pointers, 300);
	const ga_type *all = ga_type_get(heap, "pointer", 8, 8, (uint64_t[]){1}, 1);
	uint64_t *array;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 20; i++)
	{
		array = new_typed(heap, wide, 6);
		for (int word = 0; word < 1800; word++)
			assert_int_equal(is_read(heap, array + word), ga_type_is_pointer(wide, word % 300));
		array = new_typed(heap, node_type(heap), 33);
		for (int word = 0; word < 33 * 6; word++)
			assert_int_equal(is_read(heap, array + word), NODE_POINTERS >> word % 6 & 1);
		array = new_typed(heap, all, 100);
		for (int word = 0; word < 100; word++)
			assert_true(is_read(heap, array + word));
	}
}

/* Granules in the midst of an object that have no pointers take no room in the map. */
static void
large_objects_have_few_entries(void **state)
{
	ga_heap *heap = *state;
	uint64_t pointers[128] = {3, [100] = 1};
	const ga_type *block;
	uint64_t *blocks[6];
	ga_found found;

	set_chunk_size(heap, 8 * MB);
	block = ga_type_get(heap, "block", 64 * KB, 8, pointers, 8192);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 6; i++)
	{
		blocks[i] = new_typed(heap, block, 1);
		new_noscan(heap, 24);
	}
	assert_in_range(heap->type_granules.live, 6 * 2, 6 * 4);
	for (int i = 0; i < 6; i++)
		for (int word = 0; word < 8192; word += word == 1 || word == 6399 ? 1 : 7)
		{
			assert_int_equal(is_read(heap, blocks[i] + word), word < 2 || word == 6400);
			assert_true(ga_object_find(heap, (uintptr_t) (blocks[i] + word), &found));
			assert_int_equal(found.start, (uintptr_t) blocks[i]);
			assert_ptr_equal(found.type, block);
		}
	assert_true(pins(heap, blocks[2] + 6400));
	assert_false(pins(heap, blocks[2] + 6401));
	free_object(&arena, blocks[2]);
	for (int word = 0; word < 8192; word += 7)
		assert_true(is_read(heap, blocks[2] + word));
	blocks[2] = alloc(&arena, 64 * KB);
	assert_true(pins(heap, blocks[2] + 5000));
	fake_fail_from(OS_MAP, 1, ENOMEM);
	while (ga_arena_alloc_typed(&arena, block, 1) != NULL)
		assert_heap(heap);
	fake_fail_never();
	assert_heap(heap);
	assert_true(pins(heap, blocks[2] + 5000));
}

/* After Go's TestUserArenaClearsPointerBits: what a chunk was told is gone when it is used again. */
static void
pointer_bits_are_cleared_on_reuse(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (int ends = 0; ends < 2; ends++)
		{
			uint64_t *objects[100];

			begin(&arena, heap, (ga_quarantine) mode);
			for (int i = 0; i < 100; i++)
				new_noscan(heap, 100);
			for (int i = 0; i < 100; i++)
				new_node(heap);
			if (ends)
			{
				ga_arena_destroy(&arena);
				begin(&arena, heap, GA_QUARANTINE_OFF);
			}
			else
				ga_arena_reset(&arena);
			assert_heap(heap);
			assert_int_equal(arena.typed_chunks, 0);
			assert_int_equal(heap->type_granules.live, 0);
			for (int i = 0; i < 100; i++)
			{
				objects[i] = alloc(&arena, 48);
				for (int word = 0; word < 6; word++)
					assert_true(is_read(heap, objects[i] + word));
			}
			ga_arena_destroy(&arena);
			arena.heap = NULL;
		}
}

static void
a_free_clears_pointer_bits(void **state)
{
	ga_heap *heap = *state;
	uint64_t *nodes[300];

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		begin(&arena, heap, (ga_quarantine) mode);
		for (int i = 0; i < 300; i++)
			nodes[i] = new_node(heap);
		for (int i = 0; i < 300; i += 2)
		{
			free_object(&arena, nodes[i]);
			assert_heap(heap);
			for (int word = 0; word < 6; word++)
				assert_true(is_read(heap, nodes[i] + word));
		}
		for (int i = 0; i < 300; i += 3)
		{
			uint64_t *object = alloc(&arena, 48);

			for (int word = 0; word < 6; word++)
				assert_true(is_read(heap, object + word));
			assert_node_bits(heap, new_node(heap));
		}
		for (int i = 1; i < 300; i += 2)
			assert_node_bits(heap, nodes[i]);
		ga_arena_destroy(&arena);
		arena.heap = NULL;
	}
}

static void
a_change_of_size_forgets_the_type(void **state)
{
	ga_heap *heap = *state;
	uint64_t *node;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);

	/* Also where it keeps its place. */
	node = new_node(heap);
	assert_ptr_equal(ga_arena_realloc(&arena, node, 47), node);
	assert_heap(heap);
	for (int word = 0; word < 6; word++)
		assert_true(is_read(heap, node + word));
	assert_true(ga_object_find(heap, (uintptr_t) node, &found));
	assert_null(found.type);

	node = new_node(heap);
	new_node(heap);
	node = ga_arena_realloc(&arena, node, 4000);
	assert_heap(heap);
	for (int word = 0; word < 500; word++)
		assert_true(is_read(heap, node + word));
	assert_true(ga_object_find(heap, (uintptr_t) node, &found));
	assert_null(found.type);
}

static void
only_pointer_words_pin(void **state)
{
	ga_heap *heap = *state;
	uint64_t *node;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	begin(&other, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 400; i++)
		node = new_node(heap);
	for (int word = 0; word < 6; word++)
		assert_int_equal(pins(heap, node + word), NODE_POINTERS >> word & 1);
	node = alloc(&arena, 48);
	for (int word = 0; word < 6; word++)
		assert_true(pins(heap, node + word));
	ga_arena_destroy(&other);
}

static void
what_looks_like_a_pointer_without_pointers_pins_nothing(void **state)
{
	ga_heap *heap = *state;
	char *noscan;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_node(heap);
	noscan = new_noscan(heap, 1000);
	assert_false(pins(heap, noscan + 80));
	assert_false(pins(heap, new_noscan(heap, 16)));
	noscan = new_noscan(heap, 300 * KB);
	assert_true(chunk_at(heap, noscan)->large);
	assert_false(pins(heap, noscan + 80 * KB));
}

static void
only_pointer_words_of_large_arrays_pin(void **state)
{
	ga_heap *heap = *state;
	uint64_t pointers[2] = {0, UINT64_C(1) << 20};
	const ga_type *wide = ga_type_get(heap, "wide", 808, 8, pointers, 101);
	uint64_t *array;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	array = new_typed(heap, wide, 500);
	assert_true(chunk_at(heap, array)->large);
	for (int i = 0; i < 500; i += 83)
	{
		assert_true(pins(heap, array + i * 101 + 84));
		assert_false(pins(heap, array + i * 101 + 83));
		assert_false(pins(heap, array + i * 101 + 85));
	}
	assert_false(pins(heap, array));
	array = ga_arena_realloc(&arena, array, 404008);
	assert_true(pins(heap, array));
}

static void
sweeps_read_a_fraction_of_typed_memory(void **state)
{
	ga_heap *heap = *state;
	const ga_type *leaf = ga_type_get(heap, "leaf", 1000, 8, (uint64_t[]){3}, 2);
	size_t before;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	before = sweep_nothing(heap).bytes_scanned;
	for (int i = 0; i < 500; i++)
	{
		new_typed(heap, leaf, 1);
		new_noscan(heap, 1000);
	}
	new_noscan(heap, 5 * MB);
	assert_in_range(sweep_nothing(heap).bytes_scanned - before, 500 * 2 * 8, 500 * 4 * 8);
}

static void
sweeps_skip_memory_without_pointers(void **state)
{
	ga_heap *heap = *state;
	size_t before;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	before = scanned(heap);
	new_noscan(heap, 40 * MB);
	assert_int_equal(scanned(heap), before);
	for (int i = 0; i < 100; i++)
		new_noscan(heap, 10 * KB);
	assert_int_equal(scanned(heap), before);
	fill(alloc(&arena, 5 * MB), 5 * MB, 1);
	assert_in_range(scanned(heap) - before, 5 * MB, 5 * MB + 64 * KB);
}

/* Nor do they ask the system which of its pages are there, or go through it in steps. */
static void
sweeps_pass_over_spans_without_pointers(void **state)
{
	ga_heap *heap = *state;
	uint64_t asked[3];
	const ga_type *leaf = ga_type_get(heap, "leaf", 40 * MB, 8, (uint64_t[]){1}, 1);

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 3; i++)
	{
		uint64_t before;

		if (i > 0)
			assert_non_null(
				ga_arena_alloc_typed(&arena, i == 1 ? noscan_type(heap, 40 * MB) : leaf, 1));
		before = fake_calls(OS_RESIDENT);
		(void) sweep_nothing(heap);
		asked[i] = fake_calls(OS_RESIDENT) - before;
	}
	assert_int_equal(asked[1], asked[0]);
	assert_true(asked[2] > asked[0]);
}

static void
objects_are_found_by_any_address(void **state)
{
	ga_heap *heap = *state;
	ga_found found;
	char *objects[600];
	const size_t sizes[] = {48, 16, 24, 100, 2000, 20 * KB};

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 600; i++)
		objects[i] = i % 2 == 0 ? new_typed(heap, node_type(heap), i % 50 == 0 ? 400 : 1)
								: new_noscan(heap, sizes[(size_t) i / 2 % lengthof(sizes)]);
	for (int i = 0; i < 600; i++)
	{
		size_t size = i % 2 != 0	? sizes[(size_t) i / 2 % lengthof(sizes)]
					  : i % 50 == 0 ? 400 * 48
									: 48;

		for (size_t at = 0; at < size; at = at * 2 + 1)
		{
			assert_true(ga_object_find(heap, (uintptr_t) objects[i] + at, &found));
			assert_int_equal(found.start, (uintptr_t) objects[i]);
			assert_int_equal(found.size, ga_align_up(size, i % 2 == 0 ? 1 : 8));
			assert_int_equal(found.noscan, i % 2);
			assert_ptr_equal(found.type, i % 2 == 0 ? node_type(heap) : NULL);
			assert_ptr_equal(found.arena, &arena);
		}
	}
	assert_false(ga_object_find(heap, (uintptr_t) objects[0] - 8, &found));
	assert_false(ga_object_find(heap, arena.ptr + 64, &found));
	assert_false(ga_object_find(heap, (uintptr_t) &found, &found));
	free_object(&arena, objects[2]);
	assert_false(ga_object_find(heap, (uintptr_t) objects[2], &found));
	ga_arena_reset(&arena);
	assert_false(ga_object_find(heap, (uintptr_t) objects[4], &found));
	assert_false(ga_object_find(heap, (uintptr_t) objects[1], &found));
}

static void
untyped_objects_are_found_by_their_beginning(void **state)
{
	ga_heap *heap = *state;
	char *object;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int typed = 0; typed < 2; typed++)
	{
		object = alloc(&arena, 50);
		assert_true(ga_object_find(heap, (uintptr_t) object, &found));
		assert_int_equal(found.size, 50);
		assert_null(found.type);
		assert_false(ga_object_find(heap, (uintptr_t) object + 8, &found));
		new_node(heap);
	}
	object = alloc(&arena, 100 * KB);
	assert_true(ga_object_find(heap, (uintptr_t) object + 99 * KB, &found));
	assert_int_equal(found.size, 100 * KB);
}

/* Whatever is done in whatever order, nothing is lost and nothing is mistaken. */
static void
random_operations_keep_the_map_right(void **state)
{
	ga_heap *heap = *state;
	uint64_t seed = environment_number("GA_SEED", 20261127);
	void *live[200] = {0};
	bool typed[200];

	print_message("GA_SEED=%llu\n", (unsigned long long) seed);
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		begin(&arena, heap, (ga_quarantine) mode);
		for (int step = 0; step < 20000; step++)
		{
			size_t i = random_below(&seed, lengthof(live));
			uint64_t what = random_below(&seed, 100);

			if (what == 0 && random_below(&seed, 10) == 0)
			{
				ga_arena_reset(&arena);
				memset(live, 0, sizeof(live));
			}
			else if (what < 10)
				(void) ga_arena_alloc_typed(
					&arena, noscan_type(heap, 1 + random_below(&seed, what == 1 ? 9000 : 200)), 1);
			else if (live[i] == NULL)
			{
				size_t count = 1 + random_below(&seed, what < 15 ? 100 : 3);

				typed[i] = what < 60;
				live[i] = typed[i] ? ga_arena_alloc_typed(&arena, node_type(heap), count)
								   : ga_arena_alloc(&arena, count * 48);
				assert_non_null(live[i]);
			}
			else
			{
				ga_found found;

				assert_true(ga_object_find(heap, (uintptr_t) live[i], &found));
				assert_ptr_equal(found.type, typed[i] ? node_type(heap) : NULL);
				free_object(&arena, live[i]);
				live[i] = NULL;
			}
			if (step % 500 == 0)
				assert_heap(heap);
		}
		ga_arena_destroy(&arena);
		arena.heap = NULL;
		memset(live, 0, sizeof(live));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_typed)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bits_say_which_words_are_pointers),
		TEST(bits_of_small_objects_of_all_sizes),
		TEST(bits_of_large_types_and_arrays),
		TEST(large_objects_have_few_entries),
		TEST(pointer_bits_are_cleared_on_reuse),
		TEST(a_free_clears_pointer_bits),
		TEST(a_change_of_size_forgets_the_type),
		TEST(only_pointer_words_pin),
		TEST(what_looks_like_a_pointer_without_pointers_pins_nothing),
		TEST(only_pointer_words_of_large_arrays_pin),
		TEST(sweeps_read_a_fraction_of_typed_memory),
		TEST(sweeps_skip_memory_without_pointers),
		TEST(sweeps_pass_over_spans_without_pointers),
		TEST(objects_are_found_by_any_address),
		TEST(untyped_objects_are_found_by_their_beginning),
		TEST(random_operations_keep_the_map_right),
	};

	return cmocka_run_group_tests_name("type_map", tests, NULL, NULL);
}
