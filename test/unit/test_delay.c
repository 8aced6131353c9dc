/*-------------------------------------------------------------------------
 *
 * test_delay.c
 *	  The delay queue: order, bounds, poison, and writes after free.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "delay.h"
#include "free_list.h"
#include "poison.h"
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

	config.chunk_size = 8 * MB;
	f.heap = new_heap(&config);
	ga_arena_init(&f.arena, f.heap, 0, 0, NULL, 0);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	fixture *f = *state;

	assert_heap(f->heap);
	ga_arena_destroy(&f->arena);
	assert_int_equal(f->heap->delays.live, 0);
	delete_heap(f->heap);
	return 0;
}

/*
 * alloc_inner
 *		An object that is not the last one, so that freeing it is not in place.
 */
static void *
alloc_inner(ga_arena *arena, size_t size)
{
	void *object = alloc(arena, size);

	while ((uintptr_t) object + ga_object_size(object) == arena->ptr)
		(void) alloc(arena, 8);
	return object;
}

static bool
is_delayed(const void *object)
{
	return (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_DEAD;
}

/*
 * poisoned_bytes
 *		How many bytes of the object, from the first on, are as they should be while
 *		it waits?
 */
static size_t
poisoned_bytes(const void *object)
{
	size_t i = 0;

	while (i < ga_object_size(object) && peek_word((const char *) object + i) == GA_POISON)
		i += 8;
	return i;
}

static bool
is_poisoned(const void *object)
{
	return poisoned_bytes(object) == ga_object_size(object);
}

static void
objects_wait_in_poison(void **state)
{
	fixture *f = *state;
	char *object = alloc_inner(&f->arena, 100);

	fill(object, 100, 1);
	free_object(&f->arena, object);
	assert_true(is_delayed(object));
	assert_true(is_poisoned(object));
	assert_int_equal(ga_object_size(object), 104);
	assert_int_equal(f->arena.delayed_bytes, 104 + GA_HEADER_SIZE);
	assert_int_equal(f->arena.delay->count, 1);

	/* It is not given out meanwhile. */
	for (int i = 0; i < 10; i++)
		assert_ptr_not_equal(alloc(&f->arena, 100), object);
	assert_int_equal(f->heap->num_events, 0);
}

static bool
is_canonical(uint64_t word)
{
	return word >> 47 == 0 || word >> 47 == 0x1ffff;
}

/*
 * A word of poison is an address where nothing is, and known as such from near.
 * Read across two words it is none that a program could have.
 */
static void
poison_leads_nowhere(void **state)
{
	const uint64_t reach = GA_POISON_REACH;

	(void) state;
	assert_true(is_canonical(GA_POISON) && GA_POISON >> 47 == 0);
	for (uint64_t at = GA_POISON - reach; at < GA_POISON + reach; at += MB)
	{
		assert_true(ga_is_poison(at));
		assert_true(read_faults((void *) (uintptr_t) at));
	}
	assert_false(ga_is_poison(GA_POISON - reach - 1));
	assert_false(ga_is_poison(GA_POISON + reach));
	assert_false(ga_is_poison(0));
	for (int shift = 8; shift < 64; shift += 8)
		assert_false(is_canonical(GA_POISON >> shift | GA_POISON << (64 - shift)));
}

/* However the heap was seeded, its addresses are not taken for poison. */
static void
heaps_are_far_from_poison(void **state)
{
	ga_config config = usual_config();

	(void) state;
	for (uint64_t seed = 0; seed < 256; seed++)
	{
		static ga_heap heap;
		const uint64_t terabyte = UINT64_C(1) << 40;

		init_heap(&heap, fake_os(), &config, seed);
		assert_true(GA_POISON < heap.hint || GA_POISON - heap.hint > terabyte / 2);
		assert_true(heap.hint < GA_POISON || heap.hint - GA_POISON > terabyte / 16);
	}
}

static void
assert_found(const fixture *f, const char *object, size_t size, size_t offset)
{
	ga_event event;

	assert_true(ga_delay_find(f->heap, (uintptr_t) object + offset, &event));
	assert_int_equal(event.arena_id, f->arena.id);
	assert_int_equal(event.object, object);
	assert_int_equal(event.size, size);
	assert_int_equal(event.offset, offset);
}

static void
assert_not_found(const fixture *f, const void *address)
{
	ga_event event;

	assert_false(ga_delay_find(f->heap, (uintptr_t) address, &event));
}

/* An address leads to the freed object that it lies in, and to no other. */
static void
freed_objects_are_found(void **state)
{
	fixture *f = *state;
	char *before = alloc(&f->arena, 100);
	char *object = alloc(&f->arena, 100);
	char *after = alloc(&f->arena, 100);
	char *large = alloc(&f->arena, 3 * MB);

	assert_not_found(f, object);
	assert_not_found(f, NULL);
	assert_not_found(f, &f->arena);
	free_object(&f->arena, object);
	for (size_t offset = 0; offset < 104; offset++)
		assert_found(f, object, 100, offset);
	for (size_t i = 1; i <= GA_HEADER_SIZE; i++)
		assert_not_found(f, object - i);
	assert_not_found(f, object + 104);
	assert_not_found(f, before);
	assert_not_found(f, before + 103);
	assert_not_found(f, after);
	assert_not_found(f, large);
	assert_not_found(f, large + 8);
	assert_not_found(f, (void *) f->arena.ptr);
	assert_not_found(f, (void *) (f->arena.end - 1));

	/* Also in a full chunk, and when the object has come out of the queue. */
	while (is_delayed(object))
		free_object(&f->arena, alloc_inner(&f->arena, 1000));
	assert_ptr_not_equal(chunk_at(f->heap, object), f->arena.active);
	assert_found(f, object, 104, 0);
	assert_found(f, object, 104, 103);
	assert_not_found(f, after);

	/* Not if it was given out again. */
	while (alloc(&f->arena, 100) != object)
		;
	assert_not_found(f, object);
}

static void
objects_of_other_arenas_are_not_found(void **state)
{
	fixture *f = *state;
	static ga_arena off;
	char *object;

	begin(&off, f->heap, GA_QUARANTINE_OFF);
	object = alloc_inner(&off, 100);
	free_object(&off, object);
	assert_not_found(f, object);
	ga_arena_destroy(&off);
	assert_not_found(f, object);
}

static void
first_in_first_out(void **state)
{
	fixture *f = *state;
	void *objects[GA_DELAY_OBJECTS + 100];

	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc_inner(&f->arena, 16);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		size_t left = i + 1 < GA_DELAY_OBJECTS ? 0 : i + 2 - GA_DELAY_OBJECTS;

		free_object(&f->arena, objects[i]);
		if (left > 0)
		{
			/* The queue is full, so the oldest has just come out. */
			assert_false(is_delayed(objects[left - 1]));
			assert_ptr_equal(f->arena.free_lists->heads[ga_class_of(16)], objects[left - 1]);
		}
		assert_true(is_delayed(objects[left]));
		assert_in_range(f->arena.delay->count, ga_min_size(i + 1, GA_DELAY_OBJECTS - 1),
						GA_DELAY_OBJECTS - 1);
	}
	assert_heap(f->heap);
}

static void
bytes_are_bounded(void **state)
{
	fixture *f = *state;
	void *objects[100];
	const size_t bytes = ga_class_round(3000) + GA_HEADER_SIZE;

	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc_inner(&f->arena, 3000);
	for (size_t i = 0; i < lengthof(objects); i++)
	{
		free_object(&f->arena, objects[i]);
		assert_int_equal(f->arena.delayed_bytes, f->arena.delay->count * bytes);
		assert_true(f->arena.delayed_bytes <= GA_DELAY_BYTES);
		assert_true(i * bytes < GA_DELAY_BYTES - bytes ||
					f->arena.delayed_bytes > GA_DELAY_BYTES - bytes);
	}
	assert_int_equal(f->arena.free_bytes + f->arena.delayed_bytes, lengthof(objects) * bytes);
}

/* Even an object that is larger than the queue may be waits for the next. */
static void
one_object_always_waits(void **state)
{
	fixture *f = *state;
	char *first = alloc_inner(&f->arena, 500 * KB);
	char *second = alloc_inner(&f->arena, 8);

	assert_false(chunk_at(f->heap, first)->large);
	free_object(&f->arena, first);
	assert_true(is_delayed(first));
	free_object(&f->arena, second);
	assert_false(is_delayed(first));
	assert_true(is_delayed(second));
	assert_int_equal(f->arena.delay->count, 1);
}

static void
only_quarantined_arenas_delay(void **state)
{
	fixture *f = *state;
	static ga_arena off;
	char *object;

	begin(&off, f->heap, GA_QUARANTINE_OFF);
	object = alloc_inner(&off, 100);
	fill(object, 100, 1);
	free_object(&off, object);
	assert_false(is_delayed(object));
	assert_null(off.delay);
	assert_true(peek_word(object + 8) != GA_POISON);
	assert_ptr_equal(alloc(&off, 100), object);
	ga_arena_destroy(&off);
}

/*
 * assert_write_found
 *		A word that is changed while an object waits is told when it comes out,
 *		by a reset or by the objects freed after it.
 */
static void
assert_write_found(fixture *f, size_t size, size_t offset, bool by_reset)
{
	char *object = alloc_inner(&f->arena, size);
	ga_event event;

	fill(object, size, 1);
	free_object(&f->arena, object);
	poke_word(object + offset, 4711);
	assert_int_equal(f->heap->num_events, 0);
	if (by_reset)
		ga_arena_reset(&f->arena);
	else
		while (is_delayed(object))
			free_object(&f->arena, alloc_inner(&f->arena, 1000));

	assert_int_equal(f->heap->num_events, 1);
	event = f->heap->events[0];
	assert_int_equal(event.kind, GA_EVENT_WRITE_AFTER_FREE);
	assert_int_equal(event.arena_id, f->arena.id);
	assert_int_equal(event.object, object);
	assert_int_equal(event.size, size);
	assert_int_equal(event.offset, offset);
	assert_int_equal(event.value, 4711);
	f->heap->num_events = 0;
}

static void
writes_after_free_are_told(void **state)
{
	fixture *f = *state;

	for (int by_reset = 0; by_reset < 2; by_reset++)
	{
		for (size_t offset = 0; offset < 104; offset += 8)
			assert_write_found(f, 100, offset, by_reset);
		assert_write_found(f, 1, 0, by_reset);
		assert_write_found(f, 4096, 4088, by_reset);
		assert_write_found(f, 8192, 0, by_reset);
		assert_write_found(f, 8192, GA_POISON_PART - 8, by_reset);
	}
}

/* What is beyond is neither filled nor looked at, unless the arena is strict. */
static void
of_large_objects_the_beginning_is_poisoned(void **state)
{
	fixture *f = *state;
	char *object = alloc_inner(&f->arena, 8192);

	fill(object, 8192, 1);
	free_object(&f->arena, object);
	assert_int_equal(poisoned_bytes(object), GA_POISON_PART);
	poke_word(object + GA_POISON_PART, 4711);
	ga_arena_reset(&f->arena);
	assert_int_equal(f->heap->num_events, 0);

	ga_arena_destroy(&f->arena);
	begin(&f->arena, f->heap, GA_QUARANTINE_STRICT);
	object = alloc_inner(&f->arena, 8192);
	free_object(&f->arena, object);
	assert_true(is_poisoned(object));
	poke_word(object + 8184, 4711);
	ga_arena_reset(&f->arena);
	assert_int_equal(f->heap->num_events, 1);
	f->heap->num_events = 0;
}

/* A single byte is enough, and of several words the first is told. */
static void
the_first_changed_word_is_told(void **state)
{
	fixture *f = *state;
	char *object = alloc_inner(&f->arena, 64);

	free_object(&f->arena, object);
	poke_word(object + 56, 1);
	poke_word(object + 40, GA_POISON ^ UINT64_C(0x80) << 56);
	poke_word(object + 48, 0);
	ga_arena_destroy(&f->arena);
	assert_int_equal(f->heap->num_events, 1);
	assert_int_equal(f->heap->events[0].offset, 40);
	assert_int_equal(f->heap->events[0].value, GA_POISON ^ UINT64_C(0x80) << 56);
	ga_arena_init(&f->arena, f->heap, 0, 0, NULL, 0);
}

static void
untouched_objects_are_not_told(void **state)
{
	fixture *f = *state;

	for (int i = 0; i < 2000; i++)
		free_object(&f->arena, alloc_inner(&f->arena, (size_t) i));
	ga_arena_reset(&f->arena);
	assert_int_equal(f->heap->num_events, 0);
	assert_int_equal(f->heap->lost_events, 0);
}

/* A sweep looks at what waits; what it has told is not told again. */
static void
sweeps_tell_writes_after_free(void **state)
{
	fixture *f = *state;
	char *objects[3];

	for (int i = 0; i < 3; i++)
		objects[i] = alloc_inner(&f->arena, 100);
	for (int i = 0; i < 3; i++)
		free_object(&f->arena, objects[i]);
	poke_word(objects[1] + 16, 1);
	(void) sweep_nothing(f->heap);
	assert_int_equal(f->heap->num_events, 1);
	assert_int_equal(f->heap->events[0].object, objects[1]);
	assert_int_equal(f->heap->events[0].offset, 16);
	assert_true(is_delayed(objects[1]));
	(void) sweep_nothing(f->heap);
	ga_arena_reset(&f->arena);
	assert_int_equal(f->heap->num_events, 1);
}

static uint32_t stacks_taken;

static uint32_t
take_stack(void)
{
	return ++stacks_taken;
}

/* The stack of the free is that of the object, however full the ring. */
static void
stacks_of_frees_are_told(void **state)
{
	fixture *f = *state;
	char *objects[900];

	stacks_taken = 0;
	f->heap->take_stack = take_stack;
	for (size_t i = 0; i < lengthof(objects); i++)
		objects[i] = alloc_inner(&f->arena, 16);
	for (size_t i = 0; i < lengthof(objects); i++)
		free_object(&f->arena, objects[i]);
	assert_int_equal(stacks_taken, lengthof(objects));
	for (size_t i = lengthof(objects) - 300; i < lengthof(objects); i += 70)
	{
		const ga_event *event = f->heap->events;
		ga_event found;

		poke_word(objects[i], 1);
		(void) sweep_nothing(f->heap);
		assert_int_equal(f->heap->num_events, 1);
		assert_int_equal(event->object, objects[i]);
		assert_int_equal(event->freed, i + 1);
		assert_true(ga_delay_find(f->heap, (uintptr_t) objects[i] + 8, &found));
		assert_int_equal(found.freed, i + 1);
		f->heap->num_events = 0;
	}

	/* What came out of the queue has none. */
	{
		ga_event found;

		assert_false(is_delayed(objects[0]));
		assert_true(ga_delay_find(f->heap, (uintptr_t) objects[0], &found));
		assert_int_equal(found.freed, 0);
	}

	/* None is taken any more. */
	f->heap->take_stack = NULL;
	free_object(&f->arena, alloc_inner(&f->arena, 16));
	assert_int_equal(stacks_taken, lengthof(objects));
}

static void
a_reset_empties_the_queue(void **state)
{
	fixture *f = *state;

	for (int i = 0; i < 100; i++)
		free_object(&f->arena, alloc_inner(&f->arena, 100));
	assert_int_equal(f->heap->delays.live, 1);
	ga_arena_reset(&f->arena);
	assert_null(f->arena.delay);
	assert_int_equal(f->arena.delayed_bytes, 0);
	assert_int_equal(f->heap->delays.live, 0);

	/* The next queue begins empty, although its memory is used again. */
	free_object(&f->arena, alloc_inner(&f->arena, 100));
	assert_int_equal(f->arena.delay->count, 1);
}

/* Without memory for the queue, an object goes to its free list at once. */
static void
no_memory_for_the_queue(void **state)
{
	fixture *f = *state;
	char *object = alloc_inner(&f->arena, 100);

	/* There is memory for the lists, and then no more. */
	ga_fixed_free(&f->heap->free_lists, ga_fixed_alloc(&f->heap->free_lists));
	fake_fail_from(OS_MAP, 1, ENOMEM);
	while (ga_persistent_alloc(&f->heap->metadata, 16) != NULL)
		;
	free_object(&f->arena, object);
	assert_null(f->arena.delay);
	assert_int_equal(f->arena.delayed_bytes, 0);
	assert_int_equal(ga_arena_free(&f->arena, object), GA_FREE_DOUBLE);
	assert_int_equal(usage_of(&f->arena).free_objects, 1);
	assert_int_equal(f->heap->num_events, 0);
	assert_ptr_equal(alloc(&f->arena, 100), object);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(objects_wait_in_poison),
		TEST(poison_leads_nowhere),
		TEST(heaps_are_far_from_poison),
		TEST(freed_objects_are_found),
		TEST(objects_of_other_arenas_are_not_found),
		TEST(first_in_first_out),
		TEST(bytes_are_bounded),
		TEST(one_object_always_waits),
		TEST(only_quarantined_arenas_delay),
		TEST(writes_after_free_are_told),
		TEST(of_large_objects_the_beginning_is_poisoned),
		TEST(the_first_changed_word_is_told),
		TEST(untouched_objects_are_not_told),
		TEST(sweeps_tell_writes_after_free),
		TEST(stacks_of_frees_are_told),
		TEST(a_reset_empties_the_queue),
		TEST(no_memory_for_the_queue),
	};

	return cmocka_run_group_tests_name("delay", tests, NULL, NULL);
}
