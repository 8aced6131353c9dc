/*-------------------------------------------------------------------------
 *
 * test_visit.c
 *	  Looking at chunks, objects and pointers without changing them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"
#include "typed.h"
#include "visit.h"

static ga_arena arena;

/* What was seen last. */
typedef struct seen
{
	ga_visitor visitor;
	ga_look look;
	ga_visited_object objects[64];
	size_t count;
	size_t chunks;
	size_t spent;
	size_t stop_after; /* objects or pointers */
	uintptr_t last;	   /* address of a chunk or object */
	uintptr_t where[64];
	uintptr_t to[64];
	size_t pointers;
} seen;

static void
see_chunk(ga_visitor *visitor, const ga_visited_chunk *chunk)
{
	seen *s = (seen *) visitor;

	assert_true(chunk->base >= s->last);
	s->last = chunk->base;
	s->chunks++;
	s->spent += chunk->state == GA_QUARANTINED;
}

static void
see_object(ga_visitor *visitor, const ga_visited_object *object)
{
	seen *s = (seen *) visitor;

	assert_true(object->address > s->last);
	s->last = object->address;
	if (s->count < lengthof(s->objects))
		s->objects[s->count] = *object;
	s->count++;
}

static bool
visit_stopped(ga_visitor *visitor)
{
	seen *s = (seen *) visitor;

	return s->count >= s->stop_after;
}

static void
see_pointer(ga_look *look, uintptr_t where, uintptr_t to)
{
	seen *s = (seen *) ((char *) look - offsetof(seen, look));

	if (s->pointers < lengthof(s->where))
	{
		s->where[s->pointers] = where;
		s->to[s->pointers] = to;
	}
	s->pointers++;
}

static bool
look_stopped(ga_look *look)
{
	seen *s = (seen *) ((char *) look - offsetof(seen, look));

	return s->pointers >= s->stop_after;
}

static seen
new_seen(size_t stop_after)
{
	return (seen){
		.visitor = {.chunk = see_chunk, .object = see_object, .stopped = visit_stopped},
		.look = {.pointer = see_pointer, .stopped = look_stopped},
		.stop_after = stop_after,
	};
}

static const ga_visited_object *
object_seen(const seen *s, const void *object)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->objects[i].address == (uintptr_t) object)
			return &s->objects[i];
	return NULL;
}

static void
objects_are_seen_in_each_state(void **state)
{
	static const uint64_t pointers = 1;
	ga_heap *heap = *state;
	const ga_type *node = ga_type_get(heap, "node", 24, 8, &pointers, 1);
	const ga_type *bytes = ga_type_get(heap, "bytes", 1, 1, NULL, 0);
	void *objects[6];
	seen s = new_seen(SIZE_MAX);

	ga_arena_init(&arena, heap, 0, 3, NULL, 0);
	objects[0] = ga_arena_alloc(&arena, 100);
	objects[1] = ga_arena_alloc_typed(&arena, node, 1);
	objects[2] = ga_arena_alloc(&arena, 40);
	objects[3] = ga_arena_alloc(&arena, 40);
	objects[4] = ga_arena_alloc_typed(&arena, bytes, 200);
	objects[5] = ga_arena_alloc(&arena, 1000000);
	assert_int_equal(ga_arena_free(&arena, objects[2]), GA_FREE_OK);
	ga_heap_visit(heap, &s.visitor);
	assert_int_equal(s.visitor.damaged, 0);
	assert_int_equal(s.count, 6);
	for (int i = 0; i < 6; i++)
	{
		assert_non_null(object_seen(&s, objects[i]));
		assert_int_equal(object_seen(&s, objects[i])->arena_id, arena.id);
		assert_int_equal(object_seen(&s, objects[i])->noscan, i == 4);
		assert_int_equal(object_seen(&s, objects[i])->state,
						 i == 2 ? GA_OBJECT_DELAYED : GA_OBJECT_LIVE);
	}
	assert_int_equal(object_seen(&s, objects[0])->size, 100);
	assert_int_equal(object_seen(&s, objects[5])->size, 1000000);
	assert_int_equal(object_seen(&s, objects[4])->size, 200);
	assert_ptr_equal(object_seen(&s, objects[1])->type, node);
	assert_null(object_seen(&s, objects[0])->type);

	/* A header that is none ends the walk through its chunk, and nothing else. */
	*ga_object_header(objects[1]) = 0;
	s = new_seen(SIZE_MAX);
	ga_heap_visit(heap, &s.visitor);
	assert_int_equal(s.visitor.damaged, 1);
	assert_null(object_seen(&s, objects[1]));
	assert_null(object_seen(&s, objects[3]));
	assert_non_null(object_seen(&s, objects[5]));
	ga_arena_destroy(&arena);

	s = new_seen(SIZE_MAX);
	ga_heap_visit(heap, &s.visitor);
	assert_int_equal(s.count, 0);
	assert_true(s.spent > 0);
}

static void
visits_can_be_stopped(void **state)
{
	ga_heap *heap = *state;
	seen s = new_seen(1);

	ga_arena_init(&arena, heap, 0, 3, NULL, 0);
	for (int i = 0; i < 10000; i++)
		assert_non_null(ga_arena_alloc(&arena, 8));
	ga_heap_visit(heap, &s.visitor);
	assert_in_range(s.count, 1, 5000);
	ga_arena_destroy(&arena);
}

static void
pointers_are_seen_and_nothing_is_freed(void **state)
{
	ga_heap *heap = *state;
	uintptr_t root[4] = {0};
	uintptr_t *holder;
	uintptr_t spent = victim(heap);
	seen s = new_seen(SIZE_MAX);

	ga_arena_init(&arena, heap, 0, 3, NULL, 0);
	holder = ga_arena_alloc(&arena, 64);
	memset(holder, 0, 64);
	root[1] = (uintptr_t) holder;
	root[2] = spent + 8;
	holder[3] = (uintptr_t) holder + 16;

	ga_look_begin(heap, &s.look);
	ga_sweep_root(heap, (uintptr_t) root, (uintptr_t) (root + 4), GA_ROOT_RESIDENT);
	ga_sweep_live(heap);
	assert_true(ga_look_end(heap));
	assert_int_equal(s.pointers, 3);
	assert_int_equal(s.where[0], (uintptr_t) &root[1]);
	assert_int_equal(s.to[0], (uintptr_t) holder);
	assert_int_equal(s.where[1], (uintptr_t) &root[2]);
	assert_int_equal(s.to[1], spent + 8);
	assert_int_equal(s.where[2], (uintptr_t) &holder[3]);
	assert_int_equal(s.to[2], (uintptr_t) holder + 16);
	assert_heap(heap);
	assert_int_equal(heap->counters.sweeps, 0);

	/* What is not wanted is not read. */
	s = new_seen(0);
	ga_look_begin(heap, &s.look);
	ga_sweep_root(heap, (uintptr_t) root, (uintptr_t) (root + 4), GA_ROOT_RESIDENT);
	ga_sweep_live(heap);
	assert_true(ga_look_end(heap));
	assert_int_equal(s.pointers, 0);
	ga_arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_are_seen_in_each_state, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(visits_can_be_stopped, setup_heap, teardown_heap),
		cmocka_unit_test_setup_teardown(pointers_are_seen_and_nothing_is_freed, setup_heap,
										teardown_heap),
	};

	return cmocka_run_group_tests_name("visit", tests, NULL, NULL);
}
