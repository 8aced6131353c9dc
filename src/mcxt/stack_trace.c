/*-------------------------------------------------------------------------
 *
 * stack_trace.c
 *	  Return addresses of the calling functions.
 *
 * On both supported platforms a frame pointer leads to the caller's frame
 * pointer and the return address behind it.  Code compiled without frame
 * pointers leaves anything in the register, so only addresses between the
 * present frame and the end of the main stack are followed, upwards.  On any
 * other stack, unwind tables are used.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <execinfo.h>
#include <sys/resource.h>

#include "mcxt/stack_trace.h"

/* Where the main thread's stack begins; set by the dynamic linker. */
extern void *__libc_stack_end;

/* A chain this short was broken by a function without frame pointer. */
#define TOO_SHORT 4

/* The main stack is taken to be no larger than this if it has no limit. */
#define USUAL_STACK_SIZE ((rlim_t) 8 << 20)

static uintptr_t stack_bottom; /* the lowest address of the main stack */

typedef struct Frame
{
	struct Frame *caller;
	uintptr_t return_address;
} Frame;

void
StackTraceInit(void)
{
	void *frame;
	struct rlimit limit;

	/* The first call loads libgcc. */
	(void) backtrace(&frame, 1);

	if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		limit.rlim_cur = USUAL_STACK_SIZE;
	stack_bottom = (uintptr_t) __libc_stack_end - Min(limit.rlim_cur, (uintptr_t) __libc_stack_end);
}

/*
 * StackTraceFrameAt
 *		Can a frame be read at that address, on the main stack and not below the
 *		present frame?  Nothing is known of the address.
 */
static bool
StackTraceFrameAt(uintptr_t address, uintptr_t lowest)
{
	uintptr_t end = (uintptr_t) __libc_stack_end;

	return address % sizeof(void *) == 0 && address >= lowest && lowest < end && address < end &&
		   end - address >= sizeof(Frame);
}

int
StackTraceTake(uintptr_t *frames, int room)
{
	uintptr_t address = (uintptr_t) __builtin_frame_address(0);
	uintptr_t lowest = Max(address, stack_bottom);
	int count = 0;

	while (count < room && StackTraceFrameAt(address, lowest))
	{
		const Frame *frame = (const Frame *) address;

		frames[count++] = frame->return_address;
		lowest = address + sizeof(Frame);
		address = (uintptr_t) frame->caller;
	}
	if (count < TOO_SHORT && count < room)
	{
		count = backtrace((void **) frames, room);
		if (count > 0)
			memmove(frames, frames + 1, sizeof(*frames) * (size_t) --count);
	}

	/* The outermost function of a process or thread may seem to return to 0. */
	while (count > 0 && frames[count - 1] == 0)
		count--;
	return count;
}
