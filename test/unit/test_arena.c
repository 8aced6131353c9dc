/*-------------------------------------------------------------------------
 *
 * test_arena.c
 *	  Arenas: allocation of every size, and the chunks it takes.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

#define HEADER GA_HEADER_SIZE

/*
 * edges
 *		Sizes around all limits that a heap with this chunk size has.
 */
static size_t
edges(size_t *sizes, size_t chunk_size)
{
	size_t count = 0;

	for (size_t size = 0; size < 10; size++)
		sizes[count++] = size;
	for (int class = 1; class < GA_NUM_CLASSES && ga_class_size(class) <= chunk_size / 4; class ++)
		for (int off = -1; off <= 1; off++)
			sizes[count++] = ga_class_size(class) + (size_t) (ptrdiff_t) off;
	for (int off = -1; off <= 1; off++)
	{
		const size_t limits[] = {chunk_size / 4 - HEADER, chunk_size / 4, chunk_size / 2,
								 chunk_size - HEADER,	  chunk_size,	  chunk_size + HEADER};

		for (size_t i = 0; i < lengthof(limits); i++)
			sizes[count++] = limits[i] + (size_t) (ptrdiff_t) off;
	}
	return count;
}

static void
objects_of_all_sizes(void **state)
{
	static size_t sizes[3 * GA_NUM_CLASSES + 100];
	static const size_t chunk_sizes[] = {64 * KB, MB, 8 * MB, 64 * MB};

	(void) state;
	for (size_t c = 0; c < lengthof(chunk_sizes); c++)
		for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		{
			ga_config config = usual_config();
			size_t count = edges(sizes, chunk_sizes[c]);
			model *m;
			int arena = 0;

			config.quarantine = (ga_quarantine) mode;
			config.chunk_size = chunk_sizes[c];
			m = new_model(new_heap(&config));
			model_create(m, arena, 0);
			for (size_t i = 0; i < count; i++)
			{
				const model_arena *a = &m->arenas[arena];
				const model_object *object;

				/* Memory for contents is limited, so large sizes come alone. */
				if (a->count == MODEL_OBJECTS || (a->count > 0 && sizes[i] > 4 * MB))
				{
					model_check(m);
					model_check_contents(m);
					model_reset(m, arena);
				}
				assert_true(model_alloc(m, arena, sizes[i]));
				object = &a->objects[a->count - 1];
				assert_int_equal(chunk_at(m->heap, object->addr)->large,
								 sizes[i] > chunk_sizes[c] / 4);
			}
			model_check(m);
			model_check_contents(m);
			delete_model(m);
		}
}

static void
objects_beyond_64_mb(void **state)
{
	ga_heap *heap = *state;
	model *m = new_model(heap);

	model_create(m, 0, 0);
	for (int off = -1; off <= 1; off++)
		assert_true(model_alloc(m, 0, 64 * MB - HEADER + (size_t) (ptrdiff_t) off));
	assert_true(model_alloc(m, 0, 150 * MB));
	model_check(m);
	model_check_contents(m);
	model_destroy(m, 0);
	assert_int_equal(model_sweep(m, false).chunks_freed, (64 + 64 + 128 + 192) * MB / GA_SLOT_SIZE);

	/* What is free again serves the next one. */
	model_create(m, 0, 0);
	assert_true(model_alloc(m, 0, 100 * MB));
	model_destroy(m, 0);

	ga_arena_destroy(&m->keeper);
	free(m);
}

static void
objects_that_cannot_be(void **state)
{
	static const size_t sizes[] = {
		SIZE_MAX,	  SIZE_MAX - 7,		SIZE_MAX - HEADER,
		SIZE_MAX / 2, (size_t) 1 << 47, ((size_t) 1 << 46) + 1,
		64 * TB,	  4 * TB,			2 * TB,
	};
	ga_heap *heap = *state;
	static ga_arena arena;
	void *object;

	/* No header can say such a size, so no address space is asked for. */
	begin(&arena, heap, GA_QUARANTINE_ON);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		assert_null(ga_arena_alloc(&arena, sizes[i]));
		assert_int_equal(fake_all_calls(), 0);
	}
	object = alloc(&arena, 20 * KB);
	fill(object, 20 * KB, 1);
	for (size_t i = 0; i < lengthof(sizes); i++)
		assert_null(ga_arena_realloc(&arena, object, sizes[i]));
	assert_true(is_filled(object, 20 * KB, 1));
	assert_int_equal(ga_object_requested(object), 20 * KB);
	assert_heap(heap);
	ga_arena_destroy(&arena);
}

static void
headers_say_whose_and_how_much(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	ga_arena_init(&arena, heap, UINT64_C(0x1234567890abcdef), 11, NULL, 0);
	for (size_t size = 0; size < 40 * KB; size += 1 + size / 7)
	{
		void *object = alloc(&arena, size);

		assert_int_equal(*ga_object_header(object) & GA_HDR_TAG_MASK, 11);
		assert_int_equal(ga_object_requested(object), size);
		assert_true(ga_object_requested_known(object));
		assert_true(ga_object_size(object) >= size);
#if GA_OWNER_WORD
		assert_true(((uint64_t *) object)[-1] == UINT64_C(0x1234567890abcdef));
#endif
	}
	ga_arena_destroy(&arena);
}

/* Beyond 1 MB of slack the header no longer says how much was asked for. */
static void
much_slack_is_not_known(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *object;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	object = alloc(&arena, 4 * MB - HEADER);
	assert_true(ga_object_requested_known(object));
	fake_fail_from(OS_UNUSE, 1, ENOMEM);
	object = ga_arena_realloc(&arena, object, 3 * MB);
	assert_true(ga_object_requested_known(object));
	assert_int_equal(ga_object_requested(object), 3 * MB);

	/* An object of a class that is far too large for its contents. */
	set_chunk_size(heap, 64 * MB);
	object = alloc(&arena, 16 * MB);
	assert_false(chunk_at(heap, object)->large);
	(void) alloc(&arena, 1);
	object = ga_arena_realloc(&arena, object, 9 * MB);
	assert_int_equal(ga_object_size(object), 16 * MB);
	assert_false(ga_object_requested_known(object));
	assert_true(ga_object_requested(object) >= 9 * MB);
	ga_arena_destroy(&arena);
}

static void
nothing_is_reserved_before_the_first_object(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	begin(&arena, heap, GA_QUARANTINE_ON);
	ga_arena_reset(&arena);
	assert_int_equal(usage_of(&arena).chunks, 0);
	ga_arena_destroy(&arena);
	assert_int_equal(fake_all_calls(), 0);
}

static void
chunks_double_up_to_the_largest(void **state)
{
	ga_heap *heap = *state;

	for (int largest = 16; largest <= GA_MAX_ORDER; largest++)
	{
		static ga_arena arena;
		int order = heap->min_order;
		int at_largest = 0;

		set_chunk_size(heap, (size_t) 1 << largest);
		begin(&arena, heap, GA_QUARANTINE_STRICT);
		(void) alloc(&arena, 100);
		while (at_largest < 3)
		{
			const ga_chunk *chunk = arena.active;

			assert_int_equal(chunk->order, order);
			while (arena.active == chunk)
				(void) alloc(&arena, chunk->size / 9);
			at_largest += order == largest;
			order += order < largest;
		}
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
	}
}

/* An object that needs more than the next chunk would have gets a larger one. */
static void
a_chunk_that_is_large_enough(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_ON);
	(void) alloc(&arena, 2 * MB);
	assert_int_equal(arena.active->order, 22);
	(void) alloc(&arena, 2 * MB);
	assert_int_equal(arena.active->order, 23);
	ga_arena_destroy(&arena);
}

static void
a_small_chunk_where_no_large_one_is_left(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	/* Leave 32 kB of address space. */
	set_chunk_size(heap, 64 * MB);
	for (int order = GA_MAX_ORDER - 1; order >= 15; order--)
		(void) take_chunk(heap, order);
	fake_cap_reserved(fake_reserved());

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < 32 * KB / 128; i++)
		(void) alloc(&arena, 128 - HEADER);
	assert_int_equal(usage_of(&arena).chunks, 3);
	assert_null(ga_arena_alloc(&arena, 8));
	assert_null(ga_arena_alloc(&arena, 100 * KB));
	assert_int_equal(usage_of(&arena).chunk_bytes, 32 * KB);
	assert_int_equal(usage_of(&arena).used_bytes, 32 * KB);
	assert_heap(heap);
	ga_arena_destroy(&arena);
}

/* After TestUserArena of Go: more of each kind than a chunk holds. */
static void
more_than_a_chunk_of_each_kind(void **state)
{
	static const size_t sizes[] = {8, 16, 40, 8192, 3321, 8184, 16 * KB, 64 * KB + 1, 200};
	ga_heap *heap = *state;
	static char *objects[10000];

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (size_t s = 0; s < lengthof(sizes); s++)
		{
			size_t count = 64 * KB / sizes[s] + 2;
			static ga_arena arena;

			begin(&arena, heap, (ga_quarantine) mode);
			for (size_t i = 0; i < count; i++)
			{
				objects[i] = alloc(&arena, sizes[s]);
				fill(objects[i], sizes[s], i);
			}
			for (size_t i = 0; i < count; i++)
				assert_true(is_filled(objects[i], sizes[s], i));
			assert_heap(heap);
			ga_arena_destroy(&arena);
		}
	sweep_nothing(heap);
	assert_int_equal(heap->state_chunks[GA_FAULT], 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], 0);
	assert_int_equal(heap->in_use, 0);
}

/* Large chunks, spans and slots get huge pages where they are wanted. */
static void
huge_pages_for_large_chunks(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	static ga_arena arena;

	config.huge_pages = true;
	config.chunk_size = 8 * MB;
	ga_heap_configure(heap, &config);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	heap->config.huge_pages = true;
	(void) alloc(&arena, 100);
	(void) alloc(&arena, 500 * KB);
	assert_int_equal(fake_calls(OS_HUGE), 0);
	(void) alloc(&arena, 3 * MB);
	assert_int_equal(fake_calls(OS_HUGE), 1);
	(void) alloc(&arena, 2 * MB);
	assert_int_equal(arena.active->order, 22);
	assert_int_equal(fake_calls(OS_HUGE), 2);
	ga_arena_destroy(&arena);

	begin(&arena, heap, GA_QUARANTINE_ON);
	(void) alloc(&arena, 100);
	assert_int_equal(fake_calls(OS_HUGE), 3);
	ga_arena_destroy(&arena);
}

/* Objects of 100 bytes, so many bytes in all. */
static void
grow(ga_arena *arena, size_t bytes)
{
	for (size_t i = 0; i < bytes / 128; i++)
		(void) alloc(arena, 100);
}

static void
arenas_that_grow_far_have_pages_in_batches(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	uint64_t calls;
	size_t meter = 0;

	set_chunk_size(heap, 8 * MB);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_init(&arena, heap, 0, 0, &meter, 0);
	grow(&arena, 256 * KB);
	assert_int_equal(fake_calls(OS_POPULATE), 0);
	grow(&arena, 16 * MB);
	calls = fake_calls(OS_POPULATE);
	assert_in_range(calls, 100, 200);
	assert_true(heap->touched - meter <= 256 * KB);

	/* The next life has the pages, and asks for none. */
	ga_arena_reset(&arena);
	grow(&arena, 4 * MB);
	assert_int_equal(fake_calls(OS_POPULATE), calls);
	ga_arena_destroy(&arena);
}

static void
batches_of_pages_are_within_the_limit(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	grow(&arena, 4 * MB);
	heap->limit = ga_heap_held(heap) + 700 * KB;
	while (ga_arena_alloc(&arena, 100) != NULL)
		assert_true(ga_heap_held(heap) <= heap->limit);
	assert_true(ga_heap_held(heap) + 8 * KB > heap->limit);
	heap->limit = SIZE_MAX;
	ga_arena_destroy(&arena);
}

static void
a_system_without_batches_is_asked_once(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	fake_fail_from(OS_POPULATE, 1, EINVAL);
	grow(&arena, 16 * MB);
	assert_int_equal(fake_calls(OS_POPULATE), 1);
	fake_fail_never();
	ga_arena_destroy(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_all_sizes),
		TEST(objects_beyond_64_mb),
		TEST(objects_that_cannot_be),
		TEST(headers_say_whose_and_how_much),
		TEST(much_slack_is_not_known),
		TEST(nothing_is_reserved_before_the_first_object),
		TEST(chunks_double_up_to_the_largest),
		TEST(a_chunk_that_is_large_enough),
		TEST(a_small_chunk_where_no_large_one_is_left),
		TEST(more_than_a_chunk_of_each_kind),
		TEST(huge_pages_for_large_chunks),
		TEST(arenas_that_grow_far_have_pages_in_batches),
		TEST(batches_of_pages_are_within_the_limit),
		TEST(a_system_without_batches_is_asked_once),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
