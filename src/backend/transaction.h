/*-------------------------------------------------------------------------
 *
 * transaction.h
 *	  What is done when a transaction ends.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TRANSACTION_H
#define GOARENA_TRANSACTION_H

/* Install the callbacks; once, from _PG_init. */
extern void TransactionInit(void);

#endif /* GOARENA_TRANSACTION_H */
