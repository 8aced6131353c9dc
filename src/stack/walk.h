/*-------------------------------------------------------------------------
 *
 * walk.h
 *	  Return addresses on a stack.
 *
 * Unwind tables lead from frame to frame, whether code has frame pointers or
 * not.  Where they are missing, as in code that was compiled at run time, the
 * frame pointer is tried, and then the words of the stack.
 *
 * Nothing is taken for granted: registers and words of the stack may be
 * anything.  Nothing outside of the view is read, and each step leads further up
 * the stack.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_WALK_H
#define GA_WALK_H

#include "rule.h"
#include "view.h"

/* A place in a function, and the registers that lead to its caller. */
typedef struct ga_place
{
	uintptr_t pc;
	uintptr_t sp;
	uintptr_t fp;
	uintptr_t lr; /* where the return address may still be; 0: it is on the stack */
	bool exact;	  /* pc is an instruction; else it is behind a call */
	bool guessed; /* a caller was searched for: fp may be anything */
} ga_place;

/* Rules that were found, each in the place that its address leads to. */
#define GA_REMEMBERED_BITS 11

typedef struct ga_remembered
{
	uintptr_t pc;
	ga_rule rule;
} ga_remembered;

/*
 * What is known of code; see code.h.  A signal handler or another thread may come
 * in between when a rule is remembered; what is then found is a rule for another
 * place.  It leads to a wrong caller, but never out of the stack.
 */
typedef struct ga_code
{
	ga_rule (*rule)(uintptr_t pc);
	bool (*follows_call)(uintptr_t address);
	ga_remembered *remembered; /* 1 << GA_REMEMBERED_BITS of them */
} ga_code;

/* The code of this process. */
extern const ga_code ga_code_here;

/*
 * Go to the caller of a place; false if it cannot be found, or there is none.
 * The view is the stack from the place's sp on.
 */
extern bool ga_walk_step(const ga_view *stack, const ga_code *code, ga_place *place);

/* Store the pc of a place and of its callers.  Returns how many. */
extern int ga_walk(const ga_view *stack, const ga_code *code, ga_place place, uintptr_t *frames,
				   int room);

#endif /* GA_WALK_H */
