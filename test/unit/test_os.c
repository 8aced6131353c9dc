/*-------------------------------------------------------------------------
 *
 * test_os.c
 *	  The real operating system keeps what os.h promises.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static const ga_os *os;

static int
setup(void **state)
{
	os = ga_os_default();
	*state = os->reserve(NULL, 16 * MB);
	return *state == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	return os->free(*state, 16 * MB);
}

static void
the_page_size_is_the_kernels(void **state)
{
	(void) state;
	assert_int_equal(os->page_size, sysconf(_SC_PAGESIZE));
	assert_ptr_equal(ga_os_default(), os);
}

static void
reserved_memory_faults(void **state)
{
	assert_true(read_faults(*state));
	assert_true(write_faults((char *) *state + 16 * MB - 1));
	assert_int_equal(resident_pages(*state, 16 * MB), 0);
}

static void
a_free_hint_is_followed(void **state)
{
	char *again;

	assert_int_equal(os->free(*state, 16 * MB), 0);
	again = os->reserve(*state, 16 * MB);
	assert_ptr_equal(again, *state);

	/* One that is taken is not. */
	again = os->reserve(*state, MB);
	assert_non_null(again);
	assert_ptr_not_equal(again, *state);
	assert_int_equal(os->free(again, MB), 0);
}

static void
address_space_is_limited(void **state)
{
	(void) state;
	assert_null(os->reserve(NULL, (size_t) 1 << 60));
	assert_int_equal(errno, ENOMEM);
}

static void
memory_goes_through_its_conditions(void **state)
{
	char *memory = *state;

	assert_int_equal(os->map(memory, 64 * KB), 0);
	assert_true(read_faults(memory + 64 * KB));
	assert_int_equal(peek_word(memory), 0);
	fill(memory, 64 * KB, 1);
	assert_int_equal(resident_pages(memory, 64 * KB) * os->page_size, 64 * KB);

	/* They can be given back with access, which stays, or without. */
	assert_int_equal(os->unuse(memory, 32 * KB), 0);
	assert_int_equal(peek_word(memory), 0);
	assert_false(write_faults(memory));
	assert_int_equal(os->drop(memory + 32 * KB, 32 * KB), 0);
	assert_true(write_faults(memory + 64 * KB - 1));
	assert_int_equal(resident_pages(memory + 32 * KB, 32 * KB), 0);
	assert_true(read_faults(memory + 32 * KB));
	assert_int_equal(os->use(memory + 32 * KB, 32 * KB), 0);
	assert_int_equal(peek_word(memory + 32 * KB), 0);
}

static void
calls_that_must_fail(void **state)
{
	char *memory = *state;

	assert_int_equal(os->free(memory + 8 * MB, 8 * MB), 0);
	assert_int_equal(os->use(memory + 4 * MB, 8 * MB), -1);
	assert_int_equal(errno, ENOMEM);
	assert_ptr_equal(os->reserve(memory + 8 * MB, 8 * MB), memory + 8 * MB);
}

/* The first whole slot of the memory that setup() reserved. */
static char *
slots_of(void **state)
{
	return (char *) ga_align_up((uintptr_t) *state, GA_SLOT_SIZE);
}

static bool
is_unmapped(void *addr, size_t size)
{
	static unsigned char pages[GA_SLOT_SIZE / 4096];

	return mincore(addr, size, pages) == -1 && errno == ENOMEM;
}

static void
slots_are_moved(void **state)
{
	char *from = slots_of(state);
	char *to = from + 3 * GA_SLOT_SIZE;

	assert_int_equal(os->map(from, GA_SLOT_SIZE), 0);
	fill(from, 100 * KB, 1);
	assert_int_equal(os->move(from, GA_SLOT_SIZE, to, GA_SLOT_SIZE), 0);
	assert_true(is_filled(to, 100 * KB, 1));
	assert_int_equal(resident_pages(to, GA_SLOT_SIZE) * os->page_size, 100 * KB);

	/* Nothing is left, until it is reserved again. */
	assert_true(is_unmapped(from, GA_SLOT_SIZE));
	assert_true(read_faults(from));
	assert_ptr_equal(os->reserve(from, GA_SLOT_SIZE), from);
	assert_true(read_faults(from));
	assert_int_equal(os->move(to, GA_SLOT_SIZE, from, 2 * GA_SLOT_SIZE), 0);
	assert_true(is_filled(from, 100 * KB, 1));
	fill(from + GA_SLOT_SIZE, GA_SLOT_SIZE, 2);
	assert_ptr_equal(os->reserve(to, GA_SLOT_SIZE), to);
}

/*
 * refuse_mremap
 *		From now on mremap fails.
 */
static bool
refuse_mremap(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t) error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {lengthof(filter), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/*
 * moves_where_refused
 *		In a child, a move fails although the target was unmapped before, as
 *		kernels up to 6.16 do, or was not.  Nothing may have changed.
 */
static int
moves_where_refused(char *from, bool unmapped)
{
	char *to = from + 3 * GA_SLOT_SIZE;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
	{
		fill(from, 100 * KB, 1);
		if ((unmapped && munmap(to, GA_SLOT_SIZE) != 0) || !refuse_mremap(EFAULT))
			_exit(77);
		if (os->move(from, GA_SLOT_SIZE, to, GA_SLOT_SIZE) != -1 || errno != EFAULT)
			_exit(1);
		_exit(!is_filled(from, 100 * KB, 1) ? 2 : is_unmapped(to, GA_SLOT_SIZE) ? 3 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
moves_that_fail_change_nothing(void **state)
{
	char *from = slots_of(state);
	int result;

	assert_int_equal(os->map(from, GA_SLOT_SIZE), 0);
	result = moves_where_refused(from, false);
	if (result == 77)
		skip();
	assert_int_equal(result, 0);
	assert_int_equal(moves_where_refused(from, true), 0);
}

/* Nor does one that the kernel itself refuses: a part of the source cannot be read. */
static void
moves_of_several_mappings(void **state)
{
	char *from = slots_of(state);
	char *to = from + 3 * GA_SLOT_SIZE;

	assert_int_equal(os->map(from, MB), 0);
	fill(from, 100 * KB, 1);
	if (os->move(from, GA_SLOT_SIZE, to, GA_SLOT_SIZE) == 0)
	{
		/* Linux 6.17 moves it all the same. */
		assert_true(is_filled(to, 100 * KB, 1));
		assert_ptr_equal(os->reserve(from, GA_SLOT_SIZE), from);
		return;
	}
	assert_int_equal(errno, EFAULT);
	assert_true(is_filled(from, 100 * KB, 1));
	assert_false(is_unmapped(to, GA_SLOT_SIZE));
	assert_true(read_faults(to));
}

/*
 * Where huge pages are the rule, as they are here for what asks for them, slots have small
 * ones, also where they were moved to.
 */
static void
slots_have_small_pages(void **state)
{
	char *first = slots_of(state);
	char *second = first + GA_SLOT_SIZE;
	char *third = second + GA_SLOT_SIZE;
	size_t huge;

	assert_int_equal(os->map(first, 2 * GA_SLOT_SIZE), 0);
	(void) os->huge(first, 2 * GA_SLOT_SIZE);
	(void) os->small(second, GA_SLOT_SIZE);
	*second = 1;
	assert_int_equal(resident_pages(second, GA_SLOT_SIZE), 1);
	assert_int_equal(os->move(second, GA_SLOT_SIZE, third, GA_SLOT_SIZE), 0);
	third[os->page_size] = 1;
	assert_int_equal(resident_pages(third, GA_SLOT_SIZE), 2);
	assert_ptr_equal(os->reserve(second, GA_SLOT_SIZE), second);

	/* That this shows something. */
	*first = 1;
	huge = resident_pages(first, GA_SLOT_SIZE);
	if (huge == 1)
		skip();
	assert_int_equal(huge, GA_SLOT_SIZE / os->page_size);
}

static void
residence_is_told_by_page(void **state)
{
	char *memory = *state;
	const size_t page = os->page_size;
	unsigned char pages[16];

	assert_int_equal(os->map(memory, MB), 0);
	memory[3 * page] = 1;
	memory[5 * page + 7] = 1;
	assert_int_equal(os->resident(memory, 16 * page, pages), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(pages[i] & 1, i == 3 || i == 5);

	assert_int_equal(os->free(memory + 8 * page, page), 0);
	assert_int_equal(os->resident(memory, 16 * page, pages), -1);
	assert_ptr_equal(os->reserve(memory + 8 * page, page), memory + 8 * page);
}

static void
peeking_ends_where_memory_does(void **state)
{
	char *memory = *state;
	static char copy[256 * 1024];
	const size_t page = os->page_size;

	assert_int_equal(os->map(memory, MB), 0);
	fill(memory, sizeof(copy), 1);
	assert_int_equal(os->peek(copy, memory, sizeof(copy)), sizeof(copy));
	assert_true(is_filled(copy, sizeof(copy), 1));
	assert_int_equal(os->peek(copy, memory + 24, 8), 8);

	assert_int_equal(os->drop(memory + 5 * page, page), 0);
	assert_int_equal(os->peek(copy, memory, sizeof(copy)), 5 * page);
	assert_int_equal(os->peek(copy, memory + 16, sizeof(copy)), 5 * page - 16);
	errno = 0;
	assert_int_equal(os->peek(copy, memory + 5 * page, sizeof(copy)), 0);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(os->free(memory + 6 * page, page), 0);
	errno = 0;
	assert_int_equal(os->peek(copy, memory + 6 * page, page), 0);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(os->peek(copy, memory + 7 * page, page), page);
	assert_ptr_equal(os->reserve(memory + 6 * page, page), memory + 6 * page);
}

static void
time_goes_on(void **state)
{
	int64_t before = os->now();
	int64_t after;

	(void) state;
	usleep(2000);
	after = os->now();
	assert_in_range(after - before, 2000, 60 * 1000 * 1000);
}

static void
huge_pages_are_advice(void **state)
{
	char *memory = *state;

	/* Kernels without huge pages refuse; memory is as good as before. */
	assert_int_equal(os->map(memory, 16 * MB), 0);
	(void) os->huge(memory, 16 * MB);
	fill(memory, 16 * MB, 1);
	assert_true(is_filled(memory, 16 * MB, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_page_size_is_the_kernels),
		TEST(reserved_memory_faults),
		TEST(a_free_hint_is_followed),
		TEST(address_space_is_limited),
		TEST(memory_goes_through_its_conditions),
		TEST(calls_that_must_fail),
		TEST(slots_are_moved),
		TEST(moves_that_fail_change_nothing),
		TEST(moves_of_several_mappings),
		TEST(slots_have_small_pages),
		TEST(residence_is_told_by_page),
		TEST(peeking_ends_where_memory_does),
		TEST(time_goes_on),
		TEST(huge_pages_are_advice),
	};

	return cmocka_run_group_tests_name("os", tests, NULL, NULL);
}
