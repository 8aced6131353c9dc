/*-------------------------------------------------------------------------
 *
 * test_cfi.c
 *	  Unwind tables, whole ones and damaged ones.
 *
 * GA_SEED repeats a run, GA_OPERATIONS sets its length.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <link.h>
#include <time.h>

#include "support.h"
#include "stack/cfi.h"
#include "stack/code.h"

/* The tables of one object of this process. */
typedef struct tables
{
	ga_view view;
	uintptr_t hdr;
	uintptr_t text_low;
	uintptr_t text_high;
} tables;

static uint64_t operations;

/*
 * find_tables
 *		Callback of dl_iterate_phdr: those of the first object that has code and
 *		tables, and is not the program itself if *from is set.
 */
static int
find_tables(struct dl_phdr_info *info, size_t size, void *arg)
{
	tables *t = arg;

	(void) size;
	*t = (tables){.hdr = 0};
	for (int i = 0; i < info->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t low = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_GNU_EH_FRAME)
			t->hdr = low;
		else if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0)
		{
			t->text_low = low;
			t->text_high = low + segment->p_filesz;
		}
	}
	for (int i = 0; i < info->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t low = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && t->hdr >= low && t->hdr < low + segment->p_filesz)
			t->view = ga_view_of(low, low + segment->p_filesz);
	}
	return strstr(info->dlpi_name, "libc.so") != NULL;
}

static tables
libc_tables(void)
{
	tables t;

	assert_int_equal(dl_iterate_phdr(find_tables, &t), 1);
	assert_true(t.hdr != 0 && t.view.data != NULL && t.text_high > t.text_low);
	return t;
}

/*
 * functions_have_rules
 *		Of all addresses that functions of the C library have, nearly all have
 *		rules that can be said; those that align their stack in another way do not.
 */
static void
functions_have_rules(void **state)
{
	tables t = libc_tables();
	size_t functions = 0;
	size_t with_rules = 0;

	(void) state;
	for (uintptr_t pc = t.text_low; pc < t.text_high;)
	{
		ga_cfi_function function;

		if (!ga_cfi_find(&t.view, t.hdr, pc, &function))
		{
			pc++;
			continue;
		}
		assert_in_range(pc, function.start, function.end - 1);
		functions++;
		with_rules += function.rule.base != GA_BASE_UNKNOWN;
		pc = function.end;
	}
	assert_true(functions > 1000);
	assert_true(with_rules > functions / 100 * 98);
}

static void
a_function_begins_with_its_return_address_at_the_top(void **state)
{
	ga_rule rule = ga_code_rule((uintptr_t) libc_tables);

	(void) state;
#if defined(__x86_64__)
	assert_int_equal(rule.base, GA_BASE_SP);
	assert_int_equal(rule.cfa_offset, 8);
	assert_int_equal(rule.ra_offset, -1);
	assert_int_equal(rule.fp_saved, GA_SAVED_NOT);
#else
	assert_int_equal(rule.base, GA_BASE_SP);
	assert_int_equal(rule.cfa_offset, 0);
	assert_int_equal(rule.ra_offset, 0);
#endif
}

static void
what_is_no_code_has_no_rule(void **state)
{
	static int data;
	uintptr_t addresses[] = {
		0, 1, (uintptr_t) &data, (uintptr_t) state, UINTPTR_MAX, ~(UINTPTR_MAX >> 1)};

	for (size_t i = 0; i < lengthof(addresses); i++)
	{
		assert_int_equal(ga_code_rule(addresses[i]).base, GA_BASE_UNKNOWN);
		assert_false(ga_code_follows_call(addresses[i]));
	}
}

static void
calls_are_known(void **state)
{
	(void) state;
	assert_true(ga_code_follows_call((uintptr_t) __builtin_return_address(0)));
	assert_false(ga_code_follows_call((uintptr_t) calls_are_known));
}

/*
 * damage
 *		Change some bytes, a few of them anywhere, and some in the entries.
 */
static void
damage(char *copy, size_t size, uint64_t *random)
{
	for (uint64_t i = random_below(random, 20); i > 0; i--)
		copy[random_below(random, size)] = (char) random_bits(random);
}

/*
 * damaged_tables_lead_nowhere_else
 *		The copy is an allocation of just that size: AddressSanitizer sees each
 *		access beside it.
 */
static void
damaged_tables_lead_nowhere_else(void **state)
{
	tables t = libc_tables();
	uint64_t random = *(uint64_t *) *state;
	size_t size = t.view.high - t.hdr;
	uint64_t found = 0;

	for (uint64_t i = 0; i < operations; i++)
	{
		ga_cfi_function function;
		char *copy;
		ga_view view;

		/* The end may be missing, too. */
		if (random_below(&random, 4) == 0)
			size = 1 + random_below(&random, t.view.high - t.hdr);
		copy = malloc(size);
		assert_non_null(copy);
		memcpy(copy, (const void *) t.hdr, size);
		view = (ga_view){t.hdr, t.hdr + size, copy};
		if (i > 0)
			damage(copy, random_below(&random, 2) == 0 ? ga_min_size(size, 64) : size, &random);
		for (int j = 0; j < 100; j++)
			found += ga_cfi_find(&view, t.hdr,
								 t.text_low + random_below(&random, t.text_high - t.text_low),
								 &function);
		free(copy);
	}
	assert_true(found > 50);
}

/* Entries with any instructions, for an address that they have. */
static void
any_instructions_end(void **state)
{
#if defined(__x86_64__)
	const unsigned char return_address = 16;
#else
	const unsigned char return_address = 30;
#endif
	const unsigned char cie[] = {
		0x14,			0, 0,	 0,	   0, 0, 0,	   0, 1, 'z', 'R', 0, 1, 0x78,
		return_address, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0};
	uint64_t random = *(uint64_t *) *state;

	for (uint64_t i = 0; i < operations; i++)
	{
		const uintptr_t base = UINT64_C(0x7000000000);
		uint32_t instructions = (uint32_t) random_below(&random, 64);
		size_t size = 20 + sizeof(cie) + 17 + instructions;
		unsigned char *copy = malloc(size);
		unsigned char *entry = copy + 20 + sizeof(cie);
		ga_view view = {base, base + size, (const char *) copy};
		ga_cfi_function function;
		int32_t words[] = {0x3b031b01, 16, 1, 0x1000, (int32_t) (20 + sizeof(cie)), 0, 0, 0, 0, 0};

		/* header, one pair, the CIE, and an entry for 256 bytes of code */
		assert_non_null(copy);
		memcpy(copy, words, 20);
		memcpy(copy + 20, cie, sizeof(cie));
		words[0] = (int32_t) (13 + instructions);
		words[1] = (int32_t) sizeof(cie) + 4;
		words[2] = 0x1000 - (int32_t) (20 + sizeof(cie) + 8);
		words[3] = 256;
		memcpy(entry, words, 16);
		entry[16] = 0;
		for (uint32_t j = 0; j < instructions; j++)
			entry[17 + j] =
				(unsigned char) (random_below(&random, 2) == 0 ? random_below(&random, 0x30)
															   : random_bits(&random));
		assert_true(
			ga_cfi_find(&view, base, base + 0x1000 + random_below(&random, 256), &function));
		assert_int_equal(function.start, base + 0x1000);
		assert_int_equal(function.end, base + 0x1100);
		assert_in_range(function.rule.base, GA_BASE_UNKNOWN, GA_BASE_OUTERMOST);
		free(copy);
	}
}

int
main(void)
{
	uint64_t seed = environment_number("GA_SEED", (uint64_t) time(NULL));
	void *state = &seed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_have_rules),
		cmocka_unit_test(a_function_begins_with_its_return_address_at_the_top),
		cmocka_unit_test(what_is_no_code_has_no_rule),
		cmocka_unit_test(calls_are_known),
		cmocka_unit_test_prestate(damaged_tables_lead_nowhere_else, &state),
		cmocka_unit_test_prestate(any_instructions_end, &state),
	};

	operations = environment_number("GA_OPERATIONS", 1000);
	printf("# GA_SEED=%llu\n", (unsigned long long) seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
