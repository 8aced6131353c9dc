/*-------------------------------------------------------------------------
 *
 * showing.h
 *	  When the others are shown what this process holds.
 *
 * To publish at the end of each transaction would cost short ones dearly.  The
 * first does so at once; those that end soon after it only say that they have
 * something to show.  A timeout makes up for it, so that an idle process has
 * always shown how its last transaction left it, or does so in a moment.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SHOWING_H
#define GOARENA_SHOWING_H

#include "postgres.h"

#include "storage/proc.h"

/* A transaction ended: show what is held, at once or soon. */
extern void ShowAtTransactionEnd(void);

/*
 * Is a process outside of a transaction, or does it wait for its client in one?
 * Read without a lock, so it may have just ceased to be so.
 */
extern bool ProcessIsIdle(const PGPROC *proc);

/*
 * For readers: if the process in a slot is idle and is about to show something,
 * wait until it has.  *patience is how many milliseconds may be waited, and is
 * lowered by those that were; begin with SHOWING_PATIENCE.
 */
#define SHOWING_PATIENCE 50
extern void ShowingAwait(int slot, int *patience);

#endif /* GOARENA_SHOWING_H */
