/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Running code that may meet memory that is not there, or may never end.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_GUARD_H
#define GOARENA_GUARD_H

#include "postgres.h"

#include <signal.h>
#include <ucontext.h>

/*
 * Run a step.  False if it was cut off, by a fault or because its time was over;
 * what it was about to do is then done by half, and locks that it took are not
 * released.  Steps nest.  They must not raise errors.  Works once the fault handler is
 * installed; before, a fault is one like any other.
 */
extern bool GuardTry(void (*step)(void *), void *arg);

/*
 * Can a text be read, up to its end or as far as the limit, and is it text?  Names and
 * identifiers of contexts may be gone, see foreign_text.h.  Cheaper than to copy them.
 */
extern bool GuardReadable(const char *text, size_t limit);

/* The name of a context, or UNREADABLE_NAME.  It may be longer than CONTEXT_NAME_LENGTH. */
extern const char *GuardName(MemoryContext context);

/* Cut off the steps of this thread that last longer than this; 0: no longer. */
extern void GuardSetTime(int seconds);

/*
 * For the signal handler, first of all: is the signal for a step, or a tick of
 * what is watched?  For a step, it does not return.
 */
extern bool GuardTakes(const siginfo_t *info, const ucontext_t *context);

/*
 * See to it that this process, which is about to end by itself, has soon ended, by
 * signal_number if need be.  The first function gets what the other needs; false
 * if the system does not allow that.
 */
extern bool GuardPrepareExit(void);
extern void GuardWatchExit(int signal_number);

#endif /* GOARENA_GUARD_H */
