/*-------------------------------------------------------------------------
 *
 * test_free_list.c
 *	  Free lists: by class, last in first out, and dropping what lies in some chunks.
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
		ga_object_set_header(arena, object, GA_HDR_LIVE, ga_class_round(size), size);
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

/*
 * Objects of a full chunk go wherever they are in the list; those of the active
 * one stay in order.
 */
static void
dropping_what_lies_in_a_chunk(void **state)
{
	ga_heap *heap = ((fixture *) *state)->heap;
	static ga_arena arena;
	const char *const orders[] = {"f", "fa", "af", "faf", "afa", "faaf", "afafa", "affa"};

	for (size_t o = 0; o < lengthof(orders); o++)
	{
		const char *order = orders[o];
		void *full[500];
		void *active[8];
		int count;
		int put_back = 0;
		ga_chunk *chunk;

		begin(&arena, heap, GA_QUARANTINE_OFF);
		count = fill_chunk(&arena, full, 100) - 1;
		chunk = chunk_at(heap, full[0]);
		assert_int_equal(chunk->state, GA_FULL);
		for (size_t i = 0; i < strlen(order); i++)
			active[i] = alloc(&arena, 100);
		for (size_t i = 0; i < strlen(order); i++)
			if (order[i] == 'a')
				put(&arena, active[i]);
			else
			{
				int until = strchr(&order[i + 1], 'f') == NULL ? count : put_back + 3;

				assert_false(ga_chunk_is_vacant(chunk));
				while (put_back < until)
					put(&arena, full[put_back++]);
			}

		assert_true(ga_chunk_is_vacant(chunk));
		ga_free_list_drop_vacant(&arena, chunk->freed);
		chunk->freed = 0;
		for (size_t i = strlen(order); i-- > 0;)
			if (order[i] == 'a')
				assert_ptr_equal(ga_free_list_pop(&arena, ga_class_of(100)), active[i]);
		assert_false(is_listed(&arena, ga_class_of(100)));
		assert_int_equal(arena.free_bytes, 0);
		ga_arena_destroy(&arena);
	}
}

/* The lists of quarantined arenas leave the poison alone. */
static void
payloads_stay_as_they_are(void **state)
{
	ga_heap *heap = ((fixture *) *state)->heap;
	static ga_arena arena;
	void *objects[7];

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	for (int i = 0; i < 7; i++)
	{
		objects[i] = alloc(&arena, 100);
		fill(objects[i], 100, (uint64_t) i);
	}
	for (int i = 0; i < 7; i++)
		put(&arena, objects[i]);
	for (int i = 6; i >= 0; i--)
	{
		assert_ptr_equal(take(&arena, 100), objects[i]);
		assert_true(is_filled(objects[i], 100, (uint64_t) i));
	}
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
		TEST(last_in_first_out),
		TEST(each_class_has_its_list),
		TEST(dropping_what_lies_in_a_chunk),
		TEST(payloads_stay_as_they_are),
		TEST(clearing_forgets_all),
		TEST(no_memory_for_the_lists),
		TEST(random_objects),
	};

	return cmocka_run_group_tests_name("free_list", tests, NULL, NULL);
}
