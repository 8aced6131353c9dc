/*-------------------------------------------------------------------------
 *
 * test_size_class.c
 *	  Size classes: every small size, and both sides of every edge.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "size_class.h"
#include "support.h"

/* A quarter of the largest chunk. */
#define LARGEST ((size_t) 16 << 20)

/*
 * assert_class_fits
 *		The class of a size is the smallest that holds it.
 */
static void
assert_class_fits(size_t size)
{
	int class = ga_class_of(size);

	assert_in_range(class, 0, GA_NUM_CLASSES - 1);
	assert_true(ga_class_size(class) >= size);
	if (class > 0)
		assert_true(ga_class_size(class - 1) < size);
	assert_int_equal(ga_class_round(size), ga_class_size(class));
}

static void
every_small_size(void **state)
{
	(void) state;
	for (size_t size = 0; size <= 20000; size++)
	{
		assert_class_fits(size);
		if (size > 0)
			assert_true(ga_class_of(size) >= ga_class_of(size - 1));
	}
	assert_int_equal(ga_class_of(0), 0);
	assert_int_equal(ga_class_of(8), 0);
	assert_int_equal(ga_class_of(9), 1);
}

static void
every_edge(void **state)
{
	(void) state;
	for (int class = 0; class < GA_NUM_CLASSES; class ++)
	{
		size_t size = ga_class_size(class);

		assert_int_equal(ga_class_of(size), class);
		assert_class_fits(size);
		assert_class_fits(size - 1);
		if (class + 1 < GA_NUM_CLASSES)
		{
			assert_int_equal(ga_class_of(size + 1), class + 1);
			assert_class_fits(size + 1);
		}
	}
	assert_int_equal(ga_class_size(GA_NUM_CLASSES - 1), LARGEST);
}

static void
sizes_rise_in_aligned_steps(void **state)
{
	size_t before = 0;

	(void) state;
	for (int class = 0; class < GA_NUM_CLASSES; class ++)
	{
		assert_true(ga_class_size(class) > before);
		assert_int_equal(ga_class_size(class) % GA_ALIGN, 0);
		before = ga_class_size(class);
	}
}

/*
 * The waste that the classes admit to is that of the sizes 1 and up; above 128
 * bytes it is less than 1/9, and less than 8 bytes below.
 */
static void
waste_is_bounded_and_told(void **state)
{
	size_t size = 1;

	(void) state;
	for (int class = 0; class < GA_NUM_CLASSES; class ++)
	{
		size_t rounded = ga_class_size(class);
		double worst = (double) (rounded - size) / (double) rounded;

		assert_int_equal(ga_class_of(size), class);
		assert_true(ga_class_waste(class) == worst);
		if (rounded > GA_LINEAR_MAX)
			assert_true(worst < 1.0 / 9);
		else
			assert_true(rounded - size < 8);
		size = rounded + 1;
	}
}

/* The hot path looks small sizes up in one word. */
static void
small_classes_fit_a_word(void **state)
{
	(void) state;
	assert_int_equal(ga_class_of(GA_SMALL_MAX), 63);
	assert_int_equal(ga_class_size(63), GA_SMALL_MAX);
}

static void
orders(void **state)
{
	(void) state;
	assert_int_equal(ga_order_of(0), 0);
	assert_int_equal(ga_order_of(1), 0);
	assert_int_equal(ga_order_of(2), 1);
	for (int order = 2; order < 48; order++)
	{
		size_t size = (size_t) 1 << order;

		assert_int_equal(ga_order_of(size - 1), order);
		assert_int_equal(ga_order_of(size), order);
		assert_int_equal(ga_order_of(size + 1), order + 1);
	}
}

static void
alignment(void **state)
{
	(void) state;
	assert_int_equal(ga_align_up(0, 8), 0);
	assert_int_equal(ga_align_up(1, 8), 8);
	assert_int_equal(ga_align_up(8, 8), 8);
	assert_int_equal(ga_align_up(9, 4096), 4096);
	assert_int_equal(ga_align_down(7, 8), 0);
	assert_int_equal(ga_align_down(8, 8), 8);
	assert_int_equal(ga_align_down(8191, 4096), 4096);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_small_size),
		cmocka_unit_test(every_edge),
		cmocka_unit_test(sizes_rise_in_aligned_steps),
		cmocka_unit_test(waste_is_bounded_and_told),
		cmocka_unit_test(small_classes_fit_a_word),
		cmocka_unit_test(orders),
		cmocka_unit_test(alignment),
	};

	return cmocka_run_group_tests_name("size_class", tests, NULL, NULL);
}
