/*-------------------------------------------------------------------------
 *
 * code.h
 *	  Finding out what code an address lies in.
 *
 * The dynamic linker knows which program or library has the address, and that has unwind tables.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CODE_H
#define GA_CODE_H

#include "rule.h"

/* Find the rule for the instruction at pc.  Its base is GA_BASE_UNKNOWN if there is none. */
extern ga_rule ga_code_rule(uintptr_t pc);

/* Is this a return address: does it lie behind a call, in code of a program or library? */
extern bool ga_code_follows_call(uintptr_t address);

/* Find where the function that has an address begins and ends.  Both are 0 if that is not known. */
extern void ga_code_function(uintptr_t address, uintptr_t *start, uintptr_t *end);

/*
 * Find where the program or library begins and ends that has a function.  Both are 0 if that is not
 * known.
 */
extern void ga_code_range(const void *function, uintptr_t *start, uintptr_t *end);

#endif /* GA_CODE_H */
