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
 * The main stack is taken to be no larger than this, whatever its limit.  The
 * kernel leaves at least so much room for it when the program starts.
 */
#define LARGEST_STACK ((rlim_t) 128 << 20)

/* How much of another stack is copied, for a free and for a fault. */
#define COPIED_FOR_FREE	 (8 * 1024)
#define COPIED_FOR_FAULT (256 * 1024)

static uintptr_t stack_bottom; /* the lowest address of the main stack */
ga_place stack_trace_caller;
static ga_trail last_trail = {.first = GA_TRAIL_PLACES};

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
}

Size
StackTraceDepth(uintptr_t address)
{
	uintptr_t end = (uintptr_t) __libc_stack_end;

	return address >= stack_bottom && address < end ? end - address : SIZE_MAX;
}

/*
 * stack_trace_view
 *		The stack from an address on that is in use.
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
StackTraceTake(uintptr_t *frames, int room)
{
	bool called = stack_trace_caller.pc != 0;
	ga_view stack;
	int depth;

	if (!called)
		StackTraceCaller();
	stack = stack_trace_view(stack_trace_caller.sp);
	depth = ga_walk_trail(&stack, &ga_code_here, &last_trail, stack_trace_caller, frames, room);
	if (!called)
		StackTraceCallerEnd();
	return depth;
}

/*
 * StackTraceOf
 *		Even a stack pointer in the midst of the stack may be wrong, so this is
 *		always read through the kernel.
 */
int
StackTraceOf(const ga_place *place, uintptr_t *frames, int room)
{
	static char copied[COPIED_FOR_FAULT];
	size_t size = ga_os_default()->peek(copied, (const void *) place->sp, sizeof(copied));
	ga_view stack = {place->sp, place->sp + size, copied};

	return ga_walk(&stack, &ga_code_here, *place, frames, room);
}
