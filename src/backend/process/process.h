/*-------------------------------------------------------------------------
 *
 * process.h
 *	  Is this the process that the server knows, or one that a library forked?
 *
 * A library may fork a process and not replace its program.  Such a child has
 * all of the backend's variables, and its shared memory, but none of what the
 * server keeps for the backend is its own: its slots, its locks, its client.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PROCESS_H
#define GOARENA_PROCESS_H

#include "postgres.h"

#include "miscadmin.h"

/*
 * The pid of the process that the server knows, in memory that the kernel
 * clears in a forked child; NULL if it cannot do that.
 */
extern int *process_owner;

/* Set up; once, from _PG_init. */
extern void ProcessInit(void);

/* See ProcessIsOurs. */
extern bool ProcessClaim(void);

/*
 * Is this the process that the server knows?  Code asks this before it writes to shared memory,
 * speaks to the client, or raises an error of goarena's.  Costs next to nothing.
 * Async-signal-safe.
 */
static inline bool
ProcessIsOurs(void)
{
	return likely(process_owner != NULL && *process_owner == MyProcPid) || ProcessClaim();
}

/*
 * As ProcessIsOurs, but asks the kernel: also false in a child that shares its memory with this
 * process (vfork), and in threads other than the one that the server runs in.
 */
extern bool ProcessRunsServer(void);

#endif /* GOARENA_PROCESS_H */
