/*-------------------------------------------------------------------------
 *
 * code.h
 *	  What is known of the code at an address.
 *
 * The dynamic linker tells which program or library it belongs to, and that has
 * unwind tables.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CODE_H
#define GA_CODE_H

#include "rule.h"

/* The rule for the instruction at pc; GA_BASE_UNKNOWN if there is none. */
extern ga_rule ga_code_rule(uintptr_t pc);

/* Is this the address behind a call, in code that is known? */
extern bool ga_code_follows_call(uintptr_t address);

/* Where a function begins and ends that has this address; 0 if it is not known. */
extern void ga_code_function(uintptr_t address, uintptr_t *start, uintptr_t *end);

/* Where the program or library lies that has a function; 0 if that is not known. */
extern void ga_code_range(const void *function, uintptr_t *start, uintptr_t *end);

#endif /* GA_CODE_H */
