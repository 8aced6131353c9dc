/*-------------------------------------------------------------------------
 *
 * fake_os.c
 *	  See fake_os.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

const char *const os_call_names[OS_NUM_CALLS] = {
	"reserve", "map",  "use",	"unuse",	"drop",		"leave", "free",
	"move",	   "huge", "small", "populate", "resident", "peek",
};

static struct
{
	const ga_os *real;
	size_t page_size;
	uint64_t calls[OS_NUM_CALLS];
	uint64_t fail_from[OS_NUM_CALLS]; /* first call that fails, 0: none */
	uint64_t fail_to[OS_NUM_CALLS];	  /* last one */
	int error[OS_NUM_CALLS];
	uint64_t fail_one_in; /* 0: none */
	uint64_t random;
	uint64_t failures;
	size_t reserved;
	size_t cap;
	bool misalign;
	bool loses_targets;
	bool pretends;
	uintptr_t pretended_from;
	uintptr_t pretended_to;
	uintptr_t hidden_from;
	uintptr_t hidden_to;
	int64_t clock; /* 0: the real one */
	int64_t processor_time;
	int64_t processor_time_each;
} fake;

/*
 * counted
 *		Count a call.  False, with errno set, if it shall fail.
 */
static bool
counted(os_call call)
{
	uint64_t number = ++fake.calls[call];
	bool fails =
		fake.fail_from[call] != 0 && fake.fail_from[call] <= number && number <= fake.fail_to[call];

	errno = fails ? fake.error[call] : ENOMEM;
	if (!fails && fake.fail_one_in != 0)
		fails = random_below(&fake.random, fake.fail_one_in) == 0;
	fake.failures += fails;
	return !fails;
}

/*
 * pretended
 *		Is there nothing at an address but our word?
 */
static bool
pretended(const void *addr)
{
	return (uintptr_t) addr - fake.pretended_from < fake.pretended_to - fake.pretended_from;
}

static void
check_range(const void *addr, size_t size)
{
	assert_int_equal((uintptr_t) addr % fake.page_size, 0);
	assert_int_equal(size % fake.page_size, 0);
	assert_true(size > 0);
}

/*
 * reserve_misaligned
 *		Address space that begins at an odd page.
 */
static void *
reserve_misaligned(size_t size)
{
	size_t page = fake.page_size;
	char *result = fake.real->reserve(NULL, size + page);
	bool odd = (uintptr_t) result % (2 * page) != 0;

	if (result == NULL)
		return NULL;
	assert_int_equal(fake.real->free(odd ? result + size : result, page), 0);
	return odd ? result : result + page;
}

static void *
fake_reserve(void *hint, size_t size)
{
	void *result = NULL;

	check_range(hint, size);
	if (fake.pretends && hint != NULL)
	{
		if (fake.pretended_from == 0)
			fake.pretended_from = (uintptr_t) hint;
		fake.pretended_to = ga_max_size(fake.pretended_to, (uintptr_t) hint + size);
		fake.reserved += size;
		return hint;
	}
	if (counted(OS_RESERVE) && size <= fake.cap - fake.reserved)
		result = fake.misalign ? reserve_misaligned(size) : fake.real->reserve(hint, size);
	if (result != NULL)
		fake.reserved += size;
	return result;
}

static int
fake_map(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_MAP) ? (pretended(addr) ? 0 : fake.real->map(addr, size)) : -1;
}

static int
fake_use(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_USE) ? (pretended(addr) ? 0 : fake.real->use(addr, size)) : -1;
}

static int
fake_unuse(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_UNUSE) ? (pretended(addr) ? 0 : fake.real->unuse(addr, size)) : -1;
}

static int
fake_drop(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_DROP) ? (pretended(addr) ? 0 : fake.real->drop(addr, size)) : -1;
}

static int
fake_leave(void *addr, size_t size)
{
	check_range(addr, size);
	if (!counted(OS_LEAVE) || (!pretended(addr) && fake.real->leave(addr, size) != 0))
		return -1;
	fake.reserved -= size;
	return 0;
}

static int
fake_free(void *addr, size_t size)
{
	check_range(addr, size);

	/* What could not be given back is the process's, no longer the engine's. */
	fake.reserved -= size;
	return counted(OS_FREE) ? (pretended(addr) ? 0 : fake.real->free(addr, size)) : -1;
}

static int
fake_move(void *from, size_t size, void *to, size_t to_size)
{
	int result;

	check_range(from, size);
	check_range(to, to_size);
	assert_int_equal((uintptr_t) from % GA_SLOT_SIZE, 0);
	assert_int_equal((uintptr_t) to % GA_SLOT_SIZE, 0);
	assert_int_equal(size % GA_SLOT_SIZE, 0);
	assert_true(size <= to_size);
	if (!counted(OS_MOVE))
	{
		if (!fake.loses_targets)
			return -1;
		assert_int_equal(fake.real->free(to, to_size), 0);
		fake.reserved -= to_size;
		return GA_MOVE_LOST;
	}
	result = pretended(from) ? 0 : fake.real->move(from, size, to, to_size);
	if (result == 0)
		fake.reserved -= size;
	return result;
}

static int
fake_small(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_SMALL) ? (pretended(addr) ? 0 : fake.real->small(addr, size)) : -1;
}

static int
fake_populate(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_POPULATE) ? (pretended(addr) ? 0 : fake.real->populate(addr, size)) : -1;
}

static int
fake_huge(void *addr, size_t size)
{
	check_range(addr, size);
	return counted(OS_HUGE) ? (pretended(addr) ? 0 : fake.real->huge(addr, size)) : -1;
}

/*
 * resident_large
 *		A large page is resident if one of the real pages is that make it up.
 */
static int
resident_large(char *addr, size_t size, unsigned char *pages)
{
	unsigned char parts[16];
	size_t count = fake.page_size / fake.real->page_size;

	assert_true(count <= lengthof(parts));
	for (size_t i = 0; i < size / fake.page_size; i++)
	{
		if (fake.real->resident(addr + i * fake.page_size, fake.page_size, parts) != 0)
			return -1;
		pages[i] = 0;
		for (size_t part = 0; part < count; part++)
			pages[i] |= parts[part] & 1;
	}
	return 0;
}

static int
fake_resident(void *addr, size_t size, unsigned char *pages)
{
	int result;

	check_range(addr, size);
	if (!counted(OS_RESIDENT))
		return -1;
	result = fake.page_size == fake.real->page_size ? fake.real->resident(addr, size, pages)
													: resident_large(addr, size, pages);
	for (size_t i = 0; i < size / fake.page_size; i++)
	{
		uintptr_t page = (uintptr_t) addr + i * fake.page_size;

		if (page >= fake.hidden_from && page < fake.hidden_to)
			pages[i] &= (unsigned char) ~1;
	}
	return result;
}

static size_t
fake_peek(void *to, const void *from, size_t size)
{
	return counted(OS_PEEK) ? fake.real->peek(to, from, size) : 0;
}

const ga_os *
fake_os(void)
{
	return fake_os_with_pages(ga_os_default()->page_size);
}

static int64_t
fake_now(void)
{
	return fake.clock != 0 ? fake.clock : fake.real->now();
}

static int64_t
fake_processor_time(void)
{
	return fake.processor_time += fake.processor_time_each;
}

void
fake_spend_processor_time(int64_t each)
{
	fake.processor_time_each = each;
}

void
fake_set_clock(int64_t now)
{
	fake.clock = now;
}

const ga_os *
fake_os_with_pages(size_t page_size)
{
	static ga_os table = {
		.reserve = fake_reserve,
		.map = fake_map,
		.use = fake_use,
		.unuse = fake_unuse,
		.drop = fake_drop,
		.leave = fake_leave,
		.free = fake_free,
		.move = fake_move,
		.huge = fake_huge,
		.small = fake_small,
		.populate = fake_populate,
		.resident = fake_resident,
		.peek = fake_peek,
		.now = fake_now,
		.processor_time = fake_processor_time,
	};

	memset(&fake, 0, sizeof(fake));
	fake.real = ga_os_default();
	fake.page_size = page_size;
	fake.cap = SIZE_MAX;
	fake.processor_time_each = 1000000;
	table.page_size = page_size;
	return &table;
}

static void
fail_range(os_call call, uint64_t from, uint64_t to, int error)
{
	fake.fail_from[call] = from;
	fake.fail_to[call] = to;
	fake.error[call] = error;
}

void
fake_fail(os_call call, uint64_t nth, int error)
{
	uint64_t number = fake.calls[call] + nth;

	fail_range(call, nth == 0 ? 0 : number, number, error);
}

void
fake_fail_from(os_call call, uint64_t nth, int error)
{
	fail_range(call, fake.calls[call] + nth, UINT64_MAX, error);
}

void
fake_fail_randomly(uint64_t one_in, uint64_t seed)
{
	fake.fail_one_in = one_in;
	fake.random = seed;
}

void
fake_fail_never(void)
{
	memset(fake.fail_from, 0, sizeof(fake.fail_from));
	fake.fail_one_in = 0;
}

uint64_t
fake_failures(void)
{
	return fake.failures;
}

uint64_t
fake_calls(os_call call)
{
	return fake.calls[call];
}

uint64_t
fake_all_calls(void)
{
	uint64_t sum = 0;

	for (int call = 0; call < OS_NUM_CALLS; call++)
		sum += fake.calls[call];
	return sum;
}

size_t
fake_reserved(void)
{
	return fake.reserved;
}

void
fake_cap_reserved(size_t bytes)
{
	fake.cap = bytes;
}

void
fake_misalign(void)
{
	fake.misalign = true;
}

void
fake_lose_targets(void)
{
	fake.loses_targets = true;
}

void
fake_pretend(void)
{
	fake.pretends = true;
}

void
fake_hide(const void *addr, size_t size)
{
	fake.hidden_from = (uintptr_t) addr;
	fake.hidden_to = (uintptr_t) addr + size;
}
