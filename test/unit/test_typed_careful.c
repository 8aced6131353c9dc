/*-------------------------------------------------------------------------
 *
 * test_typed_careful.c
 *	  Typed objects in arenas that are careful.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "poison.h"
#include "typed_support.h"

/* Begin an arena that is careful in some ways. */
static void
begin_careful(ga_heap *heap, unsigned careful)
{
	begin(&arena, heap, GA_QUARANTINE_OFF);
	ga_arena_set_careful(&arena, careful);
}

static void
a_span_without_pointers_can_become_one_small_object(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type = ga_type_get(heap, "pair", 16, 8, NULL, 0);
	const ga_type *word = ga_type_get(heap, "number", 8, 8, NULL, 0);
	ga_found found;
	uint64_t *array;

	begin_careful(heap, GA_CAREFUL_STACK);
	new_node(heap);
	for (int i = 0; i < 2; i++)
	{
		array = new_typed(heap, i == 0 ? type : word, 1000000);
		array[0] = 7;
		array = ga_arena_resize_typed(&arena, array, i == 0 ? type : word, 1, 0);
		assert_int_equal(array[0], 7);
		assert_heap(heap);
		assert_true(ga_object_find(heap, (uintptr_t) array, &found));
		assert_ptr_equal(found.type, i == 0 ? type : word);
		assert_false(is_read(heap, array));
		new_node(heap);
	}
	assert_int_equal(ga_arena_free(&arena, array), GA_FREE_OK);
	assert_heap(heap);
}

static void
careful_arenas_forget_the_type_of_what_changes_its_size(void **state)
{
	ga_heap *heap = *state;
	uint64_t *node;

	begin_careful(heap, GA_CAREFUL_STACK);
	node = ga_arena_alloc_typed_careful(&arena, node_type(heap), 1, 7);
	assert_int_equal(ga_arena_stack_of(&arena, node), 7);
	assert_node_bits(heap, node);
	assert_ptr_equal(ga_arena_realloc_careful(&arena, node, 49, 8), node);
	for (int i = 0; i < 6; i++)
		assert_true(is_read(heap, node + i));
	assert_heap(heap);
}

static void
careful_arenas_keep_stacks_of_what_has_headers(void **state)
{
	ga_heap *heap = *state;
	const ga_type *types[] = {node_type(heap), noscan_type(heap, 48), noscan_type(heap, 3)};
	static const size_t counts[] = {1, 1, 2, 70, 100000};

	begin_careful(heap, GA_CAREFUL_STACK);
	for (size_t i = 0; i < lengthof(types) * lengthof(counts); i++)
	{
		const ga_type *type = types[i % lengthof(types)];
		size_t count = counts[i / lengthof(types)];
		void *object = ga_arena_alloc_typed_careful(&arena, type, count, (uint32_t) i + 1);
		ga_chunk *chunk = ga_heap_lookup(heap, (uintptr_t) object);

		assert_non_null(object);
		memset(object, 0xff, type->size * count);
		if (!ga_chunk_in_back(chunk, (uintptr_t) object))
			assert_int_equal(ga_arena_stack_of(&arena, object), i + 1);
		else
			assert_int_equal(type->pointer_words, 0);
		assert_heap(heap);
	}
}

static void
typed_memory_is_poison_after_a_reset_that_clobbers(void **state)
{
	ga_heap *heap = *state;
	static const size_t sizes[] = {8, 16, 100, 5000, 40 * KB};
	void *objects[3 * lengthof(sizes)];
	size_t lengths[3 * lengthof(sizes)];

	begin_careful(heap, GA_CAREFUL_CLOBBER);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t size = sizes[i / 3];
		bool node = i % 3 == 0;

		lengths[i] = node ? 48 * (size / 48 + 1) : size;
		objects[i] =
			node ? new_typed(heap, node_type(heap), size / 48 + 1) : new_noscan(heap, size);
		fill(objects[i], lengths[i], i);
	}
	assert_true(arena.active->back != 0 && arena.full.count > 0);
	free_object(&arena, objects[9]);
	assert_true(is_poison((char *) objects[9] + 8, lengths[9] - 8));
	ga_arena_clobber(&arena);
	for (size_t i = 0; i < lengthof(objects); i++)
		assert_true(i == 9 || is_poison(objects[i], lengths[i]));
	assert_heap(heap);
	ga_arena_reset_careful(&arena, GA_CAREFUL_CLOBBER);
	assert_heap(heap);
	new_noscan(heap, 100); /* which looks whether it is zero */
	new_node(heap);
}

static void
typed_objects_have_pages_of_their_own(void **state)
{
	ga_heap *heap = *state;
	const ga_type *types[] = {node_type(heap), noscan_type(heap, 16), noscan_type(heap, 3)};
	static const size_t counts[] = {1, 3, 1000};
	size_t before;
	char *grown;

	begin_careful(heap, GA_CAREFUL_FENCE);
	before = scanned(heap);
	for (size_t i = 0; i < lengthof(types) * lengthof(counts); i++)
	{
		const ga_type *type = types[i % lengthof(types)];
		size_t count = counts[i / lengthof(types)];
		size_t end = ga_align_up(type->size * count, 8);
		char *object = ga_arena_alloc_typed_careful(&arena, type, count, 5);
		ga_found found;

		assert_non_null(object);
		assert_heap(heap);
		assert_false(read_faults(object + end - 1));
		assert_true(write_faults(object + end));
		assert_int_equal(peek_word(object), 0);
		assert_int_equal(ga_arena_stack_of(&arena, object), 5);
		assert_true(ga_object_find(heap, (uintptr_t) object, &found));
		assert_ptr_equal(found.type, type);
	}
	assert_int_equal(scanned(heap) - before, (1 + 3 + 1000) * 2 * 8);

	grown = ga_arena_alloc_typed_careful(&arena, types[1], 10, 5);
	grown = ga_arena_resize_typed(&arena, grown, types[1], 1000, 6);
	assert_true(read_faults(grown + 16000));
	assert_int_equal(ga_arena_stack_of(&arena, grown), 6);
	assert_int_equal(scanned(heap) - before, (1 + 3 + 1000) * 2 * 8);

	/* What is not typed is read as a whole, whatever was there. */
	free_object(&arena, grown);
	grown = ga_arena_alloc_careful(&arena, 16000, 7);
	assert_in_range(scanned(heap) - before, 16000, 16000 + (1 + 3 + 1000) * 2 * 8 + 64);
	assert_heap(heap);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_typed)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_span_without_pointers_can_become_one_small_object),
		TEST(careful_arenas_forget_the_type_of_what_changes_its_size),
		TEST(careful_arenas_keep_stacks_of_what_has_headers),
		TEST(typed_memory_is_poison_after_a_reset_that_clobbers),
		TEST(typed_objects_have_pages_of_their_own),
	};

	return cmocka_run_group_tests_name("typed careful", tests, NULL, NULL);
}
