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

/*
 * Rules that were found before, each in the set that its address leads to.  To find a rule takes a
 * thousand instructions, so a set has several places: few rules push each other out.
 */
#define GA_REMEMBERED_BITS 9
#define GA_REMEMBERED_WAYS 4

typedef struct ga_remembered
{
	struct
	{
		uintptr_t pc;
		ga_rule rule;
	} ways[GA_REMEMBERED_WAYS]; /* newest first */
} __attribute__((aligned(64))) ga_remembered;

/*
 * What is known of code; see code.h.  If a signal handler or another thread comes in between while
 * a rule is stored, a later walk may find the rule of another place.  It then steps to a wrong
 * caller, but never out of the stack.
 */
typedef struct ga_code
{
	ga_rule (*rule)(uintptr_t pc);
	bool (*follows_call)(uintptr_t address);
	ga_remembered *remembered; /* 1 << GA_REMEMBERED_BITS sets */
} ga_code;

/* The code of this process. */
extern const ga_code ga_code_here;

/*
 * Step from a place to its caller.  False if there is none, or it cannot be found.  The view is the
 * stack from the place's sp on.
 */
extern bool ga_walk_step(const ga_view *stack, const ga_code *code, ga_place *place);

/* Is the code before a return address such that frame pointers lead to its caller? */
extern bool ga_walk_keeps_frame(const ga_code *code, uintptr_t pc);

/* Store the pc of a place and of its callers.  Returns how many. */
extern int ga_walk(const ga_view *stack, const ga_code *code, ga_place place, uintptr_t *frames,
				   int room);

/*
 * The places of a walk.  The next walk is likely to come to one of them.  From there on, it only
 * has to check that return addresses and frame pointers on the stack are what they were.
 */
#define GA_TRAIL_PLACES 128

typedef struct ga_trail_place
{
	uintptr_t pc;
	uintptr_t sp;
	uintptr_t fp;
	uintptr_t fp_at; /* where the caller's fp is saved; 0: it is the same */
} ga_trail_place;

typedef struct ga_trail
{
	uintptr_t skip_start; /* places in this code are not stored, as long as no other was */
	uintptr_t skip_end;
	int first; /* the innermost one; GA_TRAIL_PLACES if there is none */
	ga_trail_place places[GA_TRAIL_PLACES + 1]; /* the last one is where the walk ended */
} ga_trail;

/*
 * As ga_walk, along the trail of the last walk, wherever that was; the trail becomes that of this
 * walk.  The pc of the place must lie behind a call, and its return address on the stack.
 */
extern int ga_walk_trail(const ga_view *stack, const ga_code *code, ga_trail *trail, ga_place place,
						 uintptr_t *frames, int room);

#endif /* GA_WALK_H */
