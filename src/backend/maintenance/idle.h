/*-------------------------------------------------------------------------
 *
 * idle.h
 *	  What a session does about its memory while it waits for its client.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_IDLE_H
#define GOARENA_IDLE_H

#include "postgres.h"

#include "mcxt/process_heap.h"

/* Settings: milliseconds, 0 for as usual and -1 for never; and kilobytes. */
extern int goarena_idle_release;
extern int goarena_idle_retain_kb;

/* With less than this not in use, nothing is done.  It is what goarena.idle_retain keeps by default. */
#define IDLE_LEAST ((Size) 256 << 10)

/* See IdleAfterStatement. */
extern void IdleWatch(void);

/*
 * To be called when a statement or a transaction has ended: a process that then waits for its
 * client for a while gives back what it does not use.
 */
static inline void
IdleAfterStatement(void)
{
	if (unlikely(process_heap.touched > process_heap.in_use + IDLE_LEAST))
		IdleWatch();
}

#endif /* GOARENA_IDLE_H */
