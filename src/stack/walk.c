/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  See walk.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <ucontext.h>

#include "code.h"
#include "walk.h"

/* The search for a return address looks at this many words of the stack. */
#define SEARCHED_WORDS 128

/*
 * At most this many places are skipped where the walk is not plain.  If finalizers free one
 * another, and call pfree as the last thing, thousands of frames of this library can lie on the
 * stack.
 */
#define MOST_SKIPPED 64

#define WORD sizeof(uintptr_t)

/* An offset to add to an address. */
#define BYTES(offset) ((uintptr_t) (intptr_t) (offset))
#define WORDS(offset) (BYTES(offset) * WORD)

static ga_remembered remembered_here[1 << GA_REMEMBERED_BITS];

const ga_code ga_code_here = {ga_code_rule, ga_code_follows_call, remembered_here};

/*
 * walk_without_signature
 *		On aarch64 the upper bits of a return address may be its signature.  The
 *		instruction that strips it does nothing on processors that do not sign.
 */
static inline uintptr_t
walk_without_signature(uintptr_t address)
{
#if defined(__aarch64__)
	register uintptr_t x30 __asm__("x30") = address;

	__asm__("hint #7" : "+r"(x30)); /* xpaclri */
	return x30;
#else
	return address;
#endif
}

/*
 * rule_not_first
 *		Find a rule that is not the newest one of its set.
 */
static __attribute__((noinline)) const ga_rule *
rule_not_first(const ga_code *code, ga_remembered *set, uintptr_t pc)
{
	ga_rule rule;

	for (int i = 1; i < GA_REMEMBERED_WAYS; i++)
		if (set->ways[i].pc == pc)
			return &set->ways[i].rule;
	rule = code->rule(pc);
	memmove(&set->ways[1], &set->ways[0], sizeof(set->ways) - sizeof(set->ways[0]));
	set->ways[0].rule = rule;
	set->ways[0].pc = pc;
	return &set->ways[0].rule;
}

/*
 * walk_rule_at
 *		Find the rule of an address.  It is valid until the next call.
 */
static inline const ga_rule *
walk_rule_at(const ga_code *code, uintptr_t pc)
{
	ga_remembered *set =
		&code->remembered[pc * UINT64_C(0x9e3779b97f4a7c15) >> (64 - GA_REMEMBERED_BITS)];

	return __builtin_expect(set->ways[0].pc == pc, true) ? &set->ways[0].rule
														 : rule_not_first(code, set, pc);
}

/*
 * walk_is_code
 *		Does a return address lie in code that has a rule?
 */
static bool
walk_is_code(const ga_code *code, uintptr_t address)
{
	return address != 0 && walk_rule_at(code, address - 1)->base != GA_BASE_UNKNOWN;
}

/*
 * walk_is_above
 *		Can sp be the stack pointer of a place's caller?  It lies above that of the place, since the
 *		return address is in between.  It may be the same only if the return address is in a
 *		register.
 */
static bool
walk_is_above(const ga_view *stack, const ga_place *place, uintptr_t sp)
{
	return sp % WORD == 0 && sp <= stack->high &&
		   (sp > place->sp || (sp == place->sp && place->lr != 0));
}

/*
 * walk_read_saved
 *		Read a word that the function saved in its frame.  False if it cannot lie there.
 */
static bool
walk_read_saved(const ga_view *stack, const ga_place *place, uintptr_t cfa, uintptr_t address,
				uintptr_t *word)
{
	return address >= place->sp && address < cfa && ga_view_word(stack, address, word);
}

/*
 * walk_caller_frame_pointer
 *		Find what the frame pointer was in the caller.  Tables may say that it is saved below the
 *		stack pointer, where the function has just restored it from: then it is in its register.
 */
static bool
walk_caller_frame_pointer(const ga_view *stack, const ga_place *place, ga_rule rule, uintptr_t cfa,
						  uintptr_t *fp)
{
	uintptr_t address = (rule.fp_saved == GA_SAVED_CFA ? cfa : place->fp) + WORDS(rule.fp_offset);

	*fp = place->fp;
	return rule.fp_saved == GA_SAVED_NOT || (place->exact && address < place->sp) ||
		   walk_read_saved(stack, place, cfa, address, fp);
}

static bool
walk_step_by_rule(const ga_view *stack, const ga_code *code, ga_place *place, ga_rule rule)
{
	uintptr_t cfa = (rule.base == GA_BASE_SP ? place->sp : place->fp) + BYTES(rule.cfa_offset);
	uintptr_t pc = place->lr;
	uintptr_t fp;

	if (rule.base == GA_BASE_AT_FP && !ga_view_word(stack, cfa, &cfa))
		return false;
	if (rule.ra_offset != 0 &&
		!walk_read_saved(stack, place, cfa, cfa + WORDS(rule.ra_offset), &pc))
		return false;
	pc = walk_without_signature(pc);
	if (pc == 0 || !walk_is_above(stack, place, cfa) ||
		(place->guessed && !walk_is_code(code, pc)) ||
		!walk_caller_frame_pointer(stack, place, rule, cfa, &fp))
		return false;
	*place = (ga_place){.pc = pc, .sp = cfa, .fp = fp, .guessed = place->guessed};
	return true;
}

/*
 * walk_keeps_frame
 *		Is this the rule of code that keeps frame pointers, past its first
 *		instructions?
 */
static inline bool
walk_keeps_frame(const ga_rule *rule)
{
	static const ga_rule keeps = {
		.base = GA_BASE_FP,
		.cfa_offset = 2 * WORD,
		.ra_offset = -1,
		.fp_saved = GA_SAVED_CFA,
		.fp_offset = -2,
	};

	return memcmp(rule, &keeps, sizeof(keeps)) == 0;
}

bool
ga_walk_keeps_frame(const ga_code *code, uintptr_t pc)
{
	return walk_keeps_frame(walk_rule_at(code, pc - 1));
}

/*
 * walk_word_at
 *		Read an aligned word that lies in the view for sure.
 */
static inline uintptr_t
walk_word_at(const ga_view *stack, uintptr_t address)
{
	uintptr_t word;

	memcpy(&word, stack->data + (address - stack->low), WORD);
	return word;
}

/*
 * step_plainly
 *		Find the caller of a place whose return address is right below the caller's stack pointer,
 *		as nearly all are.  A jump, not a conditional move, chooses the register that leads there.
 *		So for code that keeps frame pointers, the processor can go ahead before it has loaded the
 *		rule.
 */
static inline __attribute__((always_inline)) bool
step_plainly(const ga_view *stack, const ga_code *code, ga_trail_place *place,
			 ga_trail_place *caller)
{
	const ga_rule *rule = walk_rule_at(code, place->pc - 1);
	bool saved = true;
	uintptr_t cfa;
	uintptr_t fp_at;

	if (walk_keeps_frame(rule))
	{
		fp_at = place->fp;
		cfa = fp_at + 2 * WORD;
	}
	else if (rule->ra_offset == -1 && rule->base == GA_BASE_SP && rule->fp_saved <= GA_SAVED_CFA)
	{
		cfa = place->sp + BYTES(rule->cfa_offset);
		fp_at = cfa + WORDS(rule->fp_offset);
		saved = rule->fp_saved != GA_SAVED_NOT;
	}
	else
		return false;
	if (cfa - place->sp < WORD || cfa - place->sp > stack->high - place->sp || cfa % WORD != 0 ||
		(saved && fp_at - place->sp > cfa - place->sp - WORD))
		return false;
	caller->pc = walk_without_signature(walk_word_at(stack, cfa - WORD));
	caller->sp = cfa;
	caller->fp = saved ? walk_word_at(stack, fp_at) : place->fp;
	place->fp_at = saved ? fp_at : 0;
	return caller->pc != 0;
}

/*
 * walk_plainly
 *		Go up, the fast way, as long as step_plainly finds the caller.
 */
static inline int
walk_plainly(const ga_view *stack, const ga_code *code, ga_place *place, uintptr_t *frames,
			 int room)
{
	ga_trail_place at = {.pc = place->pc, .sp = place->sp, .fp = place->fp};
	ga_trail_place caller;
	int count = 0;

	if (place->exact || place->guessed || place->lr != 0 || at.sp < stack->low ||
		at.sp > stack->high)
		return 0;
	while (count < room && step_plainly(stack, code, &at, &caller))
	{
		frames[count++] = at.pc;
		at = caller;
	}
	*place = (ga_place){.pc = at.pc, .sp = at.sp, .fp = at.fp};
	return count;
}

/*
 * walk_step_over_signal
 *		Step from a signal handler to the code that the signal interrupted, whose registers the
 *		kernel saved.
 */
static bool
walk_step_over_signal(const ga_view *stack, ga_place *place)
{
	ga_place interrupted = {.exact = true};

#if defined(__x86_64__)
	gregset_t registers;

	if (!ga_view_read(stack, place->sp + offsetof(ucontext_t, uc_mcontext.gregs), &registers,
					  sizeof(registers)))
		return false;
	interrupted.pc = (uintptr_t) registers[REG_RIP];
	interrupted.sp = (uintptr_t) registers[REG_RSP];
	interrupted.fp = (uintptr_t) registers[REG_RBP];
#else
	uint64_t registers[33]; /* x0 to x30, sp, pc */

	if (!ga_view_read(stack, place->sp + sizeof(siginfo_t) + offsetof(ucontext_t, uc_mcontext.regs),
					  registers, sizeof(registers)))
		return false;
	interrupted.pc = registers[32];
	interrupted.sp = registers[31];
	interrupted.fp = registers[29];
	interrupted.lr = registers[30];
#endif
	/* If the handler has a stack of its own, the interrupted code is outside of the view. */
	if (interrupted.sp <= place->sp || interrupted.sp > stack->high || interrupted.sp % WORD != 0)
		return false;
	*place = interrupted;
	return true;
}

/*
 * walk_step_by_frame_pointer
 *		Step by the frame pointer.  In code that keeps frame pointers, it leads to that of the
 *		caller, and the return address stands behind that.  The step counts only if this is an
 *		address of known code.
 */
static bool
walk_step_by_frame_pointer(const ga_view *stack, const ga_code *code, ga_place *place)
{
	uintptr_t cfa = place->fp + 2 * WORD;
	uintptr_t pc;
	uintptr_t fp;

	if (!walk_read_saved(stack, place, cfa, place->fp, &fp) ||
		!walk_read_saved(stack, place, cfa, place->fp + WORD, &pc))
		return false;
	pc = walk_without_signature(pc);
	if (!walk_is_code(code, pc))
		return false;
	*place = (ga_place){.pc = pc, .sp = cfa, .fp = fp, .guessed = place->guessed};
	return true;
}

/*
 * walk_step_by_search
 *		Step to the next word on the stack that is a return address of known code.  It may be one
 *		that an earlier call left there.  If the word below it can be a frame pointer, it is taken
 *		for one, since a function that uses the frame pointer first pushes it.
 */
static bool
walk_step_by_search(const ga_view *stack, const ga_code *code, ga_place *place)
{
	uintptr_t below = 0;
	uintptr_t word;

	for (int i = 0; i < SEARCHED_WORDS; i++)
	{
		uintptr_t at = place->sp + (uintptr_t) i * WORD;

		if (!ga_view_word(stack, at, &word))
			return false;
		if (code->follows_call(walk_without_signature(word)))
		{
			if (below <= at || below >= stack->high)
				below = place->fp;
			*place = (ga_place){
				.pc = walk_without_signature(word), .sp = at + WORD, .fp = below, .guessed = true};
			return true;
		}
		below = word;
	}
	return false;
}

bool
ga_walk_step(const ga_view *stack, const ga_code *code, ga_place *place)
{
	ga_rule rule = *walk_rule_at(code, place->exact ? place->pc : place->pc - 1);

	if (rule.base == GA_BASE_OUTERMOST)
		return false;
	if (rule.base == GA_BASE_SIGNAL)
		return walk_step_over_signal(stack, place);
	return (rule.base != GA_BASE_UNKNOWN && walk_step_by_rule(stack, code, place, rule)) ||
		   walk_step_by_frame_pointer(stack, code, place) ||
		   walk_step_by_search(stack, code, place);
}

int
ga_walk(const ga_view *stack, const ga_code *code, ga_place place, uintptr_t *frames, int room)
{
	int count = 0;

	for (;;)
	{
		count += walk_plainly(stack, code, &place, frames + count, room - count);
		if (count == room)
			break;
		frames[count++] = place.pc;
		if (!ga_walk_step(stack, code, &place))
			break;
	}
	return count;
}

/*
 * walk_trail_meet
 *		Let a trail begin at a place.  Returns the first of its old places: from there on, the walk
 *		has to check only whether what they lead to has changed.
 */
static inline int
walk_trail_meet(const ga_view *stack, const ga_code *code, ga_trail *trail, ga_trail_place at)
{
	ga_trail_place *places = trail->places;
	int old = places[GA_TRAIL_PLACES].sp <= stack->high ? trail->first : GA_TRAIL_PLACES;
	int made = 0;

	for (;;)
	{
		ga_trail_place caller;

		while (old < GA_TRAIL_PLACES && places[old].sp < at.sp)
			old++;
		if (old < GA_TRAIL_PLACES && places[old].sp == at.sp && places[old].pc == at.pc &&
			places[old].fp == at.fp)
			break;
		if (made == old)
			old = GA_TRAIL_PLACES; /* there is no room for both */
		if (made == GA_TRAIL_PLACES || !step_plainly(stack, code, &at, &caller))
		{
			old = GA_TRAIL_PLACES;
			places[old] = at;
			break;
		}
		places[made++] = at;
		at = caller;
	}
	trail->first = old - made;
	memmove(&places[trail->first], places, (size_t) made * sizeof(at));
	return old;
}

/*
 * walk_trail_holds
 *		Is the caller of a place the one that the trail says?
 */
static inline bool
walk_trail_holds(const ga_view *stack, const ga_trail_place *place)
{
	const ga_trail_place *caller = place + 1;

	return walk_without_signature(walk_word_at(stack, caller->sp - WORD)) == caller->pc &&
		   (place->fp_at != 0 ? walk_word_at(stack, place->fp_at) : place->fp) == caller->fp;
}

/*
 * trail_mend
 *		Mend a trail in which the caller of a place has changed.  True if the frames above still
 *		begin where they began, so that the walk can go on along the trail.
 */
static __attribute__((noinline)) bool
trail_mend(const ga_view *stack, const ga_code *code, ga_trail *trail, int i)
{
	bool holds = false;

	for (; i < GA_TRAIL_PLACES && !holds; i++)
	{
		ga_trail_place *known = &trail->places[i + 1];
		ga_trail_place caller;

		if (!step_plainly(stack, code, &trail->places[i], &caller) || caller.sp != known->sp)
			return false;
		holds = caller.pc == known->pc && caller.fp == known->fp;
		known->pc = caller.pc;
		known->fp = caller.fp;
	}
	return true;
}

/*
 * walk_trail_plainly
 *		Go up the fast way, along a trail.
 */
static inline int
walk_trail_plainly(const ga_view *stack, const ga_code *code, ga_trail *trail, ga_place *place,
				   uintptr_t *frames, int room)
{
	ga_trail_place at = {.pc = place->pc, .sp = place->sp, .fp = place->fp};
	int count = 0;
	int old;
	int i;

	if (at.sp < stack->low || at.sp > stack->high)
		return 0;
	old = walk_trail_meet(stack, code, trail, at);
	for (i = trail->first; i < GA_TRAIL_PLACES && count < room; i++)
	{
		uintptr_t pc = trail->places[i].pc;

		if (i >= old && !walk_trail_holds(stack, &trail->places[i]) &&
			!trail_mend(stack, code, trail, i))
		{
			trail->first = GA_TRAIL_PLACES;
			break;
		}
		if (count > 0 || pc < trail->skip_start || pc >= trail->skip_end)
			frames[count++] = pc;
	}
	at = trail->places[i];
	*place = (ga_place){.pc = at.pc, .sp = at.sp, .fp = at.fp};
	return count;
}

int
ga_walk_trail(const ga_view *stack, const ga_code *code, ga_trail *trail, ga_place place,
			  uintptr_t *frames, int room)
{
	int count = walk_trail_plainly(stack, code, trail, &place, frames, room);

	if (count == room)
		return count;
	for (int i = 0; i < MOST_SKIPPED && count == 0 && place.pc >= trail->skip_start &&
					place.pc < trail->skip_end;
		 i++)
		if (!ga_walk_step(stack, code, &place))
			return 0;
	return count + ga_walk(stack, code, place, frames + count, room - count);
}
