/*-------------------------------------------------------------------------
 *
 * test_type.c
 *	  Types: what they say, and that those which say the same are one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"
#include "type.h"

static const ga_type *
type_of(ga_heap *heap, size_t size, uint64_t pointers)
{
	const ga_type *type = ga_type_get(heap, "node", size, 8, &pointers, size / 8);

	assert_non_null(type);
	return type;
}

static void
a_type_keeps_what_it_was_told(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type = type_of(heap, 40, 0x5);

	assert_int_equal(type->size, 40);
	assert_int_equal(type->align, 8);
	assert_string_equal(type->name, "node");
	assert_int_equal(type->pointer_words, 3);
	assert_true(ga_type_is_pointer(type, 0));
	assert_false(ga_type_is_pointer(type, 1));
	assert_true(ga_type_is_pointer(type, 2));
	assert_false(ga_type_is_pointer(type, 1000));
	assert_ptr_equal(ga_type_of_id(heap, type->id), type);
	assert_null(ga_type_of_id(heap, 0));
	assert_null(ga_type_of_id(heap, type->id + 1u));
}

static void
equal_types_are_one(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type = type_of(heap, 40, 0x5);
	uint64_t pointers[2] = {0x5, 0};
	size_t mapped = heap->metadata.mapped;

	assert_ptr_equal(type_of(heap, 40, 0x5), type);
	assert_ptr_equal(ga_type_get(heap, "node", 40, 8, pointers, 3), type);
	assert_ptr_not_equal(type_of(heap, 48, 0x5), type);
	assert_ptr_not_equal(type_of(heap, 40, 0x7), type);
	assert_ptr_not_equal(ga_type_get(heap, "leaf", 40, 8, pointers, 5), type);
	assert_int_equal(heap->metadata.mapped, mapped);
}

static void
long_names_are_cut(void **state)
{
	ga_heap *heap = *state;
	char name[200];
	const ga_type *type;

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	type = ga_type_get(heap, name, 8, 8, NULL, 0);
	assert_int_equal(strlen(type->name), GA_TYPE_NAME - 1);
	assert_ptr_equal(ga_type_get(heap, name, 8, 8, NULL, 0), type);
}

static void
a_bitmap_can_be_of_any_size(void **state)
{
	ga_heap *heap = *state;
	size_t words = 100000;
	uint64_t *pointers = calloc(words / 64 + 1, sizeof(uint64_t));
	const ga_type *type;

	pointers[99999 / 64] = UINT64_C(1) << 99999 % 64;
	type = ga_type_get(heap, "large", words * 8, 8, pointers, words);
	assert_int_equal(type->pointer_words, words);
	assert_true(ga_type_is_pointer(type, 99999));
	assert_false(ga_type_is_pointer(type, 99998));
	free(pointers);
}

static void
their_number_is_limited(void **state)
{
	ga_heap *heap = *state;
	char name[20];

	for (int i = 1; i <= GA_MAX_TYPES; i++)
	{
		const ga_type *type;

		snprintf(name, sizeof(name), "%d", i);
		type = ga_type_get(heap, name, 8, 8, NULL, 0);
		assert_int_equal(type->id, i);
	}
	assert_null(ga_type_get(heap, "one more", 8, 8, NULL, 0));
	assert_int_equal(ga_type_get(heap, "77", 8, 8, NULL, 0)->id, 77);
	assert_string_equal(ga_type_of_id(heap, GA_MAX_TYPES)->name, "65535");
}

static void
no_memory_for_a_type(void **state)
{
	ga_heap *heap = *state;
	const ga_type *type;

	fake_fail_from(OS_RESERVE, 1, ENOMEM);
	assert_null(ga_type_get(heap, "node", 16, 8, NULL, 0));
	fake_fail_never();
	type = type_of(heap, 16, 1);
	fake_fail_from(OS_MAP, 1, ENOMEM);
	for (int i = 0; i < 10000; i++)
	{
		char name[20];

		snprintf(name, sizeof(name), "%d", i);
		if (ga_type_get(heap, name, 8, 8, NULL, 0) == NULL)
			break;
		assert_int_not_equal(i, 9999);
	}
	assert_ptr_equal(type_of(heap, 16, 1), type);
	fake_fail_never();
	assert_non_null(ga_type_get(heap, "after", 8, 8, NULL, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_heap, teardown_heap)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_type_keeps_what_it_was_told),
		TEST(equal_types_are_one),
		TEST(long_names_are_cut),
		TEST(a_bitmap_can_be_of_any_size),
		TEST(their_number_is_limited),
		TEST(no_memory_for_a_type),
	};

	return cmocka_run_group_tests_name("type", tests, NULL, NULL);
}
