/*-------------------------------------------------------------------------
 *
 * showing.h
 *	  When the others are shown what this process holds.
 *
 * To publish at the end of each transaction would cost short ones dearly.  The first
 * one publishes at once.  Those that end soon after it only note that there is
 * something to show, and readers ask for it, see RequestFigures.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SHOWING_H
#define GOARENA_SHOWING_H

#include "postgres.h"

/*
 * A transaction ended.  Show what the process holds, at once or when it is asked;
 * can_be_asked says whether others can ask it.
 */
extern void ShowAtTransactionEnd(bool can_be_asked);

/* Another process asked: show it now.  Allocates nothing. */
extern void ShowNow(void);

#endif /* GOARENA_SHOWING_H */
