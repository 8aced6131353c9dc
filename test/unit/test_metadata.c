/*-------------------------------------------------------------------------
 *
 * test_metadata.c
 *	  Allocation of the engine's own data, and what happens when there is no memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "metadata.h"
#include "support.h"

static int
setup(void **state)
{
	ga_metadata *metadata = malloc(sizeof(ga_metadata));

	assert_non_null(metadata);
	ga_metadata_init(metadata, fake_os());
	*state = metadata;
	return 0;
}

static int
teardown(void **state)
{
	fake_fail_never();
	ga_metadata_destroy(*state);
	assert_int_equal(fake_reserved(), 0);
	free(*state);
	return 0;
}

static bool
is_zero(const void *addr, size_t size)
{
	const unsigned char *bytes = addr;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void
nothing_is_reserved_before_it_is_needed(void **state)
{
	ga_metadata *metadata = *state;

	assert_int_equal(fake_all_calls(), 0);
	assert_int_equal(metadata->num_regions, 0);
	assert_non_null(ga_persistent_alloc(metadata, 1));
	assert_int_equal(fake_calls(OS_RESERVE), 1);
	assert_int_equal(fake_calls(OS_MAP), 1);
	assert_int_equal(metadata->reserved, GA_REGION_SIZE);
	assert_int_equal(metadata->mapped, GA_REGION_STEP);
}

static void
persistent_is_aligned_zero_and_apart(void **state)
{
	uint64_t random = 2;
	uintptr_t end = 0;
	struct
	{
		char *addr;
		size_t size;
	} all[400];

	for (size_t i = 0; i < lengthof(all); i++)
	{
		all[i].size = 1 + random_below(&random, i % 40 == 0 ? 200 * KB : 300);
		all[i].addr = ga_persistent_alloc(*state, all[i].size);
		assert_non_null(all[i].addr);
		assert_int_equal((uintptr_t) all[i].addr % 16, 0);
		assert_true(is_zero(all[i].addr, all[i].size));
		assert_true((uintptr_t) all[i].addr >= end || i == 0);
		end = (uintptr_t) all[i].addr + all[i].size;
		fill(all[i].addr, all[i].size, i);
	}
	for (size_t i = 0; i < lengthof(all); i++)
		assert_true(is_filled(all[i].addr, all[i].size, i));
}

/* No call for each allocation: memory is mapped in steps. */
static void
mapped_in_steps(void **state)
{
	ga_metadata *metadata = *state;

	for (size_t i = 0; i < 16 * GA_REGION_STEP / 64; i++)
		assert_non_null(ga_persistent_alloc(metadata, 64));
	assert_int_equal(fake_calls(OS_MAP), 16);
	assert_int_equal(metadata->mapped, 16 * GA_REGION_STEP);
}

static void
regions_follow_each_other(void **state)
{
	ga_metadata *metadata = *state;
	char *whole;

	assert_non_null(ga_persistent_alloc(metadata, 16));
	whole = ga_persistent_alloc(metadata, GA_REGION_SIZE);
	assert_non_null(whole);
	assert_int_equal(metadata->num_regions, 2);
	assert_int_equal((uintptr_t) whole, metadata->regions[1]);
	whole[0] = whole[GA_REGION_SIZE - 1] = 1;

	assert_non_null(ga_persistent_alloc(metadata, 16));
	assert_int_equal(metadata->num_regions, 3);
	assert_int_equal(metadata->reserved, 3 * GA_REGION_SIZE);
	assert_int_equal(fake_reserved(), 3 * GA_REGION_SIZE);
}

static void
as_many_regions_as_there_is_room_for(void **state)
{
	ga_metadata *metadata = *state;

	for (int i = 0; i < GA_MAX_REGIONS; i++)
		assert_non_null(ga_persistent_alloc(metadata, GA_REGION_SIZE));
	assert_null(ga_persistent_alloc(metadata, 16));
	assert_int_equal(metadata->num_regions, GA_MAX_REGIONS);
}

static void
no_address_space(void **state)
{
	ga_metadata *metadata = *state;

	fake_fail(OS_RESERVE, 1, ENOMEM);
	assert_null(ga_persistent_alloc(metadata, 100));
	assert_int_equal(metadata->num_regions, 0);
	assert_int_equal(metadata->reserved, 0);
	assert_non_null(ga_persistent_alloc(metadata, 100));
}

static void
no_memory(void **state)
{
	ga_metadata *metadata = *state;
	char *first = ga_persistent_alloc(metadata, 100);
	char *second;

	fake_fail(OS_MAP, 1, ENOMEM);
	assert_null(ga_persistent_alloc(metadata, GA_REGION_STEP));
	assert_int_equal(metadata->mapped, GA_REGION_STEP);

	/* What is mapped can still be used, and the next try succeeds. */
	assert_non_null(ga_persistent_alloc(metadata, 100));
	second = ga_persistent_alloc(metadata, GA_REGION_STEP);
	assert_non_null(second);
	assert_ptr_equal(second, first + 2 * ga_align_up(100, 16));
	assert_true(is_zero(second, GA_REGION_STEP));
}

static void
fixed_objects_come_back(void **state)
{
	ga_fixed fixed;
	uint64_t *objects[10];

	ga_fixed_init(&fixed, *state, 24);
	for (int i = 0; i < 10; i++)
	{
		objects[i] = ga_fixed_alloc(&fixed);
		assert_non_null(objects[i]);
		assert_true(is_zero(objects[i], 24));
		for (int j = 0; j < i; j++)
			assert_true(labs((char *) objects[i] - (char *) objects[j]) >= 24);
		objects[i][1] = (uint64_t) i;
	}
	assert_int_equal(fixed.live, 10);

	ga_fixed_free(&fixed, objects[3]);
	ga_fixed_free(&fixed, objects[7]);
	assert_int_equal(fixed.live, 8);

	/* The last one freed comes first, with all but its first word. */
	assert_ptr_equal(ga_fixed_alloc(&fixed), objects[7]);
	assert_int_equal(objects[7][1], 7);
	assert_ptr_equal(ga_fixed_alloc(&fixed), objects[3]);
	assert_int_equal(fixed.live, 10);
	objects[0] = ga_fixed_alloc(&fixed);
	assert_true(is_zero(objects[0], 24));
}

static void
fixed_objects_hold_a_pointer(void **state)
{
	ga_fixed fixed;
	char *first;
	char *second;

	ga_fixed_init(&fixed, *state, 1);
	first = ga_fixed_alloc(&fixed);
	second = ga_fixed_alloc(&fixed);
	assert_true(second - first >= (ptrdiff_t) sizeof(void *));
	ga_fixed_free(&fixed, first);
	ga_fixed_free(&fixed, second);
	assert_ptr_equal(ga_fixed_alloc(&fixed), second);
	assert_ptr_equal(ga_fixed_alloc(&fixed), first);
}

/* Pages of free objects go back once, and are zero when the object is used again. */
static void
fixed_objects_are_trimmed(void **state)
{
	const size_t size = 64 * KB;
	ga_fixed fixed;
	char *objects[4];

	ga_fixed_init(&fixed, *state, size);
	for (int i = 0; i < 4; i++)
	{
		objects[i] = ga_fixed_alloc(&fixed);
		fill(objects[i], size, (uint64_t) i);
	}
	for (int i = 0; i < 3; i++)
		ga_fixed_free(&fixed, objects[i]);
	ga_fixed_trim(&fixed);
	assert_int_equal(fake_calls(OS_UNUSE), 3);
	assert_true(is_filled(objects[3], size, 3));

	/* Those that were trimmed are not trimmed again, whether they were used in between or not. */
	ga_fixed_trim(&fixed);
	assert_int_equal(fake_calls(OS_UNUSE), 3);
	assert_ptr_equal(ga_fixed_alloc(&fixed), objects[2]);
	assert_true(is_zero(objects[2] + 4096, size - 2 * 4096));
	ga_fixed_trim(&fixed);
	assert_int_equal(fake_calls(OS_UNUSE), 3);
	fill(objects[2], size, 2);
	ga_fixed_free(&fixed, objects[2]);
	ga_fixed_free(&fixed, objects[3]);

	/* One that the system did not take back is tried again. */
	fake_fail(OS_UNUSE, 1, ENOMEM);
	ga_fixed_trim(&fixed);
	assert_int_equal(fake_calls(OS_UNUSE), 4);
	ga_fixed_trim(&fixed);
	assert_int_equal(fake_calls(OS_UNUSE), 6);
	assert_ptr_equal(ga_fixed_alloc(&fixed), objects[3]);
	assert_ptr_equal(ga_fixed_alloc(&fixed), objects[2]);
	assert_true(is_zero(objects[3] + 4096, size - 2 * 4096));
}

/* An object within a page has nothing to give back. */
static void
small_objects_are_not_trimmed(void **state)
{
	ga_fixed fixed;

	ga_fixed_init(&fixed, *state, 1000);
	ga_fixed_free(&fixed, ga_fixed_alloc(&fixed));
	ga_fixed_trim(&fixed);
	assert_int_equal(fake_calls(OS_UNUSE), 0);
}

static void
fixed_without_memory(void **state)
{
	ga_fixed fixed;

	ga_fixed_init(&fixed, *state, 24);
	fake_fail_from(OS_MAP, 1, ENOMEM);
	assert_null(ga_fixed_alloc(&fixed));
	assert_int_equal(fixed.live, 0);
	fake_fail_never();
	assert_non_null(ga_fixed_alloc(&fixed));
	assert_int_equal(fixed.live, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_reserved_before_it_is_needed),
		TEST(persistent_is_aligned_zero_and_apart),
		TEST(mapped_in_steps),
		TEST(regions_follow_each_other),
		TEST(as_many_regions_as_there_is_room_for),
		TEST(no_address_space),
		TEST(no_memory),
		TEST(fixed_objects_come_back),
		TEST(fixed_objects_hold_a_pointer),
		TEST(fixed_objects_are_trimmed),
		TEST(small_objects_are_not_trimmed),
		TEST(fixed_without_memory),
	};

	return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
