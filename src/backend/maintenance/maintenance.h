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
extern void MaintainPlainLeave(Size bytes, bool listed);
extern void MaintainStatementBegun(void);

/* Do what is due when a transaction is about to commit, and when it has ended. */
extern void MaintainBeforeCommit(void);
extern void MaintainAtTransactionEnd(void);

#endif /* GOARENA_MAINTENANCE_H */
