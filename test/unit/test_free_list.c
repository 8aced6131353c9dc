/*-------------------------------------------------------------------------
 *
 * test_free_list.c
 *	  Free lists: by class, last in first out, and unlinking from anywhere.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "free_list.h"
#include "support.h"

typedef struct fixture
{
	ga_heap *heap;
	ga_arena arena;
} fixture;

static int
setup(void **state)
{
	static fixture f;
	ga_config config = usual_config();

	config.quarantine = GA_QUARANTINE_OFF;
	config.chunk_size = 64 * MB;
	f.heap = new_heap(&config);
	ga_arena_init(&f.arena, f.heap, 0, 5, NULL, 0);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	fixture *f = *state;

	assert_heap(f->heap);
	ga_arena_destroy(&f->arena);
	assert_int_equal(f->heap->free_lists.live, 0);
	assert_heap(f->heap);
	delete_heap(f->heap);
	return 0;
}

/*
 * put
 *		Put a live object on its list.
 */
static void
put(ga_arena *arena, void *object)
{
	size_t size = ga_object_size(object);

	chunk_at(arena->heap, object)->freed += size + GA_HEADER_SIZE;
	assert_true(ga_free_list_push(arena, object, ga_class_of(size)));
	assert_heap(arena->heap);
}

/*
 * take
 *		Take an object of a size off its list, and make it live again.
 */
static void *
take(ga_arena *arena, size_t size)
{
	void *object = ga_free_list_pop(arena, ga_class_of(size));

	if (object != NULL)
	{
		chunk_at(arena->heap, object)->freed -= ga_class_round(size) + GA_HEADER_SIZE;
		ga_object_set_header(arena, object, GA_HDR_LIVE, ga_class_round(size), size);
	}
	assert_heap(arena->heap);
	return object;
}

static bool
is_listed(const ga_arena *arena, int size_class)
{
	uint64_t word =
		size_class < 64 ? arena->small_free : arena->free_lists->nonempty[size_class / 64];

	return (word >> (size_class % 64) & 1) != 0;
}

static void
last_in_first_out(void **state)
{
	ga_arena *arena = &((fixture *) *state)->arena;
	void *objects[5];

	assert_null(take(arena, 100));
	for (int i = 0; i < 5; i++)
		objects[i] = alloc(arena, 100);
	for (int i = 0; i < 5; i++)
	{
		put(arena, objects[i]);
		assert_int_equal(ga_free_list_length(arena, ga_class_of(100)), i + 1);
		assert_int_equal(arena->free_bytes, (size_t) (i + 1) * (104 + GA_HEADER_SIZE));
	}
	assert_true(is_listed(arena, ga_class_of(100)));
	for (int i = 5; i > 0; i--)
	{
		assert_int_equal(ga_free_object_size(objects[i - 1]), 104);
		assert_ptr_equal(take(arena, 100), objects[i - 1]);
	}
	assert_null(take(arena, 100));
	assert_false(is_listed(arena, ga_class_of(100)));
	assert_int_equal(arena->free_bytes, 0);
}

static void
each_class_has_its_list(void **state)
{
	ga_arena *arena = &((fixture *) *state)->arena;
	void *objects[GA_NUM_CLASSES];

	for (int i = 0; i < GA_NUM_CLASSES; i++)
		objects[i] = alloc(arena, ga_class_size(i));
	for (int i = 0; i < GA_NUM_CLASSES; i += 2)
		put(arena, objects[i]);
	for (int i = 0; i < GA_NUM_CLASSES; i++)
	{
		assert_int_equal(is_listed(arena, i), i % 2 == 0);
		assert_int_equal(ga_free_list_length(arena, i), i % 2 == 0);
		assert_ptr_equal(take(arena, ga_class_size(i)), i % 2 == 0 ? objects[i] : NULL);
		assert_false(is_listed(arena, i));
	}
}

static void
unlink_from_anywhere(void **state)
{
	ga_arena *arena = &((fixture *) *state)->arena;
	void *objects[7];
	const int order[] = {3, 6, 0, 1, 5}; /* middle, first, last, last, first */
	static const size_t sizes[] = {8, 50, 4000, 20000};

	for (size_t s = 0; s < lengthof(sizes); s++)
	{
		size_t rounded = ga_class_round(sizes[s]);

		for (int i = 0; i < 7; i++)
			objects[i] = alloc(arena, sizes[s]);
		for (int i = 0; i < 7; i++)
			put(arena, objects[i]);
		for (size_t i = 0; i < lengthof(order); i++)
		{
			void *object = objects[order[i]];

			ga_free_list_unlink(arena, object);
			chunk_at(arena->heap, object)->freed -= rounded + GA_HEADER_SIZE;
			ga_object_set_header(arena, object, GA_HDR_LIVE, rounded, rounded);
			assert_heap(arena->heap);
			assert_int_equal(ga_free_list_length(arena, ga_class_of(sizes[s])), 6 - i);
		}
		assert_ptr_equal(take(arena, sizes[s]), objects[4]);
		assert_ptr_equal(take(arena, sizes[s]), objects[2]);
		assert_null(take(arena, sizes[s]));
		assert_int_equal(arena->free_bytes, 0);
	}
}

/*
 * In quarantined arenas a link in a payload is none that could be followed, and
 * not null either; the lists are as good as elsewhere.
 */
static void
covered_links_lead_nowhere(void **state)
{
	ga_heap *heap = ((fixture *) *state)->heap;
	static ga_arena arena;
	void *objects[7];

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (int i = 0; i < 7; i++)
		objects[i] = alloc(&arena, 100);
	for (int i = 0; i < 7; i++)
		put(&arena, objects[i]);
	for (int i = 0; i < 7; i++)
	{
		uint64_t link = peek_word(objects[i]);

		assert_true(ga_is_covered_link(link));
		assert_true(ga_is_covered_link(link - 64 * KB));
		assert_true(ga_is_covered_link(link + 64 * KB));
		assert_true(link >> 47 != 0 && link >> 47 != 0x1ffff);
		assert_int_equal(link & 7, GA_LINK_COVER & 7);
	}
	assert_false(ga_is_covered_link((uintptr_t) objects[0]));
	assert_false(ga_is_covered_link(GA_POISON));
	assert_false(ga_is_covered_link(0));

	for (int i = 1; i < 7; i += 2)
	{
		ga_free_list_unlink(&arena, objects[i]);
		chunk_at(heap, objects[i])->freed -= 104 + GA_HEADER_SIZE;
		ga_object_set_header(&arena, objects[i], GA_HDR_LIVE, 104, 100);
		assert_heap(heap);
	}
	for (int i = 6; i >= 0; i -= 2)
		assert_ptr_equal(take(&arena, 100), objects[i]);
	assert_null(take(&arena, 100));
	ga_arena_destroy(&arena);
}

static void
clearing_forgets_all(void **state)
{
	ga_arena *arena = &((fixture *) *state)->arena;

	for (int i = 0; i < 70; i++)
		put(arena, alloc(arena, ga_class_size(i)));
	assert_int_equal(arena->heap->free_lists.live, 1);
	ga_arena_reset(arena);
	assert_int_equal(arena->small_free, 0);
	assert_int_equal(arena->free_bytes, 0);
	for (int i = 0; i < 70; i++)
		assert_null(ga_free_list_pop(arena, i));

	/* The next lists begin empty, although it is the same memory. */
	put(arena, alloc(arena, 100));
	for (int i = 0; i < GA_NUM_CLASSES; i++)
	{
		assert_int_equal(is_listed(arena, i), i == ga_class_of(100));
		assert_int_equal(ga_free_list_length(arena, i), i == ga_class_of(100));
	}
}

static void
no_memory_for_the_lists(void **state)
{
	ga_arena *arena = &((fixture *) *state)->arena;
	void *object = alloc(arena, 100);
	uint64_t header = *ga_object_header(object);

	fake_fail_from(OS_MAP, 1, ENOMEM);
	while (ga_persistent_alloc(&arena->heap->metadata, 16) != NULL)
		;
	assert_false(ga_free_list_push(arena, object, ga_class_of(ga_object_size(object))));
	assert_int_equal(*ga_object_header(object), header);
	assert_null(arena->free_lists);
	assert_int_equal(arena->free_bytes, 0);
	fake_fail_never();
	put(arena, object);
	assert_ptr_equal(take(arena, 100), object);
}

/* Through the arena, as everybody does: the lists hold what was freed. */
static void
random_objects(void **state)
{
	ga_arena *arena = &((fixture *) *state)->arena;
	static struct
	{
		void *object;
		size_t size;
	} live[1000];
	size_t count = 0;
	uint64_t random = 12;

	for (int i = 0; i < 20000; i++)
	{
		if (count < lengthof(live) && random_below(&random, 3) > 0)
		{
			size_t size = random_below(&random, 20) == 0 ? random_below(&random, 100000)
														 : random_below(&random, 200);
			size_t listed = usage_of(arena).free_objects;
			bool expected = ga_free_list_length(arena, ga_class_of(size)) > 0;

			live[count].object = alloc(arena, size);
			live[count].size = size;
			fill(live[count].object, size, (uint64_t) (uintptr_t) live[count].object);
			count++;
			assert_int_equal(usage_of(arena).free_objects, listed - expected);
		}
		else if (count > 0)
		{
			size_t j = random_below(&random, count);

			assert_true(
				is_filled(live[j].object, live[j].size, (uint64_t) (uintptr_t) live[j].object));
			free_object(arena, live[j].object);
			live[j] = live[--count];
		}
		if (i % 100 == 0)
			assert_heap(arena->heap);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(last_in_first_out),	TEST(each_class_has_its_list),
		TEST(unlink_from_anywhere), TEST(covered_links_lead_nowhere),
		TEST(clearing_forgets_all), TEST(no_memory_for_the_lists),
		TEST(random_objects),
	};

	return cmocka_run_group_tests_name("free_list", tests, NULL, NULL);
}
