/*-------------------------------------------------------------------------
 *
 * test_realloc.c
 *	  Objects that grow and shrink, in place, by copying, and by moving pages.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

#define HEADER GA_HEADER_SIZE

static void *
resize(ga_arena *arena, void *object, size_t size)
{
	void *result = ga_arena_realloc(arena, object, size);

	assert_non_null(result);
	assert_true(ga_object_size(result) >= size);
	return result;
}

static void
from_every_kind_to_every_kind(void **state)
{
	static const size_t sizes[] = {
		0,	   1,		8,			 9,		  100,	   1000,	 8184,	 8192,	 8193,
		12000, 16 * KB, 16 * KB + 1, 60 * KB, 64 * KB, 100 * KB, 1 * MB, 5 * MB,
	};

	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (int last = 0; last < 2; last++)
		{
			ga_config config = usual_config();
			model *m;

			config.quarantine = (ga_quarantine) mode;
			m = new_model(new_heap(&config));
			model_create(m, 0, 0);
			for (size_t from = 0; from < lengthof(sizes); from++)
				for (size_t to = 0; to < lengthof(sizes); to++)
				{
					assert_true(model_alloc(m, 0, sizes[from]));
					if (!last)
						assert_true(model_alloc(m, 0, 8));
					assert_true(model_realloc(m, 0, 0, sizes[to]));
					model_check(m);
					model_check_contents(m);
					while (m->arenas[0].count > 0)
						model_free(m, 0, 0);
				}
			delete_model(m);
		}
}

static void
the_last_object_changes_in_place(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_ON; mode++)
	{
		static ga_arena arena;
		char *object;

		begin(&arena, heap, (ga_quarantine) mode);
		(void) alloc(&arena, 100);
		object = alloc(&arena, 100);
		for (size_t size = 100; size < 7500; size += 37)
		{
			assert_ptr_equal(resize(&arena, object, size), object);
			assert_int_equal(ga_object_requested(object), size);
			assert_int_equal((uintptr_t) object + ga_object_size(object), arena.ptr);
			assert_heap(heap);
		}
		for (size_t size = 7500; size > 0; size -= 50)
		{
			assert_ptr_equal(resize(&arena, object, size), object);
			assert_int_equal((uintptr_t) object + ga_object_size(object), arena.ptr);
			assert_heap(heap);
		}

		/* Not beyond the chunk. */
		assert_ptr_not_equal(resize(&arena, object, 8100), object);
		ga_arena_destroy(&arena);
	}
}

/* In strict arenas pointers to the old place must be found. */
/* When an object has to move, it is to a chunk in which it can go on growing. */
static void
objects_that_grow_get_room(void **state)
{
	ga_config config = usual_config();
	ga_heap *heap;
	ga_arena arena;
	void *object;
	int moves = 0;

	(void) state;
	config.quarantine = GA_QUARANTINE_OFF;
	config.chunk_size = 4 * MB;
	heap = new_heap(&config);
	ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	object = ga_arena_alloc(&arena, 12000);
	for (size_t size = 24000; size <= 768000; size *= 2)
	{
		void *before = object;

		object = resize(&arena, object, size);
		moves += object != before;
	}
	assert_int_equal(moves, 3); /* to 64 kB, 512 kB and 4 MB */
	assert_heap(heap);
	ga_arena_destroy(&arena);
	delete_heap(heap);
}

static void
strict_objects_move_to_grow(void **state)
{
	static ga_arena arena;
	char *object;
	char *grown;

	begin(&arena, *state, GA_QUARANTINE_STRICT);
	object = alloc(&arena, 100);
	assert_ptr_equal(resize(&arena, object, 104), object);
	grown = resize(&arena, object, 105);
	assert_ptr_not_equal(grown, object);
	assert_int_equal(ga_arena_check_object(&arena, object), GA_FREE_DOUBLE);
	assert_int_equal(peek_word(object), GA_POISON);
	assert_ptr_equal(resize(&arena, grown, 50), grown);
	assert_int_equal(ga_object_requested(grown), 50);
	ga_arena_destroy(&arena);
}

/*
 * An object at the very end of a full chunk is not the last one, even if the
 * active chunk follows it in memory and is empty.
 */
static void
the_last_object_of_the_chunk_before(void **state)
{
	ga_heap *heap = *state;

	for (int again = 0; again < 2; again++)
	{
		static ga_arena arena;
		ga_chunk *chunk;
		char *object;
		char *next;
		int tries = 0;

		begin(&arena, heap, GA_QUARANTINE_OFF);
		arena.next_order = 16;
		do
		{
			assert_true(++tries < 10);
			object = alloc(&arena, 128 - HEADER);
			chunk = arena.active;
			while (arena.ptr < arena.end)
				object = alloc(&arena, 128 - HEADER);
			next = alloc(&arena, 128 - HEADER);
		} while (arena.active->base != chunk->base + chunk->size);
		free_object(&arena, next);
		assert_int_equal((uintptr_t) object + ga_object_size(object), arena.ptr);
		assert_heap(heap);

		fill(object, 100, 1);
		assert_ptr_equal(resize(&arena, object, 100), object);
		assert_heap(heap);
		assert_ptr_not_equal(resize(&arena, object, 500), object);
		assert_heap(heap);
		assert_ptr_equal(arena.active, chunk_at(heap, next));
		ga_arena_destroy(&arena);
	}
}

static void
the_last_object_becomes_a_span(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *object;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	(void) alloc(&arena, 16 * KB);
	object = alloc(&arena, 16 * KB);
	assert_false(chunk_at(heap, object)->large);
	fill(object, 16 * KB, 9);
	object = resize(&arena, object, 16 * KB + 1);
	assert_true(chunk_at(heap, object)->large);
	assert_true(is_filled(object, 16 * KB, 9));
	ga_arena_destroy(&arena);
}

/* Above 8 kB, an object that loses more than half of its size moves. */
static void
what_is_much_too_large_moves(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	static size_t meter;
	char *object;
	char *moved;

	set_chunk_size(heap, MB);
	set_mode(heap, GA_QUARANTINE_OFF);
	meter = 0;
	ga_arena_init(&arena, heap, 0, 0, &meter, 0);
	object = alloc(&arena, 100 * KB);
	fill(object, 100 * KB, 2);
	(void) alloc(&arena, 8);
	assert_ptr_equal(resize(&arena, object, 60 * KB), object);
	assert_int_equal(ga_object_requested(object), 60 * KB);
	assert_true(meter > 100 * KB);
	moved = resize(&arena, object, 40 * KB);
	assert_ptr_not_equal(moved, object);
	assert_true(is_filled(moved, 40 * KB, 2));
	assert_true(meter < 64 * KB);

	/* Small ones stay where they are. */
	object = alloc(&arena, 8 * KB);
	(void) alloc(&arena, 8);
	assert_ptr_equal(resize(&arena, object, 1), object);
	ga_arena_destroy(&arena);
}

static void
without_memory_an_object_is_as_it_was(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *object;
	char *large;

	/* All address space is taken, and the active chunk is full. */
	begin(&arena, heap, GA_QUARANTINE_OFF);
	object = alloc(&arena, 100);
	fill(object, 100, 3);
	large = alloc(&arena, 12 * KB);
	fill(large, 12 * KB, 4);
	(void) alloc(&arena, 8);
	for (int order = GA_MAX_ORDER; order >= heap->min_order; order--)
		while (!ga_list_empty(&heap->fresh[order]))
			(void) take_chunk(heap, order);
	fake_cap_reserved(fake_reserved());
	while (ga_arena_alloc(&arena, 8) != NULL)
		;

	assert_null(ga_arena_realloc(&arena, object, 200));
	assert_null(ga_arena_realloc(&arena, object, 100 * KB));
	assert_true(is_filled(object, 100, 3));
	assert_int_equal(ga_object_requested(object), 100);
	assert_heap(heap);

	/* What only would have moved to save memory shrinks in place. */
	assert_ptr_equal(resize(&arena, large, 4 * KB), large);
	assert_int_equal(ga_object_requested(large), 4 * KB);
	assert_true(is_filled(large, 4 * KB, 4));
	ga_arena_destroy(&arena);
}

/*
 * Spans
 */

static void
spans_double_up_to_256_mb(void **state)
{
	(void) state;
	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		ga_config config = usual_config();
		ga_heap *heap;
		model *m;
		uint64_t moves = 0;

		config.quarantine = (ga_quarantine) mode;
		heap = new_heap(&config);
		m = new_model(heap);
		model_create(m, 0, 0);
		assert_true(model_alloc(m, 0, MB));
		for (size_t size = 2 * MB; size <= 256 * MB; size *= 2)
		{
			const char *before = m->arenas[0].objects[0].addr;

			assert_true(model_realloc(m, 0, 0, size));
			moves += m->arenas[0].objects[0].addr != before;
			model_check(m);
			assert_access(heap);
		}
		/* Unquarantined, 2 MB has room up to 8, 16 MB up to 64, and what is larger none. */
		assert_int_equal(moves, mode == GA_QUARANTINE_OFF ? 5 : 8);
		assert_int_equal(fake_calls(OS_MOVE), moves);

		/* And back, in place; pages are given back on the way. */
		for (size_t size = 200 * MB; size >= MB; size = size * 2 / 3)
		{
			const model_object *o = &m->arenas[0].objects[0];
			const char *before = o->addr;

			assert_true(model_realloc(m, 0, 0, size));
			assert_ptr_equal(o->addr, before);
			assert_true(heap->in_use < size + 3 * 4096 + 8 * KB);
			model_check(m);
		}
		assert_access(heap);
		delete_model(m);
	}
}

static void
spans_grow_in_their_chunk(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		char *object;
		uint64_t moves = fake_calls(OS_MOVE);

		begin(&arena, heap, (ga_quarantine) mode);
		object = alloc(&arena, 70 * KB);
		for (size_t size = 74 * KB; size <= 126 * KB; size += 4 * KB)
		{
			char *grown = resize(&arena, object, size);

			/* In the nursery there is no room to grow, so that a stale pointer is noticed. */
			assert_true(grown == object ? mode != GA_QUARANTINE_STRICT : mode != GA_QUARANTINE_OFF);
			if (mode == GA_QUARANTINE_STRICT)
				assert_true(read_faults(object));
			object = grown;
			memset(object, 1, size);
			assert_heap(heap);
		}
		/* Each strict one has a slot, whose pages move into the next. */
		assert_int_equal(fake_calls(OS_MOVE) - moves, mode == GA_QUARANTINE_STRICT ? 14 : 0);
		ga_arena_destroy(&arena);
	}
}

/* Within its last page a span only changes what its header says. */
static void
spans_change_within_a_page(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *object;
	uint64_t calls;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	object = alloc(&arena, 100 * KB);
	calls = fake_all_calls();
	for (size_t size = 100 * KB; size <= 104 * KB - HEADER; size++)
	{
		assert_ptr_equal(resize(&arena, object, size), object);
		assert_int_equal(ga_object_requested(object), size);
	}
	assert_int_equal(fake_all_calls(), calls);
	ga_arena_destroy(&arena);
}

static void
shrinking_spans_give_pages_back(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *object;
	ga_chunk *chunk;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	object = alloc(&arena, 1000 * KB);
	chunk = chunk_at(heap, object);
	fill(object, 1000 * KB, 6);
	assert_ptr_equal(resize(&arena, object, 100), object);
	assert_true(chunk->large);
	assert_true(is_filled(object, 100, 6));
	assert_int_equal(resident_pages((void *) chunk->base, chunk->size), 1);
	assert_int_equal(chunk->charged, 4096);
	assert_true(read_faults((void *) (chunk->base + 4096)));

	/* What comes back is clean. */
	assert_ptr_equal(resize(&arena, object, 50 * KB), object);
	assert_int_equal(peek_word(object + 40 * KB), 0);
	ga_arena_destroy(&arena);
}

static void
shrinking_that_fails_leaves_a_span_usable(void **state)
{
	ga_heap *heap = *state;
	static const os_call calls[] = {OS_UNUSE, OS_DROP};

	for (size_t i = 0; i < lengthof(calls); i++)
	{
		static ga_arena arena;
		char *object;

		begin(&arena, heap, GA_QUARANTINE_ON);
		object = alloc(&arena, 1000 * KB);
		fill(object, 1000 * KB, 6);
		fake_fail(calls[i], 1, ENOMEM);
		assert_ptr_equal(resize(&arena, object, 100 * KB), object);
		assert_int_equal(ga_object_requested(object), 100 * KB);
		assert_true(is_filled(object, 100 * KB, 6));
		assert_heap(heap);
		assert_ptr_equal(resize(&arena, object, 500 * KB), object);
		fill(object, 500 * KB, 7);
		assert_heap(heap);
		ga_arena_destroy(&arena);
	}
}

static void
a_moved_span_leaves_its_addresses_behind(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		char *object;
		char *moved;
		size_t quarantined = heap->fresh_quarantine;
		size_t touched;

		begin(&arena, heap, (ga_quarantine) mode);
		object = alloc(&arena, 3 * MB);
		fill(object, 3 * MB, 8);
		touched = heap->touched;
		moved = resize(&arena, object, 9 * MB);
		assert_ptr_not_equal(moved, object);
		assert_true(is_filled(moved, 3 * MB, 8));
		assert_int_equal(heap->touched, touched + 6 * MB);
		assert_int_equal(state_at(heap, (uintptr_t) object),
						 mode == GA_QUARANTINE_OFF ? GA_FRESH : GA_QUARANTINED);
		assert_int_equal(ga_arena_free(&arena, object), GA_FREE_WILD);
		assert_true(read_faults(object));
		assert_heap(heap);

		/* Its pages are gone, but addresses are what a sweep gets back. */
		assert_int_equal(heap->fresh_quarantine - quarantined,
						 mode == GA_QUARANTINE_OFF ? 0 : 4 * MB);
		free_object(&arena, moved);
		ga_arena_destroy(&arena);
		sweep_nothing(heap);

		/* What nothing points to is reserved again when it is wanted. */
		while (heap->swept_slots > 0)
			(void) take_chunk(heap, GA_SLOT_ORDER);
		assert_heap(heap);
	}
}

static void
pages_that_cannot_be_moved_are_copied(void **state)
{
	ga_heap *heap = *state;
	static const int errors[] = {EFAULT, ENOMEM, EPERM};

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
		for (size_t i = 0; i < lengthof(errors); i++)
		{
			static ga_arena arena;
			char *object;

			begin(&arena, heap, (ga_quarantine) mode);
			object = alloc(&arena, 3 * MB);
			fill(object, 3 * MB, 8);
			fake_fail_from(OS_MOVE, 1, errors[i]);
			object = resize(&arena, object, 9 * MB);
			assert_true(is_filled(object, 3 * MB, 8));
			assert_heap(heap);
			assert_access(heap);
			ga_arena_destroy(&arena);

			/* Where it is not allowed, nobody asks any more; that is told once. */
			assert_int_equal(heap->moves_refused, errors[i] == EPERM);
			assert_int_equal(heap->num_events, mode * 1 + (errors[i] == EPERM));
			fake_fail_never();
			heap->moves_refused = heap->move_failure_told = false;
			fake_lose_targets();
		}
}

static void
a_span_that_cannot_grow_is_as_it_was(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		static ga_arena arena;
		char *object;

		begin(&arena, heap, (ga_quarantine) mode);
		object = alloc(&arena, 3 * MB);
		fill(object, 3 * MB, 8);
		fake_fail_from(OS_USE, 1, ENOMEM);
		fake_fail_from(OS_MAP, 1, ENOMEM);
		fake_fail_from(OS_MOVE, 1, ENOMEM);
		assert_null(ga_arena_realloc(&arena, object, 3500 * KB));
		assert_null(ga_arena_realloc(&arena, object, 9 * MB));
		assert_null(ga_arena_realloc(&arena, object, (size_t) (2 + mode) * 100 * MB));
		assert_true(is_filled(object, 3 * MB, 8));
		assert_int_equal(ga_object_requested(object), 3 * MB);
		assert_heap(heap);
		assert_access(heap);
		fake_fail_never();
		object = resize(&arena, object, (size_t) (2 + mode) * 100 * MB);
		assert_true(is_filled(object, 3 * MB, 8));
		ga_arena_destroy(&arena);
	}
}

/* A span that was moved moves again as one. */
static void
spans_move_again_and_again(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	size_t size = 300 * KB;
	char *object;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	object = alloc(&arena, size);
	fill(object, size, size);
	for (int i = 0; i < 30; i++)
	{
		size_t larger = size + (size_t) (i % 3 + 1) * 12 * KB;

		object = resize(&arena, object, larger);
		assert_true(is_filled(object, size, size));
		size = larger;
		fill(object, size, size);
		assert_heap(heap);
	}
	assert_int_equal(fake_calls(OS_MOVE), 30);
	assert_access(heap);
	ga_arena_destroy(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_every_kind_to_every_kind),
		TEST(the_last_object_changes_in_place),
		cmocka_unit_test(objects_that_grow_get_room),
		TEST(strict_objects_move_to_grow),
		TEST(the_last_object_of_the_chunk_before),
		TEST(the_last_object_becomes_a_span),
		TEST(what_is_much_too_large_moves),
		TEST(without_memory_an_object_is_as_it_was),
		cmocka_unit_test(spans_double_up_to_256_mb),
		TEST(spans_grow_in_their_chunk),
		TEST(spans_change_within_a_page),
		TEST(shrinking_spans_give_pages_back),
		TEST(shrinking_that_fails_leaves_a_span_usable),
		TEST(a_moved_span_leaves_its_addresses_behind),
		TEST(pages_that_cannot_be_moved_are_copied),
		TEST(a_span_that_cannot_grow_is_as_it_was),
		TEST(spans_move_again_and_again),
	};

	return cmocka_run_group_tests_name("realloc", tests, NULL, NULL);
}
