/*-------------------------------------------------------------------------
 *
 * test_walk.c
 *	  Walking up a stack: real ones of code of all kinds, and made-up ones with
 *	  anything in them.
 *
 * GA_SEED repeats a run, GA_OPERATIONS sets its length.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unwind.h>

#include "support.h"
#include "stack/code.h"
#include "stack/walk.h"

extern void *__libc_stack_end;

#define ROOM 64

static uintptr_t walked[ROOM]; /* what the walk found in the innermost function */
static int walked_count;
static ga_trail last_trail = {.first = GA_TRAIL_PLACES};

/* What libgcc finds. */
typedef struct unwound
{
	uintptr_t frames[ROOM];
	int count;
} unwound;

static unwound unwound_there;

static _Unwind_Reason_Code
note(struct _Unwind_Context *context, void *arg)
{
	unwound *u = arg;
	uintptr_t pc = _Unwind_GetIP(context);

	if (pc == 0 || u->count == ROOM)
		return _URC_END_OF_STACK;
	u->frames[u->count++] = pc;
	return _URC_NO_REASON;
}

/*
 * view_of_stack
 *		AddressSanitizer would object to reading it where it lies.
 */
static ga_view
view_of_stack(uintptr_t sp)
{
#if SANITIZED
	static char copy[256 * 1024];
	size_t size = ga_min_size((uintptr_t) __libc_stack_end - sp, sizeof(copy));

	assert_int_equal(ga_os_default()->peek(copy, (const void *) sp, size), size);
	return (ga_view){sp, sp + size, copy};
#else
	return ga_view_of(sp, (uintptr_t) __libc_stack_end);
#endif
}

/*
 * look
 *		The innermost function.  Without a frame pointer it would not know its own
 *		place.
 */
static void __attribute__((noinline, optimize("no-omit-frame-pointer"))) look(void)
{
	const uintptr_t *frame = __builtin_frame_address(0);
	ga_place place = {
		.pc = (uintptr_t) __builtin_return_address(0),
		.sp = (uintptr_t) __builtin_dwarf_cfa(),
		.fp = frame[0],
	};
	ga_view stack = view_of_stack(place.sp);
	uintptr_t along[ROOM];

	walked_count = ga_walk(&stack, &ga_code_here, place, walked, ROOM);
	assert_int_equal(ga_walk_trail(&stack, &ga_code_here, &last_trail, place, along, ROOM),
					 walked_count);
	assert_memory_equal(along, walked, (size_t) walked_count * sizeof(*along));
	unwound_there.count = 0;
	(void) _Unwind_Backtrace(note, &unwound_there);
}

static void *volatile kept;
static volatile int uses; /* added to results, so that calls are no tail calls */

#define DEEPER(name, options, locals, call)                                                        \
	static int __attribute__((noinline, optimize(options))) name(int n)                            \
	{                                                                                              \
		locals;                                                                                    \
		call;                                                                                      \
		return uses + n;                                                                           \
	}

DEEPER(with_frame, "no-omit-frame-pointer", char room[100]; kept = room, look())
DEEPER(without_frame, "omit-frame-pointer", char room[1000]; kept = room, with_frame(n))
DEEPER(optimized, "O3,omit-frame-pointer", char room[24]; kept = room, without_frame(n + 1))
DEEPER(growing, "omit-frame-pointer", char *room = __builtin_alloca((size_t) n);
	   kept = room, optimized(n))

/* The stack pointer is aligned anew: the caller's is found through a saved register. */
DEEPER(aligned, "O2,omit-frame-pointer", char room[64] __attribute__((aligned(64)));
	   kept = room, growing(n * 16))

static int __attribute__((noinline, optimize("O2,omit-frame-pointer")))
aligned_and_growing(int n, int a, int b, int c, int d, int e, int on_stack)
{
	char room[128] __attribute__((aligned(128)));
	char *more = __builtin_alloca((size_t) n);

	kept = room;
	kept = more;
	return aligned(n) + a + b + c + d + e + on_stack;
}

/*
 * assert_same_callers
 *		The walk begins with the caller of the innermost function, and libgcc with
 *		that function itself.
 */
static void
assert_same_callers(void)
{
	assert_in_range(walked_count, 5, ROOM - 1);
	assert_int_equal(walked_count, unwound_there.count - 1);
	for (int i = 0; i < walked_count; i++)
		assert_int_equal(walked[i], unwound_there.frames[i + 1]);
}

static void
callers_are_found_whatever_they_were_compiled_with(void **state)
{
	(void) state;
	uses = aligned_and_growing(100, 1, 2, 3, 4, 5, 6);
	assert_same_callers();
}

/*
 * Code that was made at run time has no tables.  This calls a function after it
 * has set the frame pointer to what it is given, or made a frame.
 */
typedef void (*generated)(void (*function)(void), uintptr_t frame);

#if defined(__x86_64__)
static const unsigned char sets_frame[] = {
	0x55,			  /* push %rbp */
	0x48, 0x89, 0xf5, /* mov %rsi, %rbp */
	0xff, 0xd7,		  /* call *%rdi */
	0x5d,			  /* pop %rbp */
	0xc3			  /* ret */
};
static const unsigned char makes_frame[] = {0x55, 0x48, 0x89, 0xe5, /* mov %rsp, %rbp */
											0xff, 0xd7, 0x5d, 0xc3};
#else
static const uint32_t sets_frame[] = {
	0xa9bf7bfd, /* stp x29, x30, [sp, #-16]! */
	0xaa0103fd, /* mov x29, x1 */
	0xd63f0000, /* blr x0 */
	0xa8c17bfd, /* ldp x29, x30, [sp], #16 */
	0xd65f03c0	/* ret */
};
static const uint32_t makes_frame[] = {0xa9bf7bfd, 0x910003fd, /* mov x29, sp */
									   0xd63f0000, 0xa8c17bfd, 0xd65f03c0};
#endif

/*
 * run_generated
 *		Code that look() is called from.  Is it found with its callers?  If not,
 *		it alone must be found.
 */
static bool __attribute__((noinline)) run_generated(const void *code, size_t size, uintptr_t frame)
{
	unwound outer = {.count = 0};
	bool found;
	char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	memcpy(page, code, size);
	__builtin___clear_cache(page, page + size);
	(void) _Unwind_Backtrace(note, &outer);
	((generated) (uintptr_t) page)(look, frame);

	assert_in_range(walked_count, 1, ROOM - 1);
	assert_in_range(walked[0], (uintptr_t) page, (uintptr_t) page + size);
	found = walked_count == outer.count + 1 && walked[1] - outer.frames[0] < 1000;
	for (int i = 2; found && i < walked_count; i++)
		found = walked[i] == outer.frames[i - 1];
	assert_int_equal(munmap(page, 4096), 0);
	return found;
}

static void
code_without_tables_is_left_by_its_frame_pointer(void **state)
{
	(void) state;
	assert_true(run_generated(makes_frame, sizeof(makes_frame), 0));
}

/* One that leads out of the stack, or to no code, is seen through. */
static void
a_frame_pointer_may_be_anything(void **state)
{
	uintptr_t bases[] = {0, (uintptr_t) __libc_stack_end + 40, (uintptr_t) look};
	uintptr_t on_stack[] = {(uintptr_t) state, (uintptr_t) __libc_stack_end - 40};

	for (int offset = -40; offset <= 40; offset++)
	{
		for (size_t i = 0; i < lengthof(bases); i++)
			assert_true(
				run_generated(sets_frame, sizeof(sets_frame), bases[i] + (uintptr_t) offset));
		for (size_t i = 0; i < lengthof(on_stack); i++)
			(void) run_generated(sets_frame, sizeof(sets_frame), on_stack[i] + (uintptr_t) offset);
	}
	for (int bit = 0; bit < 64; bit++)
		assert_true(run_generated(sets_frame, sizeof(sets_frame), (uintptr_t) 1 << bit));
}

static void
handle(int number)
{
	(void) number;
	look();
}

static int __attribute__((noinline)) interrupted(void)
{
	return raise(SIGUSR1) + uses;
}

/* The walk goes on in the code that a signal handler interrupted. */
static void
a_signal_handler_is_left(void **state)
{
	struct sigaction action = {.sa_handler = handle};

	(void) state;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(interrupted(), uses);
	assert_same_callers();
}

/*
 * Made-up stacks
 */

static uint64_t operations;
static uint64_t made_up; /* rules are a function of this and of the address */
static uintptr_t made_low;
static uint64_t made_words;

/* Numbers that are the most likely to lead somewhere. */
static uintptr_t
random_word(uint64_t *random)
{
	switch (random_below(random, 8))
	{
		case 0:
			return 0 - (uintptr_t) random_below(random, 64);
		case 1:
			return random_below(random, 64);
		case 2:
			return random_bits(random);
		case 3:
			return (uintptr_t) 1 << random_below(random, 64);
		case 4:
			return made_low + made_words * 8 - random_below(random, 32);
		default:
			return made_low + random_below(random, made_words * 8 + 16) / 8 * 8 -
				   (random_below(random, 10) == 0);
	}
}

static ga_rule
made_up_rule(uintptr_t pc)
{
	uint64_t random = made_up ^ pc;
	ga_rule rule = {
		.base = (ga_rule_base) random_below(&random, GA_BASE_OUTERMOST + 1),
		.fp_saved = (ga_rule_saved) random_below(&random, GA_SAVED_FP + 1),
		.ra_offset = (int8_t) (random_below(&random, 4) == 0 ? random_bits(&random) : UINT64_MAX),
		.fp_offset =
			(int8_t) (random_below(&random, 4) == 0 ? random_bits(&random) : UINT64_MAX - 1),
		.cfa_offset = (int32_t) (random_below(&random, 4) == 0 ? random_bits(&random)
															   : random_below(&random, 64) * 8),
	};

	return rule;
}

static bool
made_up_call(uintptr_t address)
{
	uint64_t random = made_up ^ ~address;

	return random_below(&random, 6) == 0;
}

static ga_remembered made_up_rules[1 << GA_REMEMBERED_BITS];
static const ga_code made_up_code = {made_up_rule, made_up_call, made_up_rules};

static void
make_up_rules(uint64_t *random)
{
	made_up = random_bits(random);
	memset(made_up_rules, 0, sizeof(made_up_rules));
}

/*
 * nothing_leads_out_of_a_stack
 *		Its contents are in an allocation of just that size: AddressSanitizer sees
 *		each access beside it.
 */
static void
nothing_leads_out_of_a_stack(void **state)
{
	uint64_t random = *(uint64_t *) *state;
	uint64_t steps = 0;

	for (uint64_t i = 0; i < operations; i++)
	{
		uintptr_t *words;
		ga_place place;
		ga_view stack;
		uintptr_t frames[ROOM];
		uint64_t room;
		uint64_t made;

		make_up_rules(&random);
		made_words = 1 + random_below(&random, 300);
		made_low = random_below(&random, 4) == 0 ? UINTPTR_MAX - 7 - made_words * 8
												 : random_bits(&random) / 16 * 8;
		words = malloc(made_words * sizeof(*words));
		assert_non_null(words);
		for (uint64_t j = 0; j < made_words; j++)
			words[j] = random_word(&random);
		stack = (ga_view){made_low, made_low + made_words * 8, (const char *) words};
		place = (ga_place){
			.pc = random_word(&random),
			.sp = random_below(&random, 10) == 0 ? random_word(&random) : made_low,
			.fp = random_word(&random),
			.lr = random_below(&random, 3) == 0 ? random_word(&random) : 0,
			.exact = random_below(&random, 2) == 0,
			.guessed = random_below(&random, 4) == 0,
		};
		room = random_below(&random, ROOM + 1);
		assert_in_range(ga_walk(&stack, &made_up_code, place, frames, (int) room), 0, room);
		for (made = 0; ga_walk_step(&stack, &made_up_code, &place); made++)
			assert_in_range(made, 0, 2 * made_words);
		steps += made;
		free(words);
	}
	/* It is not that all of them end at once. */
	assert_true(steps > operations);
}

/*
 * Frames of code that keeps frame pointers or does not, so that most walks are plain
 * ones.
 */
static ga_rule
plain_rule(uintptr_t pc)
{
	uint64_t random = made_up ^ pc;
	uint64_t words = 1 + random_below(&random, 3);
	ga_rule rule = {.base = GA_BASE_SP, .cfa_offset = (int32_t) words * 8, .ra_offset = -1};

	if (random_below(&random, 20) == 0)
		return made_up_rule(pc);
	if (random_below(&random, 3) > 0)
		rule = (ga_rule){.base = GA_BASE_FP, .cfa_offset = 16, .ra_offset = -1};
	if (rule.base == GA_BASE_FP || (words > 1 && random_below(&random, 2) == 0))
	{
		rule.fp_saved = GA_SAVED_CFA;
		rule.fp_offset = -2;
	}
	return rule;
}

/*
 * a_trail_leads_where_a_walk_does
 *		On a stack that changes between the walks, at few words or at many.
 */
static void
a_trail_leads_where_a_walk_does(void **state)
{
	static const ga_code code = {plain_rule, made_up_call, made_up_rules};
	uint64_t random = *(uint64_t *) *state;
	uint64_t found = 0;

	for (uint64_t i = 0; i < operations / 20; i++)
	{
		ga_trail trail = {.first = GA_TRAIL_PLACES};
		uintptr_t *words;
		ga_view stack;

		make_up_rules(&random);
		made_words = 1 + random_below(&random, 300);
		made_low = random_bits(&random) / 16 * 8;
		words = malloc(made_words * sizeof(*words));
		assert_non_null(words);
		for (uint64_t j = 0; j < made_words; j++)
			words[j] = 1 + random_below(&random, 20);
		for (int walk = 0; walk < 20; walk++)
		{
			uintptr_t along[ROOM];
			uintptr_t frames[ROOM];
			int room = (int) random_below(&random, ROOM + 1);
			uint64_t from = random_below(&random, made_words);
			uint64_t size = made_words - from;
			ga_place place;
			int count;

			for (uint64_t changes = random_below(&random, 4); changes > 0; changes--)
				words[random_below(&random, made_words)] = 1 + random_below(&random, 20);
			for (uint64_t j = 0; j + 1 < made_words; j++)
				if (words[j] > 20 || random_below(&random, walk == 0 ? 2 : 50) == 0)
					words[j] = made_low + (j + 1 + random_below(&random, 4)) * 8;
			if (random_below(&random, 10) == 0)
				size = random_below(&random, size + 1);
			stack = (ga_view){made_low + from * 8, made_low + (from + size) * 8,
							  (const char *) (words + from)};
			place = (ga_place){.pc = 1 + random_below(&random, 20),
							   .sp = stack.low,
							   .fp = stack.low + random_below(&random, 4) * 8};
			count = ga_walk(&stack, &code, place, frames, room);
			assert_int_equal(ga_walk_trail(&stack, &code, &trail, place, along, room), count);
			assert_memory_equal(along, frames, (size_t) count * sizeof(*frames));
			found += (uint64_t) count;
		}
		free(words);
	}
	assert_true(found > operations);
}

int
main(void)
{
	uint64_t seed = environment_number("GA_SEED", (uint64_t) time(NULL));
	void *state = &seed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callers_are_found_whatever_they_were_compiled_with),
		cmocka_unit_test(code_without_tables_is_left_by_its_frame_pointer),
		cmocka_unit_test(a_frame_pointer_may_be_anything),
		cmocka_unit_test(a_signal_handler_is_left),
		cmocka_unit_test_prestate(nothing_leads_out_of_a_stack, &state),
		cmocka_unit_test_prestate(a_trail_leads_where_a_walk_does, &state),
	};

	operations = environment_number("GA_OPERATIONS", 100000);
	printf("# GA_SEED=%llu\n", (unsigned long long) seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
