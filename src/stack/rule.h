/*-------------------------------------------------------------------------
 *
 * rule.h
 *	  How to get from a place in a function to its caller.
 *
 * A rule says where the caller's stack pointer is (the DWARF standard calls it the canonical frame
 * address, CFA), and where, relative to it, the function has saved the return address and the
 * caller's frame pointer.  Other registers are not followed.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_RULE_H
#define GA_RULE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ga_rule_base
{
	GA_BASE_UNKNOWN,  /* nothing is known of this code */
	GA_BASE_SP,		  /* CFA = stack pointer + offset */
	GA_BASE_FP,		  /* CFA = frame pointer + offset */
	GA_BASE_AT_FP,	  /* CFA = word at frame pointer + offset */
	GA_BASE_SIGNAL,	  /* the kernel saved all registers on the stack */
	GA_BASE_OUTERMOST /* there is no caller */
} ga_rule_base;

typedef enum ga_rule_saved
{
	GA_SAVED_NOT, /* still in its register */
	GA_SAVED_CFA, /* at CFA + offset */
	GA_SAVED_FP	  /* at frame pointer + offset */
} ga_rule_saved;

typedef struct ga_rule
{
	int32_t cfa_offset; /* bytes */
	int8_t ra_offset;	/* words from the CFA to the return address; 0: it is in its register */
	int8_t fp_offset;	/* words to the saved frame pointer */
	uint8_t base;		/* ga_rule_base */
	uint8_t fp_saved;	/* ga_rule_saved */
} ga_rule;

#endif /* GA_RULE_H */
