/*-------------------------------------------------------------------------
 *
 * test_chain.c
 *	  Recognizing stacks by their frame pointers.
 *
 * GA_SEED repeats a run, GA_OPERATIONS sets its length.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <time.h>

#include "support.h"
#include "stack/chain.h"

#define WORDS 60
#define LAST  40 /* the word that the last frame begins with */
#define ROOM  6
#define CODE  8 /* the highest address of code */
#define KNOWN 4096

static uint64_t operations;
static uint64_t made_up; /* what rules are made from */

/* Two of three functions keep frame pointers.  No code lies on the stack. */
static ga_rule
some_rule(uintptr_t pc)
{
	uint64_t random = made_up ^ pc;

	if (pc > CODE)
		return (ga_rule){.base = GA_BASE_UNKNOWN};
	if (random_below(&random, 3) > 0)
		return (ga_rule){.base = GA_BASE_FP,
						 .cfa_offset = 16,
						 .ra_offset = -1,
						 .fp_saved = GA_SAVED_CFA,
						 .fp_offset = -2};
	return (ga_rule){.base = GA_BASE_SP,
					 .cfa_offset = (int32_t) (1 + random_below(&random, 3)) * 8,
					 .ra_offset = -1};
}

static bool
no_call(uintptr_t address)
{
	(void) address;
	return false;
}

static ga_remembered rules[1 << GA_REMEMBERED_BITS];
static const ga_code some_code = {some_rule, no_call, rules};

/* A stack whose chain was proved. */
typedef struct known
{
	uint64_t hash;
	int count;
	uintptr_t frames[ROOM];
} known;

static known all_known[KNOWN];

static known *
slot_of(uint64_t hash)
{
	return &all_known[hash % KNOWN];
}

static uint64_t
random_word(uint64_t *random, uintptr_t low, size_t at)
{
	uint64_t unaligned = random_below(random, 20) == 0 ? random_below(random, 8) : 0;

	return random_below(random, 3) == 0 ? 1 + random_below(random, CODE)
										: low + (at + 1 + random_below(random, 3)) * 8 + unaligned;
}

/*
 * stacks_with_the_hash_of_a_proved_chain_are_alike
 *		Whatever else differs.  Beyond the last frame nothing changes.
 */
static void
stacks_with_the_hash_of_a_proved_chain_are_alike(void **state)
{
	uint64_t random = *(uint64_t *) *state;
	uint64_t recognized = 0;
	uint64_t ended = 0;

	for (uint64_t i = 0; i < operations / 100; i++)
	{
		uintptr_t words[WORDS];
		uintptr_t low = (uintptr_t) words;

		made_up = random_bits(&random);
		memset(rules, 0, sizeof(rules));
		memset(all_known, 0, sizeof(all_known));
		for (size_t j = 0; j < WORDS; j++)
			words[j] = random_word(&random, low, j);
		words[LAST] = 0; /* as the last frame is chosen, this is no code */
		for (int walk = 0; walk < 100; walk++)
		{
			int room = 1 + (int) random_below(&random, ROOM);
			size_t from = random_below(&random, LAST + 1);
			ga_view chain = ga_view_of(low, low + (LAST + 2) * 8);
			ga_view stack = ga_view_of(low + from * 8, low + WORDS * 8);
			ga_place place = {
				.pc = 1 + random_below(&random, CODE),
				.sp = stack.low,
				.fp = low + (from + random_below(&random, 3)) * 8,
			};
			uintptr_t frames[ROOM];
			uint64_t hash;
			known *k;
			int count;

			for (int changes = 0; changes < 4; changes++)
			{
				size_t at = random_below(&random, LAST);

				words[at] = random_word(&random, low, at);
			}
			if (from + 5 < LAST && random_below(&random, 8) == 0)
			{
				/* A frame pointer that is not aligned leads to what looks like a frame. */
				ga_chain_frame frame = {.next = random_word(&random, low, from + 4),
										.ra = 1 + random_below(&random, CODE)};

				place.fp += 1 + random_below(&random, 7);
				memcpy((char *) words + (place.fp - low), &frame, sizeof(frame));
			}
			hash = ga_chain_hash(&chain, &place, room);
			if (hash == 0)
				continue;
			count = ga_walk(&stack, &some_code, place, frames, room);
			k = slot_of(hash);
			if (k->hash == hash)
			{
				recognized++;
				ended += count < room;
				assert_int_equal(count, k->count);
				assert_memory_equal(frames, k->frames, (size_t) count * sizeof(*frames));
			}
			else if (ga_chain_proves(&chain, &some_code, &place, frames, count, room))
			{
				k->hash = hash;
				k->count = count;
				memcpy(k->frames, frames, sizeof(frames));
			}
		}
	}
	assert_true(recognized > operations / 20);
	assert_true(ended > operations / 50000); /* some 20 of 100000 */
}

/* Registers, and frame pointers on the stack, may be anything. */
static void
a_chain_does_not_leave_the_stack(void **state)
{
	uint64_t random = *(uint64_t *) *state;
	uint64_t hashed = 0;

	for (uint64_t i = 0; i < operations; i++)
	{
		size_t count = 2 + random_below(&random, 30);
		uintptr_t *words = malloc(count * sizeof(*words));
		uintptr_t low = (uintptr_t) words;
		ga_view stack = ga_view_of(low, low + count * sizeof(*words));
		ga_place place = {.pc = 1, .sp = low, .fp = low + random_below(&random, count + 2) * 8};

		assert_non_null(words);
		for (size_t j = 0; j < count; j++)
			words[j] = random_below(&random, 5) == 0 ? random_bits(&random)
													 : low + random_below(&random, count + 2) * 8;
		if (random_below(&random, 5) == 0)
			place.fp = random_bits(&random) >> random_below(&random, 64);
		if (random_below(&random, 5) == 0)
			place.sp = random_bits(&random) >> random_below(&random, 64);
		if (random_below(&random, 5) == 0)
			place.fp = UINTPTR_MAX - random_below(&random, 64);
		if (random_below(&random, 5) == 0)
			place.sp = low + random_below(&random, count * 8 + 64);
		hashed += ga_chain_hash(&stack, &place, ROOM) != 0;
		free(words);
	}
	assert_true(hashed > operations / 100);

	/* There is none. */
	{
		ga_view none = {.high = sizeof(ga_chain_frame)};
		ga_place place = {.pc = 1, .sp = 8, .fp = 8};

		assert_true(ga_chain_hash(&none, &place, ROOM) == 0);
	}
}

int
main(void)
{
	uint64_t seed = environment_number("GA_SEED", (uint64_t) time(NULL));
	void *state = &seed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(stacks_with_the_hash_of_a_proved_chain_are_alike, &state),
		cmocka_unit_test_prestate(a_chain_does_not_leave_the_stack, &state),
	};

	operations = environment_number("GA_OPERATIONS", 100000);
	printf("# GA_SEED=%llu\n", (unsigned long long) seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
