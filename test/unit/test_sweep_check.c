/*-------------------------------------------------------------------------
 *
 * test_sweep_check.c
 *	  Sweeps that are done twice, and compared.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/* The second reading gets a root of its own, so that it can differ. */
static ga_sweep_result
sweep_twice(ga_heap *heap, const uintptr_t *first, const uintptr_t *second, size_t count,
			ga_root_kind kind)
{
	ga_sweep_result result;

	ga_sweep_begin(heap);
	ga_sweep_root(heap, (uintptr_t) first, (uintptr_t) (first + count), kind);
	ga_sweep_live(heap);
	ga_sweep_check_begin(heap);
	ga_sweep_root(heap, (uintptr_t) second, (uintptr_t) (second + count), kind);
	ga_sweep_live(heap);
	(void) ga_sweep_check_end(heap);
	ga_sweep_finish(heap, &result);
	return result;
}

static void
two_readings_find_the_same(void **state)
{
	ga_root_kind kinds[] = {GA_ROOT_MAPPED, GA_ROOT_RESIDENT, GA_ROOT_UNSTABLE};

	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		uintptr_t words[] = {victim(*state), 0, 1};
		ga_sweep_result result = sweep_twice(*state, words, words, lengthof(words), kinds[i]);

		assert_true(result.checked && !result.incomplete);
		assert_int_equal(result.missed + result.added, 0);
		assert_in_range(result.chunks_pinned, 1, 3);
		assert_int_equal(result.bytes_scanned, sizeof(words));
		(void) sweep_nothing(*state);
	}
}

static void
the_second_reading_goes_through_the_system(void **state)
{
	uintptr_t words[] = {victim(*state)};
	uint64_t before = fake_calls(OS_PEEK);

	(void) sweep_twice(*state, words, words, 1, GA_ROOT_RESIDENT);
	assert_int_equal(fake_calls(OS_PEEK), before + 1);
}

static void
differences_are_counted_and_free_nothing(void **state)
{
	uintptr_t missed[] = {victim(*state), victim(*state)};
	uintptr_t added[] = {victim(*state), 0};
	ga_sweep_result result = sweep_twice(*state, missed, added, 2, GA_ROOT_MAPPED);

	assert_true(result.checked);
	assert_int_equal(result.missed, 2);
	assert_int_equal(result.added, 1);
	assert_int_equal(result.chunks_pinned, 3);
	assert_int_equal(state_at(*state, missed[0]), GA_QUARANTINED);
	assert_int_equal(state_at(*state, missed[1]), GA_QUARANTINED);
	assert_int_equal(state_at(*state, added[0]), GA_QUARANTINED);

	/* The next one knows nothing of it. */
	result = sweep_nothing(*state);
	assert_false(result.checked);
	assert_int_equal(result.missed + result.added, 0);
	assert_int_equal(result.chunks_freed, 3);
}

static void
what_cannot_be_read_again_is_not_compared(void **state)
{
	uintptr_t words[] = {victim(*state)};
	ga_sweep_result result;

	ga_sweep_begin(*state);
	ga_sweep_root(*state, (uintptr_t) words, (uintptr_t) (words + 1), GA_ROOT_RESIDENT);
	ga_sweep_live(*state);
	ga_sweep_check_begin(*state);
	fake_fail_from(OS_PEEK, 1, EPERM);
	ga_sweep_root(*state, (uintptr_t) words, (uintptr_t) (words + 1), GA_ROOT_RESIDENT);
	assert_false(ga_sweep_check_end(*state));
	fake_fail_never();
	ga_sweep_finish(*state, &result);
	assert_false(result.checked || result.incomplete);
	assert_int_equal(result.chunks_pinned, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)
	const struct CMUnitTest tests[] = {
		TEST(two_readings_find_the_same),
		TEST(the_second_reading_goes_through_the_system),
		TEST(differences_are_counted_and_free_nothing),
		TEST(what_cannot_be_read_again_is_not_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
