/*-------------------------------------------------------------------------
 *
 * test_address_map.c
 *	  From any address to its chunk, or to nothing.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <sys/mman.h>

#include "support.h"

static int
teardown(void **state)
{
	delete_heap(*state);
	return 0;
}

static void
assert_foreign(const ga_heap *heap, uintptr_t addr)
{
	assert_null(ga_segment_of(heap, addr));
	assert_null(ga_heap_lookup(heap, addr));
}

/*
 * assert_whole_chunk
 *		Every granule's first and last byte, and some in between.
 */
static void
assert_whole_chunk(const ga_heap *heap, ga_chunk *chunk)
{
	for (uintptr_t at = chunk->base; at < chunk->base + chunk->size; at += GA_GRANULE_SIZE)
	{
		assert_ptr_equal(ga_heap_lookup(heap, at), chunk);
		assert_ptr_equal(ga_heap_lookup(heap, at + 1), chunk);
		assert_ptr_equal(ga_heap_lookup(heap, at + GA_GRANULE_SIZE / 2), chunk);
		assert_ptr_equal(ga_heap_lookup(heap, at + GA_GRANULE_SIZE - 1), chunk);
	}
	assert_ptr_not_equal(ga_heap_lookup(heap, chunk->base - 1), chunk);
	assert_ptr_not_equal(ga_heap_lookup(heap, chunk->base + chunk->size), chunk);
}

/*
 * assert_never_wrong
 *		A lookup may miss what was never used, but finds no chunk that does not
 *		contain the address, and the first byte of each.
 */
static void
assert_never_wrong(ga_heap *heap)
{
	assert_heap(heap);
	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
		for (uintptr_t at = segment->base; at < segment->base + GA_SEGMENT_SIZE;
			 at += GA_GRANULE_SIZE)
		{
			const ga_chunk *chunk = ga_heap_lookup(heap, at);

			if (chunk != NULL)
			{
				assert_true(at >= chunk->base && at < chunk->base + chunk->size);
				assert_ptr_equal(ga_heap_lookup(heap, chunk->base), chunk);
			}
		}
}

static void
foreign_addresses(void **state)
{
	ga_heap *heap = *state;
	void *allocated = malloc(100);
	void *mapped = mmap(NULL, MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ga_chunk *chunk;

	/* Of a heap without segments, then of one that has some. */
	for (int round = 0; round < 2; round++)
	{
		int on_stack = 0;

		assert_foreign(heap, 0);
		assert_foreign(heap, 1);
		assert_foreign(heap, 4096);
		assert_foreign(heap, (uintptr_t) &on_stack);
		assert_foreign(heap, (uintptr_t) allocated);
		assert_foreign(heap, (uintptr_t) mapped);
		assert_foreign(heap, (uintptr_t) heap);
		assert_foreign(heap, (uintptr_t) foreign_addresses);
		assert_foreign(heap, UINTPTR_MAX);
		assert_foreign(heap, UINTPTR_MAX - 7);
		assert_foreign(heap, (uintptr_t) GA_POISON);
		for (int bit = 0; bit < 64; bit++)
			assert_foreign(heap, (uintptr_t) 1 << bit);

		chunk = take_chunk(heap, GA_MAX_ORDER);
		assert_non_null(chunk);
	}

	/* The heap's own addresses with one wrong bit above those of user space. */
	for (int bit = 47; bit < 64; bit++)
		assert_foreign(heap, chunk->base ^ (uintptr_t) 1 << bit);
	assert_foreign(heap, (uintptr_t) heap->segments);
	assert_foreign(heap, (uintptr_t) chunk);
	free(allocated);
	munmap(mapped, MB);
}

static void
beside_segments(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk = take_chunk(heap, GA_MAX_ORDER);

	assert_non_null(chunk);
	assert_foreign(heap, chunk->base - 1);
	assert_foreign(heap, chunk->base + GA_SEGMENT_SIZE);
	assert_whole_chunk(heap, chunk);
}

static void
chunks_of_every_order(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[GA_NUM_ORDERS];

	for (int order = heap->min_order; order <= GA_MAX_ORDER; order++)
	{
		chunks[order] = take_chunk(heap, order);
		assert_non_null(chunks[order]);
		assert_int_equal(chunks[order]->size, (size_t) 1 << order);
	}
	for (int order = heap->min_order; order <= GA_MAX_ORDER; order++)
		assert_whole_chunk(heap, chunks[order]);
	assert_never_wrong(heap);
}

/*
 * The map names a used chunk throughout: also after it was split, until its
 * parts are used, and the other way round.
 */
static void
split_and_merged_chunks(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *whole = take_chunk(heap, GA_MAX_ORDER);
	uintptr_t base;
	ga_chunk *parts[16];

	assert_non_null(whole);
	base = whole->base;
	make_ready(heap, whole);
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		parts[i] = take_chunk(heap, 16);
		assert_non_null(parts[i]);
		assert_int_equal(parts[i]->base, base + i * 64 * KB);
		assert_never_wrong(heap);
	}
	for (size_t i = 0; i < lengthof(parts); i++)
		assert_whole_chunk(heap, parts[i]);

	for (size_t i = 0; i < lengthof(parts); i++)
		make_ready(heap, parts[i]);
	assert_never_wrong(heap);
	whole = take_chunk(heap, GA_MAX_ORDER);
	assert_non_null(whole);
	assert_int_equal(whole->base, base);
	assert_whole_chunk(heap, whole);
	assert_never_wrong(heap);
}

static void
huge_spans(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *small = take_chunk(heap, heap->min_order);
	ga_chunk *huge = take_span(heap, 200 * MB);
	uintptr_t end;

	assert_non_null(small);
	assert_non_null(huge);
	assert_int_equal(huge->size, 256 * MB);
	end = huge->base + huge->size;
	for (uintptr_t at = huge->base; at < end; at += GA_GRANULE_SIZE)
		assert_ptr_equal(ga_heap_lookup(heap, at), huge);
	for (uintptr_t at = huge->base; at < end; at += GA_SEGMENT_SIZE)
	{
		assert_int_equal(ga_segment_of(heap, at)->base, at);
		assert_ptr_equal(ga_heap_lookup(heap, at + GA_SEGMENT_SIZE - 1), huge);
	}
	assert_ptr_not_equal(ga_heap_lookup(heap, huge->base - 1), huge);
	assert_ptr_not_equal(ga_heap_lookup(heap, end), huge);
	assert_whole_chunk(heap, small);
}

/* The list of segments is in order of address, wherever they come to lie. */
static void
many_segments(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunks[30];

	for (size_t i = 0; i < lengthof(chunks); i++)
	{
		/* Back to the beginning now and then, where room is taken. */
		if (i % 7 == 6)
			heap->hint = chunks[0]->base;
		chunks[i] = take_chunk(heap, GA_MAX_ORDER);
		assert_non_null(chunks[i]);
		assert_heap(heap);
	}
	for (size_t i = 0; i < lengthof(chunks); i++)
		assert_ptr_equal(ga_heap_lookup(heap, chunks[i]->base + 12345), chunks[i]);
	assert_int_equal(heap->reserved, lengthof(chunks) * GA_SEGMENT_SIZE);
}

/* Where hints lead to odd addresses, what is reserved is still aligned. */
static void
unaligned_address_space(void **state)
{
	ga_heap *heap = *state;
	ga_chunk *chunk;

	fake_misalign();
	for (int i = 0; i < 5; i++)
	{
		chunk = take_chunk(heap, GA_MAX_ORDER);
		assert_non_null(chunk);
		assert_int_equal(chunk->base % GA_SEGMENT_SIZE, 0);
		poke_word((void *) chunk->base, 1);
	}
	chunk = take_span(heap, 100 * MB);
	assert_non_null(chunk);
	assert_int_equal(chunk->base % GA_SEGMENT_SIZE, 0);
	assert_heap(heap);
	assert_access(heap);

	/* What was reserved in excess was given back. */
	assert_int_equal(fake_reserved(), heap->reserved + heap->metadata.reserved);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(foreign_addresses),	   TEST(beside_segments), TEST(chunks_of_every_order),
		TEST(split_and_merged_chunks), TEST(huge_spans),	  TEST(many_segments),
		TEST(unaligned_address_space),
	};

	return cmocka_run_group_tests_name("address_map", tests, NULL, NULL);
}
