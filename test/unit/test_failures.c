/*-------------------------------------------------------------------------
 *
 * test_failures.c
 *	  Each call to the operating system fails in turn.
 *
 * A scenario that does everything once is run again and again: first the first
 * call of a kind fails, then the second, until a run has fewer calls than that.
 * In one round only that call fails, and whatever came to nothing must succeed
 * when it is tried again.  In the other all calls from there on fail, and when
 * they work again the rest of the scenario must succeed.  After each step the
 * books must be right, and no object may be lost.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "model.h"

typedef struct scenario
{
	model *m;
	bool forever; /* do failures go on? */
	uint64_t failures;
} scenario;

/*
 * check_step
 *		After each step.  Returns true if a call has failed in it.
 */
static bool
check_step(scenario *s)
{
	bool failed = fake_failures() > s->failures;

	model_check(s->m);
	if (failed)
		model_check_contents(s->m);
	s->failures = fake_failures();
	return failed;
}

/*
 * must_be_excused
 *		A step came to nothing.  A call must have failed, and it must work now.
 */
static void
must_be_excused(scenario *s)
{
	assert_true(check_step(s));
	if (s->forever)
		fake_fail_never();
}

static void
try_alloc(scenario *s, int arena, size_t size)
{
	if (!model_alloc(s->m, arena, size))
	{
		must_be_excused(s);
		assert_true(model_alloc(s->m, arena, size));
	}
	(void) check_step(s);
}

static void
try_realloc(scenario *s, int arena, int object, size_t size)
{
	if (!model_realloc(s->m, arena, object, size))
	{
		must_be_excused(s);
		assert_true(model_realloc(s->m, arena, object, size));
	}
	(void) check_step(s);
}

static void
sweep(scenario *s, bool unstable)
{
	(void) model_sweep(s->m, unstable);
	(void) check_step(s);
}

/*
 * configure
 */
static void
configure(scenario *s, ga_quarantine mode, bool huge_pages, size_t retain)
{
	ga_config config = usual_config();

	config.quarantine = mode;
	config.chunk_size = 256 * KB;
	config.huge_pages = huge_pages;
	config.retain = retain;
	config.max_mappings = huge_pages ? 0 : 10000;
	ga_heap_configure(s->m->heap, &config);
}

/*
 * use_arena
 *		Small, middle and large objects; every way to grow, shrink and be freed.
 */
static void
use_arena(scenario *s, int arena, size_t largest)
{
	const model_arena *a = &s->m->arenas[arena];

	for (size_t i = 0; i < 40; i++)
		try_alloc(s, arena, i * 37);
	for (int i = 0; i < 10; i++)
	{
		model_free(s->m, arena, i);
		(void) check_step(s);
	}
	for (size_t i = 0; i < 8; i++)
		try_realloc(s, arena, (int) i, 100 + i * i * 100);
	for (size_t size = 10 * KB; size < 60 * KB; size += 12 * KB)
		try_alloc(s, arena, size);
	model_point(s->m, arena, arena, 3, 10);

	/* A span that grows in place, moves, and shrinks. */
	try_alloc(s, arena, 70 * KB);
	for (size_t size = 80 * KB; size < 300 * KB; size += 45 * KB)
		try_realloc(s, arena, a->count - 1, size);
	model_point(s->m, arena + 8, arena, a->count - 1, 100 * KB);
	try_realloc(s, arena, a->count - 1, 180 * KB);
	try_realloc(s, arena, a->count - 1, largest);
	try_alloc(s, arena, 75 * KB);
	model_free(s->m, arena, a->count - 1);
	(void) check_step(s);
}

/*
 * run
 *		The scenario.
 */
static void
run(scenario *s)
{
	for (int arena = 0; arena < 3; arena++)
	{
		configure(s, (ga_quarantine) arena, arena == 2, 1024 * MB);
		model_create(s->m, arena, arena == 2 ? 0 : 8 * KB);
		use_arena(s, arena, arena == 1 ? 70 * MB : 3 * MB);
	}
	for (int arena = 0; arena < 3; arena++)
	{
		configure(s, (ga_quarantine) arena, arena == 0, 256 * KB);
		model_reset(s->m, arena);
		(void) check_step(s);
	}
	ga_heap_flush_faults(s->m->heap);
	(void) check_step(s);
	sweep(s, false);
	sweep(s, true);

	/* Once more, with memory that was used before. */
	for (int arena = 2; arena >= 0; arena--)
		use_arena(s, arena, 500 * KB);
	(void) ga_heap_release(s->m->heap);
	(void) check_step(s);
	for (int arena = 0; arena < 3; arena++)
	{
		model_destroy(s->m, arena);
		(void) check_step(s);
	}
	sweep(s, true);
	(void) ga_heap_release(s->m->heap);
	(void) check_step(s);
}

/* A move that fails loses its target. */
static bool loses_targets = false;

/*
 * run_failing
 *		Run the scenario with one failure, or with failures from there on.
 *		Returns the number of calls that failed.
 */
static uint64_t
run_failing(os_call call, uint64_t nth, int error, bool forever)
{
	ga_config config = usual_config();
	scenario s = {.m = new_model(new_heap(&config)), .forever = forever};
	uint64_t failures;

	if (loses_targets)
		fake_lose_targets();
	if (forever)
		fake_fail_from(call, nth, error);
	else
		fake_fail(call, nth, error);
	s.failures = fake_failures();
	run(&s);
	failures = fake_failures();

	/* Nothing was lost for good. */
	fake_fail_never();
	s.failures = failures;
	memset(s.m->dangling, 0, sizeof(s.m->dangling));
	memset(s.m->outside, 0, sizeof(s.m->outside));
	memset(s.m->inside, 0, sizeof(s.m->outside));
	sweep(&s, false);
	assert_int_equal(s.m->heap->waste, 0);
	assert_int_equal(s.m->heap->state_chunks[GA_QUARANTINED], 0);
	(void) ga_heap_release(s.m->heap);
	assert_int_equal(s.m->heap->retained, 0);
	assert_access(s.m->heap);
	delete_model(s.m);
	return failures;
}

static void
each_call_fails(os_call call, int error)
{
	/* Sanitizers are slow: they see every third call only. */
	const uint64_t step = SANITIZED ? 3 : 1;
	uint64_t once = 0;
	uint64_t forever = 0;

	while (run_failing(call, 1 + once * step, error, false) > 0)
		once++;
	while (run_failing(call, 1 + forever * step, error, true) > 0)
		forever++;
	assert_true(once > 0 && forever > 0);
	print_message("%s: %llu calls failed\n", os_call_names[call], (unsigned long long) once);
}

static void
reserve_fails(void **state)
{
	(void) state;
	each_call_fails(OS_RESERVE, ENOMEM);
}

static void
map_fails(void **state)
{
	(void) state;
	each_call_fails(OS_MAP, ENOMEM);
}

static void
use_fails(void **state)
{
	(void) state;
	each_call_fails(OS_USE, ENOMEM);
}

static void
unuse_fails(void **state)
{
	(void) state;
	each_call_fails(OS_UNUSE, ENOMEM);
}

static void
leave_fails(void **state)
{
	(void) state;
	each_call_fails(OS_LEAVE, ENOMEM);
}

static void
drop_fails(void **state)
{
	(void) state;
	each_call_fails(OS_DROP, ENOMEM);
}

static void
move_fails(void **state)
{
	(void) state;
	each_call_fails(OS_MOVE, ENOMEM);
	each_call_fails(OS_MOVE, EPERM);
}

static void
moves_fail_and_lose_their_targets(void **state)
{
	(void) state;
	loses_targets = true;
	each_call_fails(OS_MOVE, ENOMEM);
	loses_targets = false;
}

static void
huge_fails(void **state)
{
	(void) state;
	each_call_fails(OS_HUGE, EINVAL);
}

static void
small_fails(void **state)
{
	(void) state;
	each_call_fails(OS_SMALL, EINVAL);
}

static void
resident_fails(void **state)
{
	(void) state;
	each_call_fails(OS_RESIDENT, ENOMEM);
}

static void
peek_fails(void **state)
{
	(void) state;
	each_call_fails(OS_PEEK, ENOMEM);
}

/*
 * Giving back address space that was reserved in excess may fail too; then it
 * stays with the process.
 */
static void
free_fails(void **state)
{
	ga_config config = usual_config();
	ga_heap *heap = new_heap(&config);

	(void) state;
	fake_misalign();
	for (uint64_t i = 0; i < 9; i++)
	{
		ga_chunk *chunk;

		fake_fail(OS_FREE, 1 + i % 3, ENOMEM);
		chunk = take_chunk(heap, GA_MAX_ORDER);
		assert_non_null(chunk);
		assert_int_equal(chunk->base % GA_SEGMENT_SIZE, 0);
		assert_heap(heap);
	}
	assert_int_equal(fake_failures(), 9);
	delete_heap(heap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserve_fails),  cmocka_unit_test(map_fails),
		cmocka_unit_test(use_fails),	  cmocka_unit_test(unuse_fails),
		cmocka_unit_test(drop_fails),	  cmocka_unit_test(leave_fails),
		cmocka_unit_test(move_fails),	  cmocka_unit_test(moves_fail_and_lose_their_targets),
		cmocka_unit_test(huge_fails),	  cmocka_unit_test(small_fails),
		cmocka_unit_test(resident_fails), cmocka_unit_test(peek_fails),
		cmocka_unit_test(free_fails),
	};

	return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
