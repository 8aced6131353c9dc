/*-------------------------------------------------------------------------
 *
 * test_typed.c
 *	  Allocating typed objects and memory without pointers.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "charge.h"
#include "typed_support.h"

static void
pointers_come_from_the_front(void **state)
{
	ga_heap *heap = *state;
	uintptr_t node;
	uintptr_t noscan;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	node = (uintptr_t) new_node(heap);
	noscan = (uintptr_t) new_noscan(heap, 40);
	assert_ptr_equal(chunk_at(heap, (void *) node), chunk_at(heap, (void *) noscan));
	assert_int_equal(node, arena.active->base + GA_HEADER_SIZE);
	assert_int_equal(noscan, arena.active->base + arena.active->size - 40);
	assert_true((uintptr_t) new_node(heap) > node);
	assert_int_equal(noscan - (uintptr_t) new_noscan(heap, 40), 40);
}

static void
front_and_back_meet(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *first;
	size_t bytes = 0;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_node(heap);
	first = arena.active;
	while (arena.active == first)
	{
		new_node(heap);
		new_noscan(heap, 48);
		bytes += 48;
	}
	assert_true(bytes > first->size / 4);
	assert_true(first->used <= ga_chunk_front_end(first));
}

static void
what_is_tiny_is_packed(void **state)
{
	ga_heap *heap = *state;
	char *first;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	first = new_noscan(heap, 3);
	assert_ptr_equal(new_noscan(heap, 5), first + 3);
	assert_ptr_equal(new_noscan(heap, 8), first + 8);
	assert_true((char *) new_noscan(heap, 1) < first);
	assert_int_equal(arena.active->base + arena.active->size - arena.active->back, 2 * GA_TINY);
}

static void
a_reset_begins_a_new_unit_of_tiny_objects(void **state)
{
	ga_heap *heap = *state;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_noscan(heap, 3);
	ga_arena_reset(&arena);
	assert_heap(heap);
	memset(new_node(heap), 0xff, 48);
	new_noscan(heap, 3);
	assert_int_equal(arena.active->base + arena.active->size - arena.active->back, GA_TINY);
}

static void
all_is_zero_whatever_was_there(void **state)
{
	ga_heap *heap = *state;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int life = 0; life < 3; life++)
	{
		for (size_t i = 0; i < 200; i++)
		{
			memset(new_node(heap), 0xff, 48);
			memset(new_noscan(heap, 1 + i % 300), 0xff, 1 + i % 300);
		}
		memset(new_noscan(heap, 20 * KB), 0xff, 20 * KB);
		ga_arena_reset(&arena);
	}
}

static void
freed_nodes_are_used_again(void **state)
{
	ga_heap *heap = *state;
	void *held[64];
	size_t bytes;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 64; i++)
		held[i] = i % 2 == 0 ? new_node(heap) : alloc(&arena, 48);
	bytes = usage_of(&arena).chunk_bytes;
	for (int round = 0; round < 1000; round++)
	{
		int i = round * 7 % 64;

		free_object(&arena, held[i]);
		held[i] = round % 3 == 0 ? new_node(heap) : alloc(&arena, 48);
	}
	assert_int_equal(usage_of(&arena).chunk_bytes, bytes);

	/* Also where the next one could be had behind the last. */
	new_node(heap);
	free_object(&arena, held[0]);
	assert_ptr_equal(new_node(heap), held[0]);
}

static void
nodes_are_counted(void **state)
{
	ga_heap *heap = *state;
	const uint64_t *count = &heap->counters.classes[ga_class_of(48)].allocs;
	uint64_t before = *count;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 500; i++)
		new_node(heap);
	assert_int_equal(arena.allocs, 500);
	assert_int_equal(*count - before, 500);
}

static void
arrays_grow_with_their_type(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type = node_type(heap);
	uint64_t *array;
	ga_found found;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	array = new_typed(heap, type, 1);
	for (size_t count = 1; count < 3000; count = count * 3 / 2 + 1)
	{
		array = ga_arena_resize_typed(&arena, array, type, count, 0);
		assert_non_null(array);
		assert_heap(heap);
		for (size_t i = 0; i < count; i++)
		{
			assert_true(array[i * 6] == 0 || array[i * 6] == i);
			array[i * 6] = i;
			assert_true(ga_object_find(heap, (uintptr_t) (array + i * 6), &found));
			assert_ptr_equal(found.type, type);
			assert_int_equal(found.start, (uintptr_t) array);
			assert_int_equal(found.size, count * 48);
		}
	}
	array = ga_arena_resize_typed(&arena, array, type, 2, 0);
	assert_int_equal(array[6], 1);
}

static void
what_has_no_header_cannot_be_freed(void **state)
{
	ga_heap *heap = *state;
	void *objects[4];

	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_node(heap);
	objects[0] = new_noscan(heap, 3);
	objects[1] = new_noscan(heap, 24);
	objects[2] = new_noscan(heap, 64);
	objects[3] = new_noscan(heap, 5000);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ga_arena_free(&arena, objects[i]), GA_FREE_NOSCAN);
	for (int i = 2; i < 4; i++)
		assert_int_equal(((uint64_t *) objects[i])[-1], GA_OWNER_WORD ? arena.owner : arena.tag);
	free_object(&arena, new_noscan(heap, 20 * KB));
	ga_arena_destroy(&arena);

	/* Where bugs are looked for, all but what is tiny can be told. */
	begin(&arena, heap, GA_QUARANTINE_STRICT);
	objects[1] = new_noscan(heap, 24);
	assert_int_equal(((uint64_t *) objects[1])[-1], GA_OWNER_WORD ? arena.owner : arena.tag);
	assert_int_equal(ga_arena_free(&arena, objects[1]), GA_FREE_NOSCAN);
}

static void
pages_and_charges_of_the_back_are_counted(void **state)
{
	ga_heap *heap = *state;
	size_t meter = 0;
	size_t held;
	ga_arena_usage usage;

	set_chunk_size(heap, 8 * MB);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_init(&arena, heap, 0, 0, &meter, 0);
	for (int i = 0; arena.active == NULL || arena.active->size < 4 * MB; i++)
		new_noscan(heap, 8 * KB);
	held = ga_heap_held(heap);
	usage = usage_of(&arena);
	assert_int_equal(meter, arena.charged);
	for (int i = 1; i <= 10; i++)
	{
		(void) new_noscan(heap, 64 * KB);
		assert_in_range(usage_of(&arena).used_bytes - usage.used_bytes, i * 64 * KB,
						i * (64 * KB + 8));
	}
	assert_in_range(meter - usage.used_bytes, 640 * KB,
					640 * KB + 12 * KB + usage.chunks * 12 * KB);
	assert_in_range(ga_heap_held(heap) - held, 630 * KB, 760 * KB);
	ga_arena_reset(&arena);
	assert_int_equal(meter, 0);
}

static void
a_limit_holds_for_the_back(void **state)
{
	ga_heap *heap = *state;
	int count = 0;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	new_noscan(heap, 100);
	heap->limit = ga_heap_held(heap) + 3 * MB;
	while (ga_arena_alloc_typed(&arena, noscan_type(heap, 10000), 1) != NULL)
	{
		assert_heap(heap);
		assert_true(ga_heap_held(heap) <= heap->limit);
		count++;
	}
	assert_true(heap->refused > 0);
	assert_in_range(count, 250, 320);
	heap->limit = SIZE_MAX;
	new_noscan(heap, 10000);
}

static void
freed_memory_without_pointers_is_in_the_history(void **state)
{
	ga_heap *heap = *state;
	char *noscan;
	ga_freed_place place;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	new_node(heap);
	noscan = new_noscan(heap, 1000);
	assert_false(ga_history_explain(heap, (uintptr_t) noscan, &place));
	ga_arena_reset(&arena);
	assert_true(ga_history_explain(heap, (uintptr_t) noscan, &place));
	assert_non_null(place.freed);
	assert_int_equal(place.freed->noscan, 1);
	assert_int_equal(place.freed->arena_id, arena.id);
	assert_true(read_faults(noscan));
}

static void
pages_may_be_larger_than_the_steps(void **state)
{
	ga_config config = usual_config();
	ga_heap *heap;

	(void) state;
	config.quarantine = GA_QUARANTINE_OFF;
	heap = new_heap_with_pages(&config, 64 * KB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (int i = 0; i < 3000; i++)
	{
		new_node(heap);
		new_noscan(heap, 100);
		(void) alloc(&arena, 200);
	}
	ga_arena_destroy(&arena);
	arena.heap = NULL;
	delete_heap(heap);
}

/* Each call to the system fails once, and then all from there on. */
static void
failing_calls_change_nothing(void **state)
{
	static const os_call calls[] = {OS_RESERVE, OS_MAP, OS_USE};

	(void) state;
	for (size_t call = 0; call < lengthof(calls); call++)
		for (int forever = 0; forever < 2; forever++)
			for (uint64_t nth = 1;; nth++)
			{
				ga_config config = usual_config();
				ga_heap *heap = new_heap(&config);
				const ga_type *types[3];
				bool failed = false;

				types[0] = node_type(heap);
				types[1] = noscan_type(heap, 700);
				types[2] = noscan_type(heap, 3);
				begin(&arena, heap, GA_QUARANTINE_STRICT);
				(forever ? fake_fail_from : fake_fail)(calls[call], nth, ENOMEM);
				for (int i = 0; i < 2500; i++)
				{
					uint64_t allocs = arena.allocs;
					uint64_t frees = frees_in(heap);
					const ga_type *type = types[i % 3];
					size_t count = i % 3 == 0 && i % 7 == 0 ? 40 : 1;
					void *object = ga_arena_alloc_typed(&arena, type, count);

					if (object == NULL)
					{
						failed = true;
						assert_heap(heap);
						assert_true(fake_failures() > 0);
						assert_true(arena.allocs - (frees_in(heap) - frees) <= allocs);
						fake_fail_never();
						object = ga_arena_alloc_typed(&arena, type, count);
					}
					assert_non_null(object);
					if (i % 100 == 0)
						assert_heap(heap);
				}
				failed = fake_failures() > 0;
				fake_fail_never();
				assert_heap(heap);
				ga_arena_destroy(&arena);
				arena.heap = NULL;
				assert_heap(heap);
				assert_int_equal(heap->type_granules.live, 0);
				delete_heap(heap);
				if (!failed)
					break;
			}
}

#define TEST(name)		 cmocka_unit_test_setup_teardown(name, setup_heap, teardown_typed)
#define TEST_ALONE(name) cmocka_unit_test(name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pointers_come_from_the_front),
		TEST(front_and_back_meet),
		TEST(what_is_tiny_is_packed),
		TEST(a_reset_begins_a_new_unit_of_tiny_objects),
		TEST(all_is_zero_whatever_was_there),
		TEST(freed_nodes_are_used_again),
		TEST(nodes_are_counted),
		TEST(arrays_grow_with_their_type),
		TEST(what_has_no_header_cannot_be_freed),
		TEST(pages_and_charges_of_the_back_are_counted),
		TEST(a_limit_holds_for_the_back),
		TEST(freed_memory_without_pointers_is_in_the_history),
		TEST_ALONE(pages_may_be_larger_than_the_steps),
		TEST_ALONE(failing_calls_change_nothing),
	};

	return cmocka_run_group_tests_name("typed", tests, NULL, NULL);
}
