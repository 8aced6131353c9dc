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

	/* Pages stay while they fault. */
	assert_int_equal(os->fault(memory, 64 * KB), 0);
	assert_true(read_faults(memory));
	assert_true(write_faults(memory + 64 * KB - 1));
	assert_int_equal(resident_pages(memory, 64 * KB) * os->page_size, 64 * KB);
	assert_int_equal(os->use(memory, 64 * KB), 0);
	assert_true(is_filled(memory, 64 * KB, 1));

	/* They can be given back with access or without, which stays. */
	assert_int_equal(os->unuse(memory, 32 * KB), 0);
	assert_int_equal(peek_word(memory), 0);
	assert_false(write_faults(memory));
	assert_int_equal(os->fault(memory + 32 * KB, 32 * KB), 0);
	assert_int_equal(os->unuse(memory + 32 * KB, 32 * KB), 0);
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

/*
 * assert_moves
 *		Move contents and find them there, and zeros where they were.
 */
static void
assert_moves(char *from, char *to, size_t size, uint64_t seed)
{
	fill(from, size, seed);
	assert_int_equal(os->move(from, to, size), 0);
	assert_true(is_filled(to, size, seed));
	assert_int_equal(resident_pages(from, size), 0);
	for (size_t i = 0; i < size; i += os->page_size)
		assert_int_equal(peek_word(from + i), 0);
	fill(from, size, seed + 1);
	assert_true(is_filled(to, size, seed));
}

static void
pages_are_moved(void **state)
{
	char *memory = *state;

	assert_int_equal(os->map(memory, MB), 0);
	assert_int_equal(os->map(memory + 4 * MB, MB), 0);
	assert_moves(memory, memory + 4 * MB, MB, 1);
	assert_moves(memory + 4 * MB, memory, MB, 3);
	assert_moves(memory, memory + 4 * MB, os->page_size, 5);
}

/* What was moved before is a mapping of its own; a move may cross its ends. */
static void
moves_cross_mappings(void **state)
{
	char *memory = *state;
	const size_t page = os->page_size;

	assert_int_equal(os->map(memory, 4 * MB), 0);
	assert_int_equal(os->map(memory + 8 * MB, 4 * MB), 0);
	assert_moves(memory + 8 * MB, memory + 3 * page, 5 * page, 1);
	assert_moves(memory + 9 * MB, memory + 64 * page, page, 3);
	assert_moves(memory + 9 * MB, memory + 66 * page, page, 4);
	assert_moves(memory, memory + 8 * MB, 100 * page, 5);
	assert_moves(memory + 8 * MB, memory + MB + page, 99 * page, 7);
	assert_moves(memory, memory + 9 * MB, 3 * MB, 9);
}

/* Pages never touched are moved too, as zeros. */
static void
moving_nothing(void **state)
{
	char *memory = *state;

	assert_int_equal(os->map(memory, MB), 0);
	assert_int_equal(os->map(memory + 4 * MB, MB), 0);
	fill(memory + 4 * MB, MB, 1);
	assert_int_equal(os->move(memory, memory + 4 * MB, MB), 0);
	assert_int_equal(resident_pages(memory + 4 * MB, MB), 0);
	assert_int_equal(peek_word(memory + 4 * MB), 0);
}

/*
 * refuse_mremap
 *		From now on mremap of more than the given bytes fails.
 */
static bool
refuse_mremap(size_t bytes, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t) bytes, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t) error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {lengthof(filter), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/*
 * moves_where_refused
 *		In a child, move memory although mremap refuses large parts of it, and has
 *		unmapped the target before, as kernels up to 6.16 do.
 */
static int
moves_where_refused(char *memory, size_t bytes, int error)
{
	const size_t size = 37 * os->page_size;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
	{
		char *to = memory + MB;

		fill(memory, size, 1);
		if (munmap(to, size) != 0 || !refuse_mremap(bytes, error))
			_exit(77);
		if (os->move(memory, to, size) != 0 || !is_filled(to, size, 1))
			_exit(1);
		for (size_t i = 0; i < size; i += 8)
			if (peek_word(memory + i) != 0)
				_exit(2);
		fill(memory, size, 2);
		_exit(is_filled(to, size, 1) ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
moves_in_parts(void **state)
{
	const size_t page = os->page_size;
	int result;

	assert_int_equal(os->map(*state, 4 * MB), 0);
	result = moves_where_refused(*state, 4 * page, EFAULT);
	if (result == 77)
		skip();
	assert_int_equal(result, 0);
	assert_int_equal(moves_where_refused(*state, page, EFAULT), 0);
	assert_int_equal(moves_where_refused(*state, 0, EFAULT), 0);
	assert_int_equal(moves_where_refused(*state, 0, ENOMEM), 0);
	assert_int_equal(moves_where_refused(*state, 0, EINVAL), 0);
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

	assert_int_equal(os->fault(memory + 5 * page, page), 0);
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
		TEST(pages_are_moved),
		TEST(moves_cross_mappings),
		TEST(moving_nothing),
		TEST(moves_in_parts),
		TEST(residence_is_told_by_page),
		TEST(peeking_ends_where_memory_does),
		TEST(time_goes_on),
		TEST(huge_pages_are_advice),
	};

	return cmocka_run_group_tests_name("os", tests, NULL, NULL);
}
