/*-------------------------------------------------------------------------
 *
 * test_sampler.c
 *	  Which lives of contexts are quarantined.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static ga_sampler sampler;

static int
setup(void **state)
{
	(void) state;
	ga_sampler_init(&sampler, fake_os(), 7);
	return 0;
}

/* How many of so many lives are in the sample? */
static int
draw(int lives)
{
	int sampled = 0;

	for (int i = 0; i < lives; i++)
		sampled += ga_sampler_draw(&sampler);
	return sampled;
}

static void
the_rate_is_a_share(void **state)
{
	(void) state;
	assert_int_equal(draw(10000), 0);
	ga_sampler_set_rate(&sampler, 0.01);
	assert_in_range(draw(10000), 50, 150);
	ga_sampler_set_rate(&sampler, 0.05);
	assert_in_range(draw(10000), 400, 600);
	ga_sampler_set_rate(&sampler, 0.5);
	assert_in_range(draw(10000), 4750, 5250);
	ga_sampler_set_rate(&sampler, 0.99);
	assert_in_range(draw(10000), 9850, 9950);
	ga_sampler_set_rate(&sampler, 1);
	assert_int_equal(draw(10000), 10000);
	ga_sampler_set_rate(&sampler, 0);
	assert_int_equal(draw(10000), 0);
}

/* Processes whose seeds are neighbours do not draw alike. */
static void
the_first_draw_is_as_good_as_the_others(void **state)
{
	int counts[8] = {0};

	(void) state;
	for (uint64_t seed = 0; seed < 10000; seed++)
	{
		ga_sampler_init(&sampler, fake_os(), seed);
		ga_sampler_set_rate(&sampler, 0.05);
		for (size_t i = 0; i < lengthof(counts); i++)
			counts[i] += ga_sampler_draw(&sampler);
	}
	for (size_t i = 0; i < lengthof(counts); i++)
		assert_in_range(counts[i], 400, 600);
}

/* A setting that is changed again and again, as by a function's SET, does not change the share. */
static void
setting_the_rate_again_changes_no_share(void **state)
{
	int sampled = 0;

	(void) state;
	for (int i = 0; i < 10000; i++)
	{
		ga_sampler_set_rate(&sampler, 0.05);
		sampled += draw(2);
	}
	assert_in_range(sampled, 850, 1150);
}

/*
 * Of two lives that always begin together, the second is in the sample as often as the first,
 * although the bound has seen no time pass since.
 */
static void
lives_that_begin_together_are_drawn_alike(void **state)
{
	int first = 0;
	int second = 0;

	(void) state;
	ga_sampler_set_rate(&sampler, 0.09);
	for (int i = 0; i < 300000; i++)
	{
		fake_spend_processor_time(1000000);
		first += draw(1);
		fake_spend_processor_time(0);
		second += draw(1);
	}
	assert_in_range(first, 26000, 28000);
	assert_in_range(second, first * 97 / 100, first * 103 / 100);
}

/* While no time passes, the bucket is all that a sample can have. */
static void
without_time_the_bucket_runs_out(void **state)
{
	(void) state;
	fake_spend_processor_time(0);
	ga_sampler_set_rate(&sampler, 0.05);
	assert_int_equal(draw(100000), 0);

	/* Time for ten lives. */
	fake_spend_processor_time((int64_t) (10 * GA_SAMPLER_LIFE_US / 0.05) + 1);
	while (draw(1) == 0)
		continue;
	fake_spend_processor_time(0);
	assert_int_equal(draw(100000), 9);
}

/* Short processes have a share of the time in the sample, as others have. */
static void
short_processes_are_sampled_by_their_time(void **state)
{
	int sampled = 0;

	(void) state;
	for (uint64_t seed = 0; seed < 10000; seed++)
	{
		/* which lives for a quarter of the time that there is for a life in the sample */
		ga_sampler_init(&sampler, fake_os(), seed);
		fake_spend_processor_time((int64_t) (GA_SAMPLER_LIFE_US / 0.05 / 4));
		ga_sampler_set_rate(&sampler, 0.05);
		sampler.unsampled = 0;
		sampled += draw(1);
	}
	assert_in_range(sampled, 2300, 2700);
}

/* While lives begin too fast, the sampler looks at the clock less often than the rate says. */
static void
an_empty_bucket_is_looked_at_rarely(void **state)
{
	uint64_t lives = 0;

	(void) state;
	fake_spend_processor_time(0);
	ga_sampler_set_rate(&sampler, 0.05);
	for (int i = 0; i < 1000; i++)
	{
		sampler.unsampled = 0;
		assert_int_equal(draw(1), 0);
		lives += sampler.unsampled;
	}
	assert_in_range(lives, 1000 * 7 / 0.05, 1000 * 9 / 0.05);
}

static void
the_bucket_does_not_overflow(void **state)
{
	(void) state;
	ga_sampler_set_rate(&sampler, 0.05);
	fake_spend_processor_time(INT64_C(3600) * 1000000);
	while (draw(1) == 0)
		continue;
	fake_spend_processor_time(0);
	assert_int_equal(draw(100000), GA_SAMPLER_BURST - 1);
}

/* Tests ask for a share of all lives. */
static void
a_high_rate_has_no_bound(void **state)
{
	(void) state;
	fake_spend_processor_time(0);
	ga_sampler_set_rate(&sampler, GA_SAMPLER_UNBOUNDED);
	assert_in_range(draw(10000), 850, 1150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define SAMPLER_TEST(function) cmocka_unit_test_setup(function, setup)
		SAMPLER_TEST(the_rate_is_a_share),
		SAMPLER_TEST(the_first_draw_is_as_good_as_the_others),
		SAMPLER_TEST(setting_the_rate_again_changes_no_share),
		SAMPLER_TEST(lives_that_begin_together_are_drawn_alike),
		SAMPLER_TEST(without_time_the_bucket_runs_out),
		SAMPLER_TEST(short_processes_are_sampled_by_their_time),
		SAMPLER_TEST(an_empty_bucket_is_looked_at_rarely),
		SAMPLER_TEST(the_bucket_does_not_overflow),
		SAMPLER_TEST(a_high_rate_has_no_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
