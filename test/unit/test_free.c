/*-------------------------------------------------------------------------
 *
 * test_free.c
 *	  Freeing objects, and what is none.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "free_list.h"
#include "support.h"

#define HEADER GA_HEADER_SIZE

static void
the_last_object_is_freed_in_place(void **state)
{
	static ga_arena arena;
	char *first;
	char *last;

	begin(&arena, *state, GA_QUARANTINE_OFF);
	first = alloc(&arena, 100);
	last = alloc(&arena, 200);
	free_object(&arena, last);
	assert_ptr_equal(alloc(&arena, 300), last);
	free_object(&arena, last);
	free_object(&arena, first);
	assert_ptr_equal(alloc(&arena, 10), first);
	assert_int_equal(usage_of(&arena).used_bytes, bytes_of(first));
	ga_arena_destroy(&arena);
}

/* Whatever frees it, and whatever is asked for next. */
static void
quarantined_addresses_are_not_used_again_at_once(void **state)
{
	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static const size_t sizes[] = {8, 200, 300, 9000, 60 * KB};
		static ga_arena arena;

		begin(&arena, *state, (ga_quarantine) mode);
		for (size_t i = 0; i < lengthof(sizes); i++)
			for (size_t next = 0; next < lengthof(sizes); next++)
			{
				char *last = alloc(&arena, sizes[i]);
				size_t size = ga_object_size(last);
				char *object;

				free_object(&arena, last);
				object = alloc(&arena, sizes[next]);
				assert_false(object + ga_object_size(object) > last && object < last + size);

				/* Nor is what an object shrinks by. */
				last = alloc(&arena, sizes[i]);
				size = ga_object_size(last);
				(void) ga_arena_realloc(&arena, last, 8);
				object = alloc(&arena, sizes[next]);
				assert_false(object + ga_object_size(object) > last && object < last + size);
			}
		assert_heap(*state);
		ga_arena_destroy(&arena);
	}
}

static void
freed_objects_come_back_by_class(void **state)
{
	static ga_arena arena;
	char *objects[10];

	begin(&arena, *state, GA_QUARANTINE_OFF);
	for (int i = 0; i < 10; i++)
		objects[i] = alloc(&arena, 100);
	(void) alloc(&arena, 1);
	free_object(&arena, objects[2]);
	free_object(&arena, objects[5]);
	assert_int_equal(usage_of(&arena).free_objects, 2);

	/* Only for a size of the same class, the last one first. */
	assert_ptr_not_equal(alloc(&arena, 96), objects[5]);
	assert_ptr_not_equal(alloc(&arena, 105), objects[5]);
	assert_ptr_equal(alloc(&arena, 97), objects[5]);
	assert_ptr_equal(alloc(&arena, 104), objects[2]);
	assert_int_equal(ga_object_requested(objects[2]), 104);
	assert_int_equal(usage_of(&arena).free_objects, 0);
	ga_arena_destroy(&arena);
}

static void
large_classes_come_back_too(void **state)
{
	static ga_arena arena;
	char *object;

	set_chunk_size(*state, 8 * MB);
	begin(&arena, *state, GA_QUARANTINE_OFF);
	for (size_t size = GA_SMALL_MAX + 1; size <= 2 * MB; size = size * 3 / 2)
	{
		object = alloc(&arena, size);
		(void) alloc(&arena, 1);
		free_object(&arena, object);
		assert_ptr_equal(alloc(&arena, size), object);
		assert_heap(*state);
	}
	ga_arena_destroy(&arena);
}

/*
 * free_much
 *		Free as many objects in the active chunk as it takes for an arena to be
 *		trimmed.
 */
static void
free_much(ga_arena *arena)
{
	void *objects[100];

	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc(arena, 1000);
	for (size_t i = 0; i < lengthof(objects); i++)
		free_object(arena, objects[i]);
}

static void
a_full_chunk_leaves_without_objects(void **state)
{
	ga_heap *heap = *state;
	void *objects[500];
	static ga_arena arena;
	const ga_chunk *chunk;
	int count;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	count = fill_chunk(&arena, objects, 100);
	chunk = chunk_at(heap, objects[0]);
	assert_int_equal(chunk->state, GA_FULL);

	/* From the middle outwards; the last object lies in the next chunk. */
	for (int i = 0; i < count - 2; i++)
		free_object(&arena, objects[(i + count / 2) % (count - 1)]);
	ga_heap_trim_arenas(heap);
	assert_int_equal(chunk->state, GA_FULL);
	assert_int_equal(ga_free_list_length(&arena, ga_class_of(100)), count - 2);

	free_object(&arena, objects[(count - 2 + count / 2) % (count - 1)]);
	assert_int_equal(chunk->state, GA_FULL);
	assert_heap(heap);
	ga_heap_trim_arenas(heap);
	assert_int_equal(chunk->state, GA_READY);
	assert_int_equal(arena.full.count, 0);
	assert_int_equal(ga_free_list_length(&arena, ga_class_of(100)), 0);
	assert_int_equal(usage_of(&arena).chunks, 1);
	assert_int_equal(usage_of(&arena).used_bytes, bytes_of(objects[count - 1]));
	assert_heap(heap);
	(void) alloc(&arena, 100);
	ga_arena_destroy(&arena);
}

/* Nobody has to ask for it, once there is enough on the free lists. */
static void
frees_let_chunks_leave(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		void *objects[500];
		static ga_arena arena;
		const ga_chunk *chunk;
		int count;
		static const int left_to[] = {GA_READY, GA_FAULT, GA_FAULT};

		begin(&arena, heap, (ga_quarantine) mode);
		count = fill_chunk(&arena, objects, 100);
		chunk = chunk_at(heap, objects[0]);
		for (int i = 0; i < count - 1; i++)
			free_object(&arena, objects[i]);
		assert_int_equal(chunk->state, GA_FULL);
		for (int i = 0; i < 10 && chunk->state == GA_FULL; i++)
			free_much(&arena);
		assert_int_equal(chunk->state, left_to[mode]);

		/* In strict arenas it faults, though others in its slot live on. */
		if (mode == GA_QUARANTINE_STRICT)
			assert_true(read_faults(objects[0]));
		assert_heap(heap);
		ga_arena_destroy(&arena);
	}
}

/* What stays on the lists is not looked through again for each free. */
static void
trims_are_rare(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	static void *objects[20000];
	size_t trims = 0;

	set_chunk_size(heap, 8 * MB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc(&arena, 100);

	/* One in ten stays, so that no chunk can leave. */
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t before = arena.trim_at;

		if (i % 10 != 0)
			free_object(&arena, objects[i]);
		trims += arena.trim_at != before;
	}
	assert_in_range(trims, 2, 6);
	assert_heap(heap);

	ga_arena_reset(&arena);
	assert_int_equal(arena.trim_at, GA_TRIM_MIN);
	ga_arena_destroy(&arena);
}

/* A trim that lets no chunk leave looks at no free object: the list leads nowhere meanwhile. */
static void
trims_in_vain_walk_no_list(void **state)
{
	static ga_arena arena;
	static void *objects[2000];
	void **head;
	void *first;

	set_chunk_size(*state, 64 * KB);
	begin(&arena, *state, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc(&arena, 100);
	for (size_t i = 0; i < lengthof(objects); i += 2)
		free_object(&arena, objects[i]);
	head = &arena.free_lists->heads[ga_class_of(100)];
	first = *head;
	*head = (void *) (uintptr_t) 8;
	ga_arena_trim(&arena);
	*head = first;
	assert_heap(*state);
	ga_arena_destroy(&arena);
}

/* Nor are many chunks looked at each time that one of them can leave. */
static void
trims_of_many_chunks_are_rarer(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	static void *objects[60000];
	size_t trims = 0;
	size_t most;

	set_chunk_size(heap, 64 * KB);
	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc(&arena, 1000);
	most = arena.full.count;
	assert_in_range(most, 900, 1200);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t before = arena.full.count;

		free_object(&arena, objects[i]);
		trims += arena.full.count < before;
		assert_true(arena.free_bytes <= ga_max_size(2 * GA_TRIM_MIN, most * GA_TRIM_PER_CHUNK));
	}
	assert_in_range(trims, 50, most / 3);
	ga_arena_destroy(&arena);
}

/* The fast way frees in the active chunk and in one more, which can be gone. */
static void
freeing_here_and_there(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	static void *objects[3000];
	uint64_t random = 5;
	size_t count = lengthof(objects);

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < count; i++)
		objects[i] = alloc(&arena, 100);
	while (count > 0)
	{
		size_t i = random_below(&random, count);

		free_object(&arena, objects[i]);
		assert_int_equal(ga_arena_free(&arena, objects[i]),
						 chunk_at(heap, objects[i])->state == GA_READY ? GA_FREE_WILD
																	   : GA_FREE_DOUBLE);
		objects[i] = objects[--count];
		if (count % 50 == 0)
			assert_heap(heap);
	}
	ga_arena_trim(&arena);
	assert_int_equal(arena.full.count, 0);
	assert_int_equal(arena.full_size, 0);
	ga_arena_destroy(&arena);
}

/* The last object of a full chunk can end where the active chunk begins. */
static void
freeing_just_before_the_active_chunk(void **state)
{
	static ga_arena arena;
	const size_t size = 128 - HEADER;
	char *before = NULL;
	char *last = NULL;
	char *object;

	begin(&arena, *state, GA_QUARANTINE_OFF);
	do
	{
		before = last;
		last = alloc(&arena, size);
	} while (arena.full.count == 0 || arena.ptr < arena.end);
	object = alloc(&arena, size);
	assert_ptr_equal(object, last + 128);
	assert_int_equal(arena.full.count, 2);

	free_object(&arena, before);
	free_object(&arena, object);
	free_object(&arena, last);
	assert_heap(*state);
	assert_ptr_equal(alloc(&arena, size), last);
	assert_ptr_equal(alloc(&arena, size), before);
	assert_ptr_equal(alloc(&arena, size), object);
	ga_arena_destroy(&arena);
}

static void
freeing_twice(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		uint64_t frees = frees_in(heap);
		char *object;
		char *last;
		char *span;

		begin(&arena, heap, (ga_quarantine) mode);
		(void) alloc(&arena, 10);
		object = alloc(&arena, 100);
		last = alloc(&arena, 100);
		span = alloc(&arena, 100 * KB);

		/* On a free list or in the delay queue; freed in place; given up. */
		free_object(&arena, object);
		free_object(&arena, last);
		free_object(&arena, span);
		for (int i = 0; i < 2; i++)
		{
			assert_int_equal(ga_arena_free(&arena, object), GA_FREE_DOUBLE);
			assert_int_equal(ga_arena_free(&arena, last), GA_FREE_DOUBLE);
			assert_int_equal(ga_arena_free(&arena, span), GA_FREE_WILD);
			assert_int_equal(ga_arena_check_object(&arena, object), GA_FREE_DOUBLE);
		}
		assert_int_equal(frees_in(heap) - frees, 3);
		assert_heap(heap);
		ga_arena_destroy(&arena);
	}
}

static void
freeing_what_is_no_object(void **state)
{
	ga_heap *heap = *state;
	static char elsewhere[64];
	void *allocated = malloc(100);

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		static ga_arena other;
		uint64_t frees = frees_in(heap);
		char *object;
		char *span;
		char *others;

		begin(&arena, heap, (ga_quarantine) mode);
		begin(&other, heap, (ga_quarantine) mode);
		object = alloc(&arena, 1000);
		memset(object, 0, 1000);
		span = alloc(&arena, 300 * KB);
		memset(span, 0, 300 * KB);
		others = alloc(&other, 1000);

		/* Interior, also unaligned. */
		for (size_t i = 1; i < 1000; i++)
			assert_int_equal(ga_arena_free(&arena, object + i), GA_FREE_WILD);
		for (size_t i = 1; i < 300 * KB; i += i < 100 ? 1 : 1001)
			assert_int_equal(ga_arena_free(&arena, span + i), GA_FREE_WILD);

		/* Its header, the chunk's beginning, and its rest. */
		for (size_t i = 1; i <= HEADER; i++)
			assert_int_equal(ga_arena_free(&arena, object - i), GA_FREE_WILD);
		for (uintptr_t addr = arena.ptr; addr < arena.end; addr += 8)
			assert_int_equal(ga_arena_free(&arena, (void *) addr), GA_FREE_WILD);

		/* The part of a span's chunk that cannot be accessed. */
		for (uintptr_t addr = chunk_at(heap, span)->base;
			 addr < chunk_at(heap, span)->base + 512 * KB; addr += 4096)
			assert_int_equal(ga_arena_free(&arena, (void *) addr), GA_FREE_WILD);

		/* Another arena's, and nobody's. */
		assert_int_equal(ga_arena_free(&arena, others), GA_FREE_WILD);
		assert_int_equal(ga_arena_free(&arena, (void *) (heap->segments->base + 60 * MB)),
						 GA_FREE_WILD);

		/* Not the heap's. */
		assert_int_equal(ga_arena_free(&arena, NULL), GA_FREE_FOREIGN);
		assert_int_equal(ga_arena_free(&arena, elsewhere), GA_FREE_FOREIGN);
		assert_int_equal(ga_arena_free(&arena, allocated), GA_FREE_FOREIGN);
		assert_int_equal(ga_arena_free(&arena, &arena), GA_FREE_FOREIGN);
		assert_int_equal(ga_arena_free(&arena, (void *) UINTPTR_MAX), GA_FREE_FOREIGN);

		assert_int_equal(frees_in(heap), frees);
		assert_heap(heap);
		free_object(&arena, object);
		ga_arena_destroy(&arena);
		ga_arena_destroy(&other);
	}
	free(allocated);
}

/* Contents that look like headers, but not like those of objects there. */
static void
freeing_behind_false_headers(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	const size_t sizes[] = {0, 8 * 17, 1000, 2048, MB, (size_t) 1 << 37};

	begin(&arena, heap, GA_QUARANTINE_OFF);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		char *object = alloc(&arena, 2000);

		memset(object, 0, 2000);
		*(uint64_t *) (object + 800 - HEADER) =
			(uint64_t) sizes[i] >> 3 << GA_HDR_SIZE_SHIFT | GA_HDR_LIVE | 5;
		assert_int_equal(ga_arena_free(&arena, object + 800), GA_FREE_WILD);
		assert_int_equal(ga_arena_check_object(&arena, object), GA_FREE_OK);
	}
	ga_arena_destroy(&arena);
}

/* Objects of an earlier life are no objects. */
static void
freeing_after_a_reset(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		char *objects[20];

		begin(&arena, heap, (ga_quarantine) mode);
		for (int i = 0; i < 20; i++)
			objects[i] = alloc(&arena, 100);
		ga_arena_reset(&arena);
		for (int i = 0; i < 20; i++)
			assert_int_equal(ga_arena_free(&arena, objects[i]), GA_FREE_WILD);
		memset(alloc(&arena, 500), 0, 500);
		for (int i = 1; i < 20; i++)
			assert_int_equal(ga_arena_free(&arena, objects[i]), GA_FREE_WILD);
		assert_heap(heap);
		ga_arena_destroy(&arena);
	}
}

/* A chunk whose pages were used further than a new span in it goes. */
static void
freeing_behind_a_short_span(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *long_span;
	char *span;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	long_span = alloc(&arena, 500 * KB);
	memset(long_span, 0x11, 500 * KB);
	free_object(&arena, long_span);
	span = alloc(&arena, 300 * KB);
	assert_ptr_equal(span, long_span);
	for (size_t i = 8; i < 512 * KB - HEADER; i += 4096)
		assert_int_equal(ga_arena_free(&arena, span + i), GA_FREE_WILD);
	free_object(&arena, span);
	ga_arena_destroy(&arena);
}

/* Where there is no memory for free lists, an object is dead until the reset. */
static void
freeing_without_memory_for_free_lists(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		void *objects[500];
		int count;

		begin(&arena, heap, (ga_quarantine) mode);
		count = fill_chunk(&arena, objects, 100);

		/* Use up what metadata is mapped, in small pieces. */
		fake_fail_from(OS_MAP, 1, ENOMEM);
		while (ga_persistent_alloc(&heap->metadata, 16) != NULL)
			;
		for (int i = 0; i < count - 2; i++)
		{
			free_object(&arena, objects[i]);
			assert_int_equal(ga_arena_free(&arena, objects[i]), GA_FREE_DOUBLE);
			assert_heap(heap);
		}
		assert_null(arena.free_lists);
		assert_null(arena.delay);
		assert_int_equal(usage_of(&arena).used_bytes, 2 * bytes_of(objects[count - 1]));
		assert_int_equal(usage_of(&arena).free_objects, 0);
		free_object(&arena, objects[count - 2]);
		ga_arena_trim(&arena);
		assert_int_equal(arena.full.count, 1);
		ga_arena_reset(&arena);
		assert_int_equal(arena.full.count, 0);
		assert_int_equal(usage_of(&arena).used_bytes, 0);
		ga_arena_destroy(&arena);
		fake_fail_never();
	}
}

#if SANITIZED
/* A sanitizer knows of every byte whether it may be used. */
static void
sanitizer_is_told(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *object;
	char *span;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	object = alloc(&arena, 100);
	span = alloc(&arena, 100 * KB);
	assert_null(__asan_region_is_poisoned(object, 104));
	assert_null(__asan_region_is_poisoned(span, 100 * KB));
	assert_true(__asan_address_is_poisoned(object + 104));
	(void) alloc(&arena, 8);
	free_object(&arena, object);
	for (int i = 0; i < 104; i++)
		assert_true(__asan_address_is_poisoned(object + i));
	assert_ptr_equal(alloc(&arena, 100), object);
	assert_null(__asan_region_is_poisoned(object, 104));
	ga_arena_reset(&arena);
	for (int i = 0; i < 104; i++)
		assert_true(__asan_address_is_poisoned(object + i));
	ga_arena_destroy(&arena);
	assert_true(__asan_address_is_poisoned(span + 50 * KB));
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_object_is_freed_in_place),
		TEST(quarantined_addresses_are_not_used_again_at_once),
		TEST(freed_objects_come_back_by_class),
		TEST(large_classes_come_back_too),
		TEST(a_full_chunk_leaves_without_objects),
		TEST(frees_let_chunks_leave),
		TEST(trims_are_rare),
		TEST(trims_in_vain_walk_no_list),
		TEST(trims_of_many_chunks_are_rarer),
		TEST(freeing_here_and_there),
		TEST(freeing_just_before_the_active_chunk),
		TEST(freeing_twice),
		TEST(freeing_what_is_no_object),
		TEST(freeing_behind_false_headers),
		TEST(freeing_after_a_reset),
		TEST(freeing_behind_a_short_span),
		TEST(freeing_without_memory_for_free_lists),
#if SANITIZED
		TEST(sanitizer_is_told),
#endif
	};

	return cmocka_run_group_tests_name("free", tests, NULL, NULL);
}
