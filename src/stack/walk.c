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

/* So many words of the stack are searched for a return address. */
#define SEARCHED_WORDS 128

#define WORD sizeof(uintptr_t)

/* An offset to add to an address. */
#define BYTES(offset) ((uintptr_t) (intptr_t) (offset))
#define WORDS(offset) (BYTES(offset) * WORD)

static ga_remembered remembered_here[1 << GA_REMEMBERED_BITS];

const ga_code ga_code_here = {ga_code_rule, ga_code_follows_call, remembered_here};

/*
 * without_signature
 *		On aarch64 the upper bits of a return address may be its signature.  The
 *		instruction that strips it does nothing on processors that do not sign.
 */
static inline uintptr_t
without_signature(uintptr_t address)
{
#if defined(__aarch64__)
	register uintptr_t x30 __asm__("x30") = address;

	__asm__("hint #7" : "+r"(x30)); /* xpaclri */
	return x30;
#else
	return address;
#endif
}

static inline ga_rule
rule_at(const ga_code *code, uintptr_t pc)
{
	ga_remembered *r =
		&code->remembered[pc * UINT64_C(0x9e3779b97f4a7c15) >> (64 - GA_REMEMBERED_BITS)];

	if (__builtin_expect(r->pc != pc, false))
	{
		r->rule = code->rule(pc);
		r->pc = pc;
	}
	return r->rule;
}

/*
 * is_code
 *		Is a return address known as one of code?
 */
static bool
is_code(const ga_code *code, uintptr_t address)
{
	return address != 0 && rule_at(code, address - 1).base != GA_BASE_UNKNOWN;
}

/*
 * is_above
 *		A caller's stack pointer lies above that of a place, since at least the
 *		return address was there, or where that was in a register, may be the same.
 */
static bool
is_above(const ga_view *stack, const ga_place *place, uintptr_t sp)
{
	return sp % WORD == 0 && sp <= stack->high &&
		   (sp > place->sp || (sp == place->sp && place->lr != 0));
}

/*
 * read_saved
 *		A word that the function saved in its frame.
 */
static bool
read_saved(const ga_view *stack, const ga_place *place, uintptr_t cfa, uintptr_t address,
		   uintptr_t *word)
{
	return address >= place->sp && address < cfa && ga_view_word(stack, address, word);
}

/*
 * caller_frame_pointer
 *		What the frame pointer was in the caller.  Tables may say that it is saved
 *		where it has just been taken from, below the stack pointer.
 */
static bool
caller_frame_pointer(const ga_view *stack, const ga_place *place, ga_rule rule, uintptr_t cfa,
					 uintptr_t *fp)
{
	uintptr_t address = (rule.fp_saved == GA_SAVED_CFA ? cfa : place->fp) + WORDS(rule.fp_offset);

	*fp = place->fp;
	return rule.fp_saved == GA_SAVED_NOT || (place->exact && address < place->sp) ||
		   read_saved(stack, place, cfa, address, fp);
}

static bool
step_by_rule(const ga_view *stack, const ga_code *code, ga_place *place, ga_rule rule)
{
	uintptr_t cfa = (rule.base == GA_BASE_SP ? place->sp : place->fp) + BYTES(rule.cfa_offset);
	uintptr_t pc = place->lr;
	uintptr_t fp;

	if (rule.base == GA_BASE_AT_FP && !ga_view_word(stack, cfa, &cfa))
		return false;
	if (rule.ra_offset != 0 && !read_saved(stack, place, cfa, cfa + WORDS(rule.ra_offset), &pc))
		return false;
	pc = without_signature(pc);
	if (pc == 0 || !is_above(stack, place, cfa) || (place->guessed && !is_code(code, pc)) ||
		!caller_frame_pointer(stack, place, rule, cfa, &fp))
		return false;
	*place = (ga_place){.pc = pc, .sp = cfa, .fp = fp, .guessed = place->guessed};
	return true;
}

/*
 * keeps_frame
 *		Is this the rule of code that keeps frame pointers, past its first
 *		instructions?
 */
static inline bool
keeps_frame(ga_rule rule)
{
	static const ga_rule keeps = {
		.base = GA_BASE_FP,
		.cfa_offset = 2 * WORD,
		.ra_offset = -1,
		.fp_saved = GA_SAVED_CFA,
		.fp_offset = -2,
	};

	return memcmp(&rule, &keeps, sizeof(rule)) == 0;
}

/*
 * plain_cfa
 *		Where the caller's stack pointer is, if nothing is odd; else 0.  The frame
 *		is then known to lie in the view.  Which register leads there is a jump
 *		and not a choice, so that for code that keeps frame pointers the processor
 *		can go ahead before the rule has come.
 */
static inline uintptr_t
plain_cfa(const ga_view *stack, uintptr_t sp, uintptr_t fp, ga_rule rule)
{
	uintptr_t cfa;

	if (keeps_frame(rule))
		cfa = fp + 2 * WORD;
	else if (rule.ra_offset == -1 && rule.base == GA_BASE_SP && rule.fp_saved <= GA_SAVED_CFA)
		cfa = sp + BYTES(rule.cfa_offset);
	else
		return 0;
	if (cfa - sp < WORD || cfa - sp > stack->high - sp || cfa % WORD != 0)
		return 0;
	return cfa;
}

/*
 * walk_plainly
 *		Go up as long as each return address is right below the caller's stack
 *		pointer, which is what nearly all do, and all that can be done fast.
 */
static inline int
walk_plainly(const ga_view *stack, const ga_code *code, ga_place *place, uintptr_t *frames,
			 int room)
{
	const char *data = stack->data;
	uintptr_t low = stack->low;
	uintptr_t pc = place->pc;
	uintptr_t sp = place->sp;
	uintptr_t fp = place->fp;
	int count = 0;

	if (place->exact || place->guessed || place->lr != 0 || sp < low || sp > stack->high)
		return 0;
	while (count < room)
	{
		ga_rule rule = rule_at(code, pc - 1);
		uintptr_t cfa = plain_cfa(stack, sp, fp, rule);
		uintptr_t fp_at = cfa + WORDS(rule.fp_offset);
		uintptr_t caller;

		if (cfa == 0 || (rule.fp_saved != GA_SAVED_NOT && fp_at - sp > cfa - sp - WORD))
			break;
		memcpy(&caller, data + (cfa - WORD - low), WORD);
		if (caller == 0)
			break;
		if (rule.fp_saved != GA_SAVED_NOT)
			memcpy(&fp, data + (fp_at - low), WORD);
		frames[count++] = pc;
		pc = without_signature(caller);
		sp = cfa;
	}
	*place = (ga_place){.pc = pc, .sp = sp, .fp = fp};
	return count;
}

/*
 * step_over_signal
 *		The kernel saved the registers of the code that it interrupted.
 */
static bool
step_over_signal(const ga_view *stack, ga_place *place)
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
	/* Of a handler with a stack of its own, the view ends here. */
	if (interrupted.sp <= place->sp || interrupted.sp > stack->high || interrupted.sp % WORD != 0)
		return false;
	*place = interrupted;
	return true;
}

/*
 * step_by_frame_pointer
 *		It leads to the caller's, with the return address behind it, in code that
 *		keeps frame pointers.  What is behind it must be known as code.
 */
static bool
step_by_frame_pointer(const ga_view *stack, const ga_code *code, ga_place *place)
{
	uintptr_t cfa = place->fp + 2 * WORD;
	uintptr_t pc;
	uintptr_t fp;

	if (!read_saved(stack, place, cfa, place->fp, &fp) ||
		!read_saved(stack, place, cfa, place->fp + WORD, &pc))
		return false;
	pc = without_signature(pc);
	if (!is_code(code, pc))
		return false;
	*place = (ga_place){.pc = pc, .sp = cfa, .fp = fp, .guessed = place->guessed};
	return true;
}

/*
 * step_by_search
 *		Take the next word that is known as a return address.  It may be one that
 *		an earlier call left there.  What a function that uses the frame pointer
 *		does first is to push it.
 */
static bool
step_by_search(const ga_view *stack, const ga_code *code, ga_place *place)
{
	uintptr_t below = 0;
	uintptr_t word;

	for (int i = 0; i < SEARCHED_WORDS; i++)
	{
		uintptr_t at = place->sp + (uintptr_t) i * WORD;

		if (!ga_view_word(stack, at, &word))
			return false;
		if (code->follows_call(without_signature(word)))
		{
			if (below <= at || below >= stack->high)
				below = place->fp;
			*place = (ga_place){
				.pc = without_signature(word), .sp = at + WORD, .fp = below, .guessed = true};
			return true;
		}
		below = word;
	}
	return false;
}

bool
ga_walk_step(const ga_view *stack, const ga_code *code, ga_place *place)
{
	ga_rule rule = rule_at(code, place->exact ? place->pc : place->pc - 1);

	if (rule.base == GA_BASE_OUTERMOST)
		return false;
	if (rule.base == GA_BASE_SIGNAL)
		return step_over_signal(stack, place);
	return (rule.base != GA_BASE_UNKNOWN && step_by_rule(stack, code, place, rule)) ||
		   step_by_frame_pointer(stack, code, place) || step_by_search(stack, code, place);
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
