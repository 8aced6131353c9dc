/*-------------------------------------------------------------------------
 *
 * showing.h
 *	  When this process shows others what it holds.
 *
 * To publish at the end of each transaction would cost short transactions too much.  So the first
 * one publishes at once.  Those that end soon after it only set a flag that there are newer
 * figures, for which readers ask, see RequestFigures.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SHOWING_H
#define GOARENA_SHOWING_H

#include "postgres.h"

/* The first context of this process has begun.  Show that it is there. */
extern void ShowBegun(void);

/*
 * A transaction ended.  Show what the process holds, at once or when it is asked;
 * can_be_asked says whether others can ask it.
 */
extern void ShowAtTransactionEnd(bool can_be_asked);

/*
 * What the process holds has moved by a step.  Publish that; or, if it can wait, count it in the sums
 * of what users and databases hold and show the rest as at the end of a transaction: a query that
 * takes a millisecond can come here ten times.  It can wait where others can ask, and there is no
 * limit.  Allocates nothing.
 */
extern void ShowMoved(bool can_wait);

/* Publish now, since another process asked.  Allocates nothing. */
extern void ShowNow(void);

#endif /* GOARENA_SHOWING_H */
