/*-------------------------------------------------------------------------
 *
 * interrupts.h
 *	  A safe point at each CHECK_FOR_INTERRUPTS().
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_INTERRUPTS_H
#define GOARENA_INTERRUPTS_H

#include "postgres.h"

/*
 * From now on, call serve whenever this process checks for interrupts after another process has
 * sent it one.  Interrupts are held off meanwhile, and serve must not allocate or raise errors.
 * Only the first call does anything.  To be called where memory can be allocated.  False if the
 * server is not as expected.
 */
extern bool InterruptsListen(void (*serve)(void));

/* Send an interrupt to the process in a slot, which listens. */
extern void InterruptsSend(int slot, int pid);

/* Send an interrupt to this process.  Async-signal-safe. */
extern void InterruptsSendSelf(void);

#endif /* GOARENA_INTERRUPTS_H */
