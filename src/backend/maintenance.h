/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *	  What a process does for its memory besides its work, and when.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_MAINTENANCE_H
#define GOARENA_MAINTENANCE_H

#include "postgres.h"

/* See ProcessHeapCallbacks. */
extern void MaintainOnSlowPath(void);
extern bool MaintainFindMemory(void);
extern void MaintainShowMoved(void);

/*
 * What a statement gives up while it runs, it is likely to want again: let the
 * heap keep it, whatever goarena.retain says.  Begin returns what End is to be
 * given.  An error is an end, too.
 */
extern bool KeepExcessBegin(void);
extern void KeepExcessEnd(bool before);

/* A statement has ended: do what is due, and what other processes asked for. */
extern void MaintainAtStatementEnd(void);

/* A transaction is about to commit: do what is due.  And: it has ended. */
extern void MaintainBeforeCommit(void);
extern void MaintainAtTransactionEnd(void);

#endif /* GOARENA_MAINTENANCE_H */
