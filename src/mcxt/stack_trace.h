/*-------------------------------------------------------------------------
 *
 * stack_trace.h
 *	  Return addresses of the calling functions.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STACK_TRACE_H
#define GOARENA_STACK_TRACE_H

#include "postgres.h"

#include "stack/chain.h"

/* Learn where the stack of this process is; once, from _PG_init. */
extern void StackTraceInit(void);

/*
 * The place where stacks begin that are taken between StackTraceCaller() and StackTraceCallerEnd().
 */
extern ga_place stack_trace_caller;

/* The place in the server that called the function in which this is written, no inline function. */
#define STACK_TRACE_CALLER()                                                                       \
	((ga_place){.pc = (uintptr_t) __builtin_return_address(0),                                     \
				.sp = (uintptr_t) __builtin_dwarf_cfa(),                                           \
				.fp = *(const uintptr_t *) __builtin_frame_address(0)})

/*
 * To be used in a function that the server calls and that calls the engine: stacks that are taken
 * meanwhile begin with the caller of this function, so that the frames of this library need not be
 * walked.  Nothing in between may raise an error.
 */
#define StackTraceCaller() (stack_trace_caller = STACK_TRACE_CALLER())

static inline void
StackTraceCallerEnd(void)
{
	stack_trace_caller.pc = 0;
}

/*
 * Store return addresses, the innermost first and without those of this
 * library, and return how many.  Takes no lock and no memory, and follows
 * nothing that does not lie on the stack.
 */
extern int StackTraceTake(uintptr_t *frames, int room);

/* The same from a caller on, whose pc is behind a call. */
extern int StackTraceFrom(const ga_place *caller, uintptr_t *frames, int room);

/*
 * The part of the main stack that ga_chain_hash() may look at.  It is empty where the
 * program does not keep frame pointers.
 */
extern ga_view stack_trace_chain;

/*
 * Do so for a place where a signal interrupted code, whatever its registers are.  The first address
 * is that of the place itself.
 */
extern int StackTraceOf(const ga_place *place, uintptr_t *frames, int room);

/* How deep an address lies in the stack of the main thread; SIZE_MAX if elsewhere. */
extern Size StackTraceDepth(uintptr_t address);

#endif /* GOARENA_STACK_TRACE_H */
