/*-------------------------------------------------------------------------
 *
 * typed_support.c
 *	  What tests of typed objects share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "typed_support.h"

ga_arena arena;
ga_arena other;

const ga_type *
node_type(ga_heap *heap)
{
	static const uint64_t pointers = NODE_POINTERS;

	return ga_type_get(heap, "node", 48, 8, &pointers, 6);
}

const ga_type *
noscan_type(ga_heap *heap, size_t size)
{
	return ga_type_get(heap, "noscan", size, size % 8 == 0 ? 8 : 1, NULL, 0);
}

void *
new_typed(ga_heap *heap, const ga_type *type, size_t count)
{
	unsigned char *object = ga_arena_alloc_typed(&arena, type, count);

	assert_non_null(object);
	assert_int_equal((uintptr_t) object % type->align, 0);
	for (size_t i = 0; i < type->size * count; i++)
		assert_int_equal(object[i], 0);
	assert_heap(heap);
	return object;
}

void *
new_node(ga_heap *heap)
{
	return new_typed(heap, node_type(heap), 1);
}

void *
new_noscan(ga_heap *heap, size_t size)
{
	return new_typed(heap, noscan_type(heap, size), 1);
}

bool
is_read(const ga_heap *heap, const void *address)
{
	const ga_type_granule *granule = ga_type_granule_at(heap, (uintptr_t) address);
	unsigned word = ga_word_of((uintptr_t) address);

	return granule == NULL || (granule->pointers[word / 64] >> word % 64 & 1) != 0;
}

void
assert_node_bits(const ga_heap *heap, const uint64_t *node)
{
	for (int i = 0; i < 6; i++)
		assert_int_equal(is_read(heap, node + i), NODE_POINTERS >> i & 1);
}

size_t
scanned(ga_heap *heap)
{
	return sweep_nothing(heap).bytes_scanned;
}

int
teardown_typed(void **state)
{
	ga_heap *heap = *state;

	if (arena.heap == heap)
		ga_arena_destroy(&arena);
	arena.heap = NULL;
	assert_int_equal(heap->type_granules.live, 0);
	for (int i = 0; i < GA_TYPE_ROOMS; i++)
		assert_int_equal(heap->type_ids[i].live, 0);
	assert_int_equal(heap->in_use, 0);
	return teardown_heap(state);
}
