/*-------------------------------------------------------------------------
 *
 * test_special.c
 *	  Specials: when they end, in which order, and what they cost.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "special.h"
#include "free_list.h"
#include "support.h"

#define OTHER	 5 /* a kind */
#define MANY	 3000
#define MAX_ENDS 8000

/* An object that has specials in the tests with many. */
typedef struct marked
{
	char *object;
	size_t size;
	bool has[GA_SPECIAL_KINDS];
} marked;

typedef struct fixture
{
	ga_heap *heap;
	ga_arena arena;
	int ends; /* how many specials have ended, which, and in which way */
	uintptr_t keys[MAX_ENDS];
	uintptr_t data[MAX_ENDS];
	ga_freed_by how[MAX_ENDS];
	void (*meanwhile)(struct fixture *f); /* called by the next that ends */
	void *ending;						  /* for that function: the object whose special ends */
	void *object;						  /* and another one */
} fixture;

static fixture *fixed; /* for note_end */

/*
 * note_end
 *		What the heap calls.  The object must still be as it was.
 */
static void
note_end(ga_arena *arena, ga_special *special, ga_freed_by how)
{
	fixture *f = fixed;
	void (*meanwhile)(fixture *) = f->meanwhile;
	const void *object = ga_special_object(special);

	assert_ptr_equal(arena, &f->arena);
	assert_int_equal(*ga_object_header(object) & GA_HDR_STATE_MASK, GA_HDR_LIVE);
	assert_true(f->ends < MAX_ENDS);
	f->keys[f->ends] = special->key;
	f->data[f->ends] = special->data[0];
	f->how[f->ends++] = how;
	f->ending = ga_special_object(special);
	f->meanwhile = NULL;
	if (meanwhile != NULL)
		meanwhile(f);
}

static int
setup(void **state)
{
	static fixture only_one;
	fixture *f = fixed = &only_one;
	ga_config config = usual_config();

	*state = memset(f, 0, sizeof(*f));
	config.quarantine = GA_QUARANTINE_OFF;
	f->heap = new_heap(&config);
	f->heap->end_special[GA_SPECIAL_FINALIZER] = note_end;
	f->heap->end_special[OTHER] = note_end;
	ga_arena_init(&f->arena, f->heap, 0, 0, NULL, 0);
	return 0;
}

static int
teardown(void **state)
{
	fixture *f = *state;

	assert_heap(f->heap);
	ga_special_end_all(&f->arena, GA_FREED_BY_DELETE);
	ga_arena_destroy(&f->arena);
	assert_int_equal(f->heap->special_structs.live, 0);
	assert_int_equal(f->heap->special_sets.live, 0);
	assert_heap(f->heap);
	delete_heap(f->heap);
	return 0;
}

/* Attach a special with a number of its own. */
static ga_special *
add(fixture *f, void *object, int kind, uintptr_t number)
{
	ga_special *special = ga_special_add(&f->arena, object, kind);

	assert_non_null(special);
	special->data[0] = number;
	return special;
}

static void *
new_special(fixture *f, size_t size, uintptr_t number)
{
	void *object = alloc(&f->arena, size);

	(void) add(f, object, GA_SPECIAL_FINALIZER, number);
	return object;
}

static void
reset_arena(fixture *f, ga_freed_by how)
{
	ga_special_end_all(&f->arena, how);
	ga_arena_reset(&f->arena);
}

static void
specials_are_found_by_object_and_kind(void **state)
{
	fixture *f = *state;
	void *object = alloc(&f->arena, 40);
	void *other = alloc(&f->arena, 40);
	ga_special *special = add(f, object, GA_SPECIAL_FINALIZER, 1);
	ga_special *second = add(f, object, OTHER, 2);

	assert_ptr_equal(ga_special_find(&f->arena, object, GA_SPECIAL_FINALIZER), special);
	assert_ptr_equal(ga_special_find(&f->arena, object, OTHER), second);
	assert_null(ga_special_find(&f->arena, object, 1));
	assert_null(ga_special_find(&f->arena, other, GA_SPECIAL_FINALIZER));
	assert_null(ga_special_find(&f->arena, (char *) object + 8, GA_SPECIAL_FINALIZER));
	assert_ptr_equal(ga_special_object(second), object);
	assert_int_equal(ga_special_kind(second), OTHER);
	assert_heap(f->heap);
}

static void
a_free_ends_the_specials_of_the_object_in_the_order_of_their_kinds(void **state)
{
	fixture *f = *state;
	void *object = alloc(&f->arena, 40);
	void *other = new_special(f, 40, 9);

	(void) add(f, object, OTHER, 2);
	(void) add(f, object, GA_SPECIAL_FINALIZER, 1);
	free_object(&f->arena, object);
	assert_int_equal(f->ends, 2);
	assert_int_equal(f->data[0], 1);
	assert_int_equal(f->data[1], 2);
	assert_int_equal(f->how[0], GA_FREED_BY_PFREE);
	assert_int_equal(f->keys[1], (uintptr_t) object | OTHER);
	assert_non_null(ga_special_find(&f->arena, other, GA_SPECIAL_FINALIZER));
}

static void
a_large_object_ends_its_special_too(void **state)
{
	fixture *f = *state;
	void *object = new_special(f, 200 * KB, 1);

	free_object(&f->arena, object);
	assert_int_equal(f->ends, 1);
	assert_null(f->arena.specials);
}

static void
an_end_of_all_goes_from_the_newest_to_the_oldest(void **state)
{
	fixture *f = *state;
	for (uintptr_t i = 0; i < 100; i++)
		(void) new_special(f, 24, i);
	reset_arena(f, GA_FREED_BY_RESET);
	assert_int_equal(f->ends, 100);
	for (uintptr_t i = 0; i < 100; i++)
	{
		assert_int_equal(f->data[i], 99 - i);
		assert_int_equal(f->how[i], GA_FREED_BY_RESET);
	}
	assert_null(f->arena.specials);
}

static void
what_is_removed_does_not_end(void **state)
{
	fixture *f = *state;
	void *object = new_special(f, 40, 1);

	ga_special_remove(&f->arena, ga_special_find(&f->arena, object, GA_SPECIAL_FINALIZER));
	assert_null(ga_special_find(&f->arena, object, GA_SPECIAL_FINALIZER));
	free_object(&f->arena, object);
	assert_int_equal(f->ends, 0);
}

static void
an_arena_is_fast_until_it_has_specials_and_once_it_has_none_any_more(void **state)
{
	fixture *f = *state;
	void *object = alloc(&f->arena, 40);
	void *fast = alloc(&f->arena, 40);

	(void) alloc(&f->arena, 40);
	(void) add(f, object, GA_SPECIAL_FINALIZER, 1);
	assert_false(ga_arena_free_fast(&f->arena, fast));
	assert_heap(f->heap);
	free_object(&f->arena, object);
	assert_null(f->arena.specials);
	assert_heap(f->heap);
	free_object(&f->arena, alloc(&f->arena, 40));
	assert_true(ga_arena_free_fast(&f->arena, fast));
}

static void
a_full_chunk_is_not_freed_in_fast_either(void **state)
{
	fixture *f = *state;
	static void *objects[4000];

	(void) fill_chunk(&f->arena, objects, 40);
	(void) add(f, objects[0], GA_SPECIAL_FINALIZER, 1);
	free_object(&f->arena, objects[1]);
	assert_int_equal(f->arena.full_size, 0);
	free_object(&f->arena, objects[0]);
	assert_int_equal(f->ends, 1);
}

static void
what_moves_takes_its_specials_along(void **state)
{
	fixture *f = *state;
	static const size_t sizes[] = {3000, 100 * KB, 3 * MB, 20, 300};
	char *object = new_special(f, 40, 1);

	(void) add(f, object, OTHER, 2);
	for (size_t i = 0; i < lengthof(sizes); i++)
	{
		char *place;

		(void) alloc(&f->arena, 40);
		place = ga_arena_realloc(&f->arena, object, sizes[i]);
		assert_non_null(place);
		if (place != object)
			assert_null(ga_special_find(&f->arena, object, OTHER));
		object = place;
		assert_non_null(ga_special_find(&f->arena, object, OTHER));
		assert_non_null(ga_special_find(&f->arena, object, GA_SPECIAL_FINALIZER));
		assert_heap(f->heap);
	}
	assert_int_equal(f->ends, 0);
	free_object(&f->arena, object);
	assert_int_equal(f->ends, 2);
}

static void
what_moves_in_quarantine_takes_its_specials_along(void **state)
{
	fixture *f = *state;
	set_mode(f->heap, GA_QUARANTINE_STRICT);
	reset_arena(f, GA_FREED_BY_RESET);
	what_moves_takes_its_specials_along(state);
	(void) new_special(f, 3 * MB, 1);
	reset_arena(f, GA_FREED_BY_RESET);
	assert_int_equal(f->ends, 3);
}

static void
free_it_again(fixture *f)
{
	const void *object = f->ending;

	assert_int_equal(ga_arena_free(&f->arena, f->ending), GA_FREE_DOUBLE);
	assert_int_equal(ga_arena_check_object(&f->arena, object), GA_FREE_DOUBLE);
	assert_null(ga_special_find(&f->arena, object, GA_SPECIAL_FINALIZER));
	assert_true(ga_special_runs(&f->arena, object));
}

static void
an_object_is_not_freed_by_its_own_end(void **state)
{
	fixture *f = *state;
	void *object = new_special(f, 40, 1);
	uint64_t frees = frees_in(f->heap);

	f->meanwhile = free_it_again;
	free_object(&f->arena, object);
	assert_int_equal(f->ends, 1);
	assert_int_equal(frees_in(f->heap), frees + 1);
	assert_int_equal(ga_arena_free(&f->arena, object), GA_FREE_DOUBLE);

	(void) new_special(f, 40, 2);
	f->meanwhile = free_it_again;
	reset_arena(f, GA_FREED_BY_RESET);
	assert_int_equal(f->ends, 2);
}

static void
free_another(fixture *f)
{
	assert_ptr_not_equal(f->ending, f->object);
	free_object(&f->arena, f->object);
	assert_int_equal(f->ends, 2);
}

static void
what_ends_may_free_what_has_not_ended(void **state)
{
	fixture *f = *state;
	void *object;

	f->object = new_special(f, 40, 1);
	object = new_special(f, 40, 2);
	f->meanwhile = free_another;
	free_object(&f->arena, object);
	assert_int_equal(f->ends, 2);
	assert_int_equal(f->data[1], 1);
	assert_null(f->arena.specials);

	f->ends = 0;
	f->object = new_special(f, 40, 1);
	(void) new_special(f, 40, 2);
	(void) new_special(f, 40, 3);
	f->meanwhile = free_another;
	reset_arena(f, GA_FREED_BY_DELETE);
	assert_int_equal(f->ends, 3);
	assert_int_equal(f->data[0], 3);
	assert_int_equal(f->data[1], 1);
	assert_int_equal(f->how[1], GA_FREED_BY_PFREE);
	assert_int_equal(f->data[2], 2);
}

/*
 * move_to_ended
 *		A special has ended, its object is freed, and another one moves there.
 */
static void
move_to_ended(fixture *f)
{
	void *first = ga_special_object(
		ga_container(ga_special, link, ga_list_first(&f->arena.specials->waiting)));
	void *moved;

	assert_int_equal(f->keys[0], (uintptr_t) f->object);
	free_object(&f->arena, f->object);
	moved = ga_arena_realloc(&f->arena, first, 96);
	assert_ptr_equal(moved, f->object);
	assert_non_null(ga_special_find(&f->arena, moved, GA_SPECIAL_FINALIZER));
}

static void
note_only(fixture *f)
{
	f->meanwhile = move_to_ended;
}

static void
an_object_may_move_to_where_one_was_that_has_ended(void **state)
{
	fixture *f = *state;
	(void) new_special(f, 24, 1);
	(void) new_special(f, 24, 2);
	f->object = new_special(f, 96, 3);
	(void) alloc(&f->arena, 8);
	f->meanwhile = note_only;
	reset_arena(f, GA_FREED_BY_RESET);
	assert_int_equal(f->ends, 3);
	assert_int_equal(f->keys[2], (uintptr_t) f->object);
}

static void
allocate_much(fixture *f)
{
	for (int i = 0; i < 5000; i++)
		(void) alloc(&f->arena, 100);
}

static void
what_ends_may_allocate_in_the_arena(void **state)
{
	fixture *f = *state;
	(void) new_special(f, 40, 1);
	f->meanwhile = allocate_much;
	reset_arena(f, GA_FREED_BY_RESET);
	assert_int_equal(f->ends, 1);
}

static void
what_is_forgotten_does_not_end(void **state)
{
	fixture *f = *state;
	(void) new_special(f, 40, 1);
	(void) new_special(f, 40, 2);
	ga_special_forget_all(&f->arena);
	assert_int_equal(f->ends, 0);
	assert_null(f->arena.specials);
	ga_special_forget_all(&f->arena);
	ga_special_end_all(&f->arena, GA_FREED_BY_RESET);
}

static void
without_memory_for_a_special_nothing_changes(void **state)
{
	fixture *f = *state;
	void *object = alloc(&f->arena, 40);
	size_t room = f->heap->metadata.current.mapped - f->heap->metadata.current.next;

	/* Use up what there is, so that each record needs memory from the system. */
	(void) ga_persistent_alloc(&f->heap->metadata, room & ~(size_t) 15);
	for (uint64_t nth = 1; nth <= 2; nth++)
	{
		fake_fail_from(OS_MAP, 1, ENOMEM);
		assert_null(ga_special_add(&f->arena, object, GA_SPECIAL_FINALIZER));
		fake_fail_never();
		assert_null(f->arena.specials);
		assert_int_equal(f->heap->special_structs.live, 0);
		assert_heap(f->heap);

		/* The second time there is room for the record, but not for the arena's. */
		(void) ga_persistent_alloc(&f->heap->metadata, GA_REGION_STEP - sizeof(ga_special));
	}
	(void) add(f, object, GA_SPECIAL_FINALIZER, 1);
	free_object(&f->arena, object);
	assert_int_equal(f->ends, 1);
}

static void
the_limit_holds_for_specials(void **state)
{
	fixture *f = *state;
	void *object = alloc(&f->arena, 40);

	f->heap->limit = ga_heap_held(f->heap);
	assert_null(ga_special_add(&f->arena, object, GA_SPECIAL_FINALIZER));
	assert_true(f->heap->refused > 0);
	f->heap->limit = SIZE_MAX;
	(void) add(f, object, GA_SPECIAL_FINALIZER, 1);
}

static void
a_sweep_finds_what_a_special_points_to(void **state)
{
	fixture *f = *state;
	ga_special *special = add(f, alloc(&f->arena, 40), GA_SPECIAL_FINALIZER, 0);

	set_mode(f->heap, GA_QUARANTINE_STRICT);
	special->data[1] = victim(f->heap);
	assert_int_equal(sweep_nothing(f->heap).chunks_pinned, 1);
	special->data[1] = 0;
	assert_int_equal(sweep_nothing(f->heap).chunks_freed, 1);
}

/*
 * end_of
 *		How often a key has ended.
 */
static int
count_ends(const fixture *f, uintptr_t key)
{
	int count = 0;

	for (int i = 0; i < f->ends; i++)
		count += f->keys[i] == key;
	return count;
}

/*
 * change_at_random
 *		Move or free an object, or attach a special to it.
 */
static void
change_at_random(fixture *f, marked *m, uint64_t *random)
{
	int kind = random_below(random, 2) == 0 ? GA_SPECIAL_FINALIZER : OTHER;

	switch (random_below(random, 4))
	{
		case 0:
			m->size = 8 + random_below(random, 600);
			m->object = ga_arena_realloc(&f->arena, m->object, m->size);
			assert_non_null(m->object);
			break;
		case 1:
			f->ends = 0;
			free_object(&f->arena, m->object);
			for (int i = 0; i < GA_SPECIAL_KINDS; i++)
				assert_int_equal(count_ends(f, (uintptr_t) m->object | (uintptr_t) i), m->has[i]);
			memset(m->has, 0, sizeof(m->has));
			m->object = alloc(&f->arena, m->size);
			break;
		case 2:
			if (m->has[kind])
				ga_special_remove(&f->arena, ga_special_find(&f->arena, m->object, kind));
			m->has[kind] = false;
			break;
		default:
			if (!m->has[kind])
				(void) add(f, m->object, kind, 1);
			m->has[kind] = true;
	}
}

static void
each_of_many_specials_ends_once(void **state)
{
	fixture *f = *state;
	static marked objects[MANY];
	uint64_t random = environment_number("GA_SEED", 20261127);

	memset(objects, 0, sizeof(objects));
	print_message("seed %lu\n", (unsigned long) random);
	for (int i = 0; i < MANY; i++)
		objects[i] = (marked){.object = alloc(&f->arena, 24), .size = 24};
	for (int i = 0; i < 20 * MANY; i++)
	{
		change_at_random(f, &objects[random_below(&random, MANY)], &random);
		if (i % 1000 == 0)
			assert_heap(f->heap);
	}
	f->ends = 0;
	reset_arena(f, GA_FREED_BY_RESET);
	for (int i = 0; i < MANY; i++)
		for (int kind = 0; kind < GA_SPECIAL_KINDS; kind++)
			assert_int_equal(count_ends(f, (uintptr_t) objects[i].object | (uintptr_t) kind),
							 objects[i].has[kind]);
}

static void
memory_of_specials_is_used_again(void **state)
{
	fixture *f = *state;
	size_t mapped = 0;

	for (int life = 0; life < 10; life++)
	{
		for (uintptr_t i = 0; i < 5000; i++)
			(void) new_special(f, 24, i);
		f->ends = 0;
		reset_arena(f, GA_FREED_BY_RESET);
		assert_int_equal(f->ends, 5000);
		if (life == 0)
			mapped = f->heap->metadata.mapped;
		assert_int_equal(f->heap->metadata.mapped, mapped);
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(specials_are_found_by_object_and_kind),
		test(a_free_ends_the_specials_of_the_object_in_the_order_of_their_kinds),
		test(a_large_object_ends_its_special_too),
		test(an_end_of_all_goes_from_the_newest_to_the_oldest),
		test(what_is_removed_does_not_end),
		test(an_arena_is_fast_until_it_has_specials_and_once_it_has_none_any_more),
		test(a_full_chunk_is_not_freed_in_fast_either),
		test(what_moves_takes_its_specials_along),
		test(what_moves_in_quarantine_takes_its_specials_along),
		test(an_object_is_not_freed_by_its_own_end),
		test(what_ends_may_free_what_has_not_ended),
		test(an_object_may_move_to_where_one_was_that_has_ended),
		test(what_ends_may_allocate_in_the_arena),
		test(what_is_forgotten_does_not_end),
		test(without_memory_for_a_special_nothing_changes),
		test(the_limit_holds_for_specials),
		test(a_sweep_finds_what_a_special_points_to),
		test(each_of_many_specials_ends_once),
		test(memory_of_specials_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
