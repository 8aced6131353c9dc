/*-------------------------------------------------------------------------
 *
 * stack_trace.c
 *	  Return addresses of the calling functions.
 *
 * This is done for each free in a quarantined arena, so the stack is read where
 * it lies, if it is that of the main thread: all of it, from the stack pointer
 * up to its end, is there.  A library may call from a stack of its own, such as
 * one of a coroutine or of a signal handler.  Where that ends is not known, and
 * so a piece of it is copied through the kernel.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/resource.h>

#include "engine/os.h"
#include "mcxt/stack_trace.h"
#include "stack/code.h"
#include "stack/walk.h"

/* Where the main thread's stack begins; set by the dynamic linker. */
extern void *__libc_stack_end;

/*
 * The main stack counts as no larger than this, whatever its limit.  When the program starts, the
 * kernel leaves at least this much room for it.
 */
#define LARGEST_STACK ((rlim_t) 128 << 20)

/* How much of another stack is copied, for a free and for a fault. */
#define COPIED_FOR_FREE	 (8 * 1024)
#define COPIED_FOR_FAULT (256 * 1024)

/* main() and what calls it: functions that do not return as long as there is a process. */
#define OUTER_PLACES 4

static uintptr_t stack_bottom; /* the lowest address of the main stack */
ga_place stack_trace_caller;
ga_view stack_trace_chain = {.high = sizeof(ga_chain_frame)};
static ga_trail last_trail = {.first = GA_TRAIL_PLACES};

/*
 * stack_trace_find_chain
 *		Where does the chain of frame pointers end?  See ga_chain_hash() for what the last frame
 *		must be.
 */
static void
stack_trace_find_chain(void)
{
	ga_place place = {
		.pc = (uintptr_t) __builtin_return_address(0),
		.sp = (uintptr_t) __builtin_dwarf_cfa(),
		.fp = *(const uintptr_t *) __builtin_frame_address(0),
	};
	ga_view stack = ga_view_of(place.sp, (uintptr_t) __libc_stack_end);
	uintptr_t last = 0;
	int outer = 0; /* places from there on */

	do
	{
		if (ga_walk_keeps_frame(&ga_code_here, place.pc) && !place.guessed &&
			place.fp % sizeof(place.fp) == 0 &&
			ga_view_has(&stack, place.fp, sizeof(ga_chain_frame)))
		{
			last = place.fp;
			outer = 0;
		}
		outer++;
	} while (ga_walk_step(&stack, &ga_code_here, &place));
	if (last != 0 && outer <= OUTER_PLACES &&
		!ga_walk_keeps_frame(&ga_code_here, ga_chain_frame_at(&stack, last).next) &&
		ga_code_here.rule(place.pc - 1).base == GA_BASE_OUTERMOST)
		stack_trace_chain = ga_view_of(stack_bottom, last + sizeof(ga_chain_frame));
}

void
StackTraceInit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_STACK, &limit) != 0)
		limit.rlim_cur = 0;
	stack_bottom =
		(uintptr_t) __libc_stack_end -
		Min((uintptr_t) Min(limit.rlim_cur, LARGEST_STACK), (uintptr_t) __libc_stack_end);
	ga_code_range((const void *) StackTraceInit, &last_trail.skip_start, &last_trail.skip_end);
	stack_trace_find_chain();
}

Size
StackTraceDepth(uintptr_t address)
{
	uintptr_t end = (uintptr_t) __libc_stack_end;

	return address >= stack_bottom && address < end ? end - address : SIZE_MAX;
}

/*
 * stack_trace_view
 *		A view of the part of the stack that is in use, from an address on.
 */
static ga_view
stack_trace_view(uintptr_t sp)
{
	static char copied[COPIED_FOR_FREE];

	if (StackTraceDepth(sp) != SIZE_MAX)
		return ga_view_of(sp, (uintptr_t) __libc_stack_end);
	return (ga_view){sp, sp + ga_os_default()->peek(copied, (const void *) sp, sizeof(copied)),
					 copied};
}

int
StackTraceFrom(const ga_place *caller, uintptr_t *frames, int room)
{
	ga_view stack = stack_trace_view(caller->sp);

	return ga_walk_trail(&stack, &ga_code_here, &last_trail, *caller, frames, room);
}

int
StackTraceTake(uintptr_t *frames, int room)
{
	bool called = stack_trace_caller.pc != 0;
	int depth;

	if (!called)
		StackTraceCaller();
	depth = StackTraceFrom(&stack_trace_caller, frames, room);
	if (!called)
		StackTraceCallerEnd();
	return depth;
}

/*
 * StackTraceOf
 *		The stack is always read through the kernel here: even a stack pointer that points into it
 *		may be wrong.
 */
int
StackTraceOf(const ga_place *place, uintptr_t *frames, int room)
{
	static char copied[COPIED_FOR_FAULT];
	size_t size = ga_os_default()->peek(copied, (const void *) place->sp, sizeof(copied));
	ga_view stack = {place->sp, place->sp + size, copied};

	return ga_walk(&stack, &ga_code_here, *place, frames, room);
}
