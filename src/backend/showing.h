/*-------------------------------------------------------------------------
 *
 * showing.h
 *	  When the others are shown what this process holds.
 *
 * To publish at the end of each transaction would cost short ones dearly.  The
 * first does so at once; those that end soon after it only say that they have
 * something to show.  Who wants to see it asks for it, see RequestFigures.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SHOWING_H
#define GOARENA_SHOWING_H

#include "postgres.h"

/*
 * A transaction ended: show what is held, at once or when asked; asked says
 * whether this process can be asked.
 */
extern void ShowAtTransactionEnd(bool can_be_asked);

/* Somebody asked.  Allocates nothing. */
extern void ShowNow(void);

#endif /* GOARENA_SHOWING_H */
