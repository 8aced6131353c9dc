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

/* Find out what is asked for later; once, from _PG_init. */
extern void FaultPolicyInit(void);

/*
 * Can this process, interrupted like that, raise an error and end by itself, its
 * locks being released on the way?  The frames are its stack.  Async-signal-safe.
 */
extern bool FaultMayTerminate(const ucontext_t *context, const uintptr_t *frames, int depth);

#endif /* GOARENA_FAULT_POLICY_H */
