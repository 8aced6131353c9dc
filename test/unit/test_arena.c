/*-------------------------------------------------------------------------
 *
 * test_arena.c
 *	  Arenas: allocation of every size, chunks, and lives.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

#define HEADER GA_HEADER_SIZE

static int
setup(void **state)
{
	ga_config config = usual_config();

	*state = new_heap(&config);
	return 0;
}

static int
teardown(void **state)
{
	assert_heap(*state);
	assert_access(*state);
	delete_heap(*state);
	return 0;
}

/*
 * Allocation
 */

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
	assert_int_equal(model_sweep(m, false).chunks_freed, 4);

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

	begin(&arena, heap, GA_QUARANTINE_ON);
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

/*
 * Lives
 */

static void
a_reset_of_one_chunk_calls_nobody(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_ON; mode++)
		for (size_t credit = 0; credit <= 8 * KB; credit += 8 * KB)
		{
			size_t meter = 0;
			static ga_arena arena;
			uint64_t calls;
			const ga_chunk *chunk;
			char *first;

			set_mode(heap, (ga_quarantine) mode);
			ga_arena_init(&arena, heap, 0, 0, &meter, credit);
			first = alloc(&arena, 50);
			chunk = arena.active;
			calls = fake_all_calls();
			for (int i = 0; i < 10; i++)
			{
				char *object;

				ga_arena_reset(&arena);
				assert_int_equal(meter, 0);
				object = alloc(&arena, 50);
				assert_ptr_equal(arena.active, chunk);
				if (mode == GA_QUARANTINE_OFF)
					assert_ptr_equal(object, first);
				else
					assert_true(object > first);
				assert_heap(heap);
			}
			assert_int_equal(fake_all_calls(), calls);
			assert_int_equal(arena.resets, 10);
			ga_arena_destroy(&arena);
		}
}

static void
off_rewinds(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *small;

	begin(&arena, heap, GA_QUARANTINE_OFF);
	small = alloc(&arena, 100);
	for (int i = 0; i < 300; i++)
		(void) alloc(&arena, 1000);
	(void) alloc(&arena, 100 * KB);
	assert_true(arena.full.count >= 3);
	ga_arena_reset(&arena);
	assert_int_equal(usage_of(&arena).chunks, 1);
	assert_int_equal(usage_of(&arena).used_bytes, 0);
	assert_int_equal(arena.full.count + arena.large.count, 0);
	assert_int_equal(heap->state_chunks[GA_FAULT] + heap->state_chunks[GA_QUARANTINED], 0);
	assert_true(heap->state_chunks[GA_READY] >= 4);
	assert_heap(heap);
	for (int i = 0; i < 100; i++)
		(void) alloc(&arena, 1000);
	ga_arena_destroy(&arena);
	assert_int_equal(heap->state_chunks[GA_ACTIVE] + heap->state_chunks[GA_FULL], 0);
	assert_int_equal(heap->state_chunks[GA_REUSE], 0);
	assert_int_equal(chunk_at(heap, small)->state, GA_READY);
}

/* A chunk above 64 kB is given up by a reset: the next life may be small. */
static void
large_chunks_do_not_stay(void **state)
{
	ga_heap *heap = *state;

	for (int mode = GA_QUARANTINE_OFF; mode <= GA_QUARANTINE_ON; mode++)
	{
		static ga_arena arena;

		set_chunk_size(heap, MB);
		begin(&arena, heap, (ga_quarantine) mode);
		(void) alloc(&arena, 200 * KB);
		assert_int_equal(arena.active->order, 18);
		ga_arena_reset(&arena);
		assert_null(arena.active);
		(void) alloc(&arena, 1);
		assert_true(arena.active->order <= GA_HANDON_ORDER);
		ga_arena_destroy(&arena);
	}
}

static void
on_goes_on_where_it_stood(void **state)
{
	ga_heap *heap = *state;
	static ga_arena first;
	static ga_arena second;
	char *object;
	char *next;
	size_t bytes;

	begin(&first, heap, GA_QUARANTINE_ON);
	object = alloc(&first, 1000);
	bytes = bytes_of(object);
	ga_arena_destroy(&first);
	assert_int_equal(chunk_at(heap, object)->state, GA_REUSE);
	assert_false(read_faults(object));

	/* Arenas in other modes do not take it. */
	begin(&second, heap, GA_QUARANTINE_OFF);
	assert_ptr_not_equal(chunk_at(heap, alloc(&second, 8)), chunk_at(heap, object));
	ga_arena_destroy(&second);
	begin(&second, heap, GA_QUARANTINE_STRICT);
	assert_ptr_not_equal(chunk_at(heap, alloc(&second, 8)), chunk_at(heap, object));
	ga_arena_destroy(&second);

	begin(&second, heap, GA_QUARANTINE_ON);
	next = alloc(&second, 10);
	assert_ptr_equal(next, object + bytes);
	assert_int_equal(usage_of(&second).used_bytes, bytes_of(next));
	assert_int_equal(usage_of(&second).dead_bytes, bytes);
	assert_int_equal(chunk_at(heap, next)->arena_id, second.id);
	assert_heap(heap);
	ga_arena_destroy(&second);
}

static void
handed_on_chunks_are_used_up(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *first = NULL;
	int lives = 0;

	/* Seven eighths of a chunk are used by one arena after the other. */
	while (first == NULL || chunk_at(heap, first)->state == GA_REUSE)
	{
		char *object;

		begin(&arena, heap, GA_QUARANTINE_ON);
		object = alloc(&arena, 1000);
		if (first == NULL)
			first = object;
		assert_ptr_equal(chunk_at(heap, object), chunk_at(heap, first));
		ga_arena_destroy(&arena);
		lives++;
		assert_heap(heap);
	}
	assert_int_equal(lives, 7);
	assert_int_equal(chunk_at(heap, first)->state, GA_FAULT);
}

/* One that has too little room for the arena that needs it goes to quarantine. */
static void
handed_on_chunks_without_room(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *first;
	char *second;

	begin(&arena, heap, GA_QUARANTINE_ON);
	first = alloc(&arena, 5000);
	ga_arena_destroy(&arena);
	assert_int_equal(chunk_at(heap, first)->state, GA_REUSE);
	begin(&arena, heap, GA_QUARANTINE_ON);
	second = alloc(&arena, 5000);
	assert_ptr_not_equal(chunk_at(heap, first), chunk_at(heap, second));
	assert_int_equal(chunk_at(heap, first)->state, GA_FAULT);
	ga_arena_destroy(&arena);
}

/* Arenas that are not quarantined go on in a chunk as they found it. */
static void
off_hands_on_what_it_took_over(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *old;
	char *object;
	ga_chunk *chunk;

	begin(&arena, heap, GA_QUARANTINE_ON);
	old = alloc(&arena, 1000);
	chunk = chunk_at(heap, old);
	set_mode(heap, GA_QUARANTINE_OFF);
	ga_arena_reset(&arena);
	assert_int_equal(arena.mode, GA_QUARANTINE_OFF);
	object = alloc(&arena, 1000);
	assert_ptr_equal(arena.active, chunk);
	assert_true(object > old);
	ga_arena_reset(&arena);
	assert_ptr_equal(alloc(&arena, 1000), object);

	/* What was quarantined stays out of reach, the rest is free again. */
	ga_arena_destroy(&arena);
	assert_int_equal(chunk->state, GA_REUSE);
	assert_int_equal(chunk->used, object - HEADER);
#if SANITIZED
	assert_true(__asan_address_is_poisoned(old));
	assert_true(__asan_address_is_poisoned(object));
#endif
	begin(&arena, heap, GA_QUARANTINE_ON);
	assert_ptr_equal(alloc(&arena, 1000), object);
	ga_arena_destroy(&arena);
}

static void
not_too_many_chunks_are_handed_on(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arenas[GA_HANDON_MAX + 10];

	for (size_t i = 0; i < lengthof(arenas); i++)
	{
		begin(&arenas[i], heap, GA_QUARANTINE_ON);
		(void) alloc(&arenas[i], 100);
	}
	for (size_t i = 0; i < lengthof(arenas); i++)
		ga_arena_destroy(&arenas[i]);
	assert_int_equal(heap->state_chunks[GA_REUSE], GA_HANDON_MAX);
	assert_int_equal(heap->state_chunks[GA_FAULT], 10);
}

static void
on_quarantines_full_chunks(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *small;
	char *span;

	begin(&arena, heap, GA_QUARANTINE_ON);
	small = alloc(&arena, 100);
	span = alloc(&arena, 100 * KB);
	for (int i = 0; i < 100; i++)
		(void) alloc(&arena, 1000);
	ga_arena_reset(&arena);
	assert_int_equal(chunk_at(heap, small)->state, GA_FAULT);
	assert_int_equal(chunk_at(heap, span)->state, GA_FAULT);
	ga_heap_flush_faults(heap);
	assert_true(read_faults(small));
	assert_true(read_faults(span + 99 * KB));
	assert_heap(heap);
	ga_arena_destroy(&arena);
}

static void
strict_faults_at_once(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	char *small;
	char *object;
	char *span;

	begin(&arena, heap, GA_QUARANTINE_STRICT);
	small = alloc(&arena, 100);
	span = alloc(&arena, 100 * KB);
	ga_arena_reset(&arena);
	assert_null(arena.active);
	assert_int_equal(heap->state_chunks[GA_FAULT], 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], 2);
	assert_true(read_faults(small));
	assert_true(write_faults(span));

	object = alloc(&arena, 100);
	assert_ptr_not_equal(chunk_at(heap, object), chunk_at(heap, small));
	span = alloc(&arena, 100 * KB);
	free_object(&arena, span);
	assert_true(read_faults(span));
	ga_arena_destroy(&arena);
	assert_true(read_faults(object));
	assert_int_equal(heap->state_chunks[GA_REUSE], 0);
	assert_int_equal(heap->state_chunks[GA_QUARANTINED], 4);
}

static void
each_life_draws_its_mode(void **state)
{
	ga_heap *heap = *state;

	for (int from = GA_QUARANTINE_OFF; from <= GA_QUARANTINE_STRICT; from++)
		for (int to = GA_QUARANTINE_OFF; to <= GA_QUARANTINE_STRICT; to++)
			for (int full = 0; full < 2; full++)
			{
				static ga_arena arena;
				char *object;
				int state_then;

				begin(&arena, heap, (ga_quarantine) from);
				object = alloc(&arena, 1000);
				for (int i = 0; i < 40 * full; i++)
					(void) alloc(&arena, 1000);

				/* A new setting is for the next life. */
				set_mode(heap, (ga_quarantine) to);
				assert_int_equal(arena.mode, from);
				ga_arena_reset(&arena);
				assert_int_equal(arena.mode, to);
				assert_heap(heap);

				/* What was quarantined in this life does not become ready. */
				state_then = chunk_at(heap, object)->state;
				if (from == GA_QUARANTINE_STRICT)
					assert_int_equal(state_then, GA_QUARANTINED);
				else if (from == GA_QUARANTINE_ON)
					assert_true(state_then != GA_READY &&
								(state_then != GA_ACTIVE ||
								 chunk_at(heap, object)->start > (uintptr_t) object));
				else
					assert_true(!ga_state_is_candidate(state_then));
				for (int i = 0; i < 30; i++)
					(void) alloc(&arena, 1000);
				assert_heap(heap);
				ga_arena_destroy(&arena);
				sweep_nothing(heap);
			}
}

static void
a_share_of_arenas_is_quarantined(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	int quarantined = 0;
	static ga_arena arena;

	config.sample_rate = 0.25;
	ga_heap_configure(heap, &config);
	ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	for (int i = 0; i < 5000; i++)
	{
		quarantined += arena.mode == GA_QUARANTINE_ON;
		(void) alloc(&arena, 200);
		ga_arena_reset(&arena);
		quarantined += arena.mode == GA_QUARANTINE_ON;
		ga_arena_destroy(&arena);
		ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	}
	ga_arena_destroy(&arena);
	assert_in_range(quarantined, 2300, 2700);
}

/* What note_free() was called with last, and how often. */
static struct
{
	uint64_t count;
	const ga_arena *arena;
	ga_freed_by how;
} note;

static uint64_t
note_free(ga_arena *arena, ga_freed_by how)
{
	note.arena = arena;
	note.how = how;
	return ++note.count;
}

/*
 * assert_noted
 *		The chunk was freed by the last thing that was noted.
 */
static void
assert_noted(ga_heap *heap, const void *object, const ga_arena *arena, ga_freed_by how)
{
	assert_int_equal(chunk_at(heap, object)->freed_note, note.count);
	assert_ptr_equal(note.arena, arena);
	assert_int_equal(note.how, how);
}

static void
chunks_keep_a_note_of_their_end(void **state)
{
	ga_heap *heap = *state;
	static ga_arena arena;
	void *objects[500];
	char *object;
	char *span;
	int count;

	note.count = 0;
	heap->note_free = note_free;
	for (int mode = GA_QUARANTINE_ON; mode <= GA_QUARANTINE_STRICT; mode++)
	{
		begin(&arena, heap, (ga_quarantine) mode);
		span = alloc(&arena, 100 * KB);
		free_object(&arena, span);
		assert_noted(heap, span, &arena, GA_FREED_BY_PFREE);
		span = alloc(&arena, 100 * KB);
		assert_non_null(ga_arena_realloc(&arena, span, 500 * KB));
		assert_noted(heap, span, &arena, GA_FREED_BY_REPALLOC);

		/* All chunks of a life have one note. */
		span = alloc(&arena, 100 * KB);
		object = alloc(&arena, 6000);
		(void) alloc(&arena, 6000);
		ga_arena_reset(&arena);
		assert_noted(heap, object, &arena, GA_FREED_BY_RESET);
		assert_noted(heap, span, &arena, GA_FREED_BY_RESET);

		span = alloc(&arena, 100 * KB);
		ga_arena_destroy(&arena);
		assert_noted(heap, span, &arena, GA_FREED_BY_DELETE);

		begin(&arena, heap, (ga_quarantine) mode);
		count = fill_chunk(&arena, objects, 400);
		for (int i = 0; i < count - 1; i++)
			free_object(&arena, objects[i]);
		while (chunk_at(heap, objects[0])->state == GA_FULL)
		{
			object = alloc(&arena, 1000);
			(void) alloc(&arena, 8);
			free_object(&arena, object);
		}
		assert_noted(heap, objects[0], &arena, GA_FREED_BY_PFREE);
		ga_arena_destroy(&arena);
		sweep_nothing(heap);
	}
	assert_int_equal(note.count, 12);

	/* Nothing dangerous happens in the others. */
	begin(&arena, heap, GA_QUARANTINE_OFF);
	free_object(&arena, alloc(&arena, 100 * KB));
	ga_arena_destroy(&arena);
	assert_int_equal(note.count, 12);
}

/* The note of a chunk that is handed on is that of whoever did so. */
static void
handed_on_chunks_keep_their_note(void **state)
{
	ga_heap *heap = *state;
	static ga_arena first;
	static ga_arena second;
	char *object;
	uint64_t expected;

	note.count = 0;
	heap->note_free = note_free;
	begin(&first, heap, GA_QUARANTINE_ON);
	object = alloc(&first, 5000);
	ga_arena_destroy(&first);
	expected = note.count;
	assert_int_equal(chunk_at(heap, object)->state, GA_REUSE);
	assert_int_equal(chunk_at(heap, object)->freed_note, expected);

	/* Somebody else frees something; then the chunk is found too full. */
	begin(&second, heap, GA_QUARANTINE_ON);
	free_object(&second, alloc(&second, 100 * KB));
	(void) alloc(&second, 5000);
	assert_int_equal(chunk_at(heap, object)->state, GA_FAULT);
	assert_true(note.count > expected);
	assert_int_equal(chunk_at(heap, object)->freed_note, expected);
	ga_arena_destroy(&second);
}

/* Large chunks and spans get huge pages where they are wanted. */
static void
huge_pages_for_large_chunks(void **state)
{
	ga_heap *heap = *state;
	ga_config config = usual_config();
	static ga_arena arena;

	config.huge_pages = true;
	config.chunk_size = 8 * MB;
	ga_heap_configure(heap, &config);
	begin(&arena, heap, GA_QUARANTINE_ON);
	(void) alloc(&arena, 100);
	(void) alloc(&arena, 500 * KB);
	assert_int_equal(fake_calls(OS_HUGE), 0);
	(void) alloc(&arena, 3 * MB);
	assert_int_equal(fake_calls(OS_HUGE), 1);
	(void) alloc(&arena, 2 * MB);
	assert_int_equal(arena.active->order, 22);
	assert_int_equal(fake_calls(OS_HUGE), 2);
	ga_arena_destroy(&arena);
}

/*
 * Lives of either kind follow each other in one arena, and arenas of either
 * kind come and go: nothing may pile up.
 */
static void
sampling_does_not_pile_up_chunks(void **state)
{
	ga_heap *heap = *state;
	ga_config config = heap->config;
	static ga_arena arena;
	static ga_arena others[4 * GA_HANDON_MAX];

	config.sample_rate = 0.3;
	ga_heap_configure(heap, &config);
	ga_arena_init(&arena, heap, 0, 0, NULL, 0);
	for (int i = 0; i < 20000; i++)
	{
		assert_non_null(ga_arena_alloc(&arena, 100));
		ga_arena_reset(&arena);
		if (i % 1000 == 0)
			(void) sweep_nothing(heap);
	}
	assert_true(heap->state_chunks[GA_REUSE] <= 1);
	assert_true(heap->state_chunks[GA_ACTIVE] + heap->state_chunks[GA_FULL] <= 1);
	assert_int_equal(heap->reserved, GA_HEAP_ARENA_SIZE);
	ga_arena_destroy(&arena);

	for (size_t i = 0; i < lengthof(others); i++)
	{
		ga_arena_init(&others[i], heap, 0, 0, NULL, 0);
		assert_non_null(ga_arena_alloc(&others[i], 100));
	}
	for (size_t i = 0; i < lengthof(others); i++)
		ga_arena_destroy(&others[i]);
	assert_true(heap->state_chunks[GA_REUSE] <= GA_HANDON_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		TEST(a_reset_of_one_chunk_calls_nobody),
		TEST(off_rewinds),
		TEST(large_chunks_do_not_stay),
		TEST(on_goes_on_where_it_stood),
		TEST(handed_on_chunks_are_used_up),
		TEST(handed_on_chunks_without_room),
		TEST(off_hands_on_what_it_took_over),
		TEST(not_too_many_chunks_are_handed_on),
		TEST(on_quarantines_full_chunks),
		TEST(strict_faults_at_once),
		TEST(each_life_draws_its_mode),
		TEST(a_share_of_arenas_is_quarantined),
		TEST(chunks_keep_a_note_of_their_end),
		TEST(handed_on_chunks_keep_their_note),
		TEST(sampling_does_not_pile_up_chunks),
		TEST(huge_pages_for_large_chunks),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
