/*-------------------------------------------------------------------------
 *
 * fault_policy.h
 *	  May a process that touched freed memory end by itself?
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_POLICY_H
#define GOARENA_FAULT_POLICY_H

#include "postgres.h"

#include <ucontext.h>

/* Called once, from _PG_init: find out what FaultMayTerminate needs. */
extern void FaultPolicyInit(void);

/*
 * Can this process, interrupted at the given place, raise an error and end by itself, and release
 * its locks on the way? frames is its stack.  Async-signal-safe.
 */
extern bool FaultMayTerminate(const ucontext_t *context, const uintptr_t *frames, int depth);

#endif /* GOARENA_FAULT_POLICY_H */
