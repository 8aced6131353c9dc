/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Running code that may fault, or may never end.
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
 * Run a step.  False if it was cut off, by a fault or because its time was over: its work is then
 * half done, and locks that it took are not released.  Steps nest.  They must not raise errors.
 * Needs the fault handler; before that is installed, a fault in a step is a fault like any other.
 */
extern bool GuardTry(void (*step)(void *), void *arg);

/*
 * Can a text be read, up to its end or the limit, and is it text?  Names and identifiers of
 * contexts may be gone, see foreign_text.h.  This is cheaper than to copy them.
 */
extern bool GuardReadable(const char *text, size_t limit);

/* The name of a context, or UNREADABLE_NAME.  It may be longer than CONTEXT_NAME_LENGTH. */
extern const char *GuardName(MemoryContext context);

/* Cut off steps of this thread that last longer than this many seconds; with 0, no longer. */
extern void GuardSetTime(int seconds);

/*
 * The signal handler asks this first: is the signal a fault or the timer of a step, or a tick for a
 * process that is watched?  For a step, it does not return.
 */
extern bool GuardTakes(const siginfo_t *info, const ucontext_t *context);

/*
 * Watch this process, which is about to end by itself, and end it by signal_number if it hangs.
 * GuardPrepareExit takes what GuardWatchExit needs; false if the system does not allow that.
 */
extern bool GuardPrepareExit(void);
extern void GuardWatchExit(int signal_number);

#endif /* GOARENA_GUARD_H */
