/*-------------------------------------------------------------------------
 *
 * requests.h
 *	  Asking another process to sweep, to release, to write a heap dump, or to show what it holds.
 *
 * A process that wants something of another one sets a flag, and sends an interrupt if
 * the other one takes interrupts.  The other one looks at the flag where it checks for interrupts, where its
 * allocation is slow anyway, and at the end of a statement and of a transaction.
 * It allocates nothing for that, and nobody takes a lock.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_REQUESTS_H
#define GOARENA_REQUESTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "backend/registry/registry.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"

/* What a process can be asked for. */
#define WANT_CONTEXTS 0x01
#define WANT_SWEEP	  0x02
#define WANT_RELEASE  0x04
#define WANT_FIGURES  0x08
#define WANT_UNUSED	  0x10
#define WANT_IDLE	  0x20
#define WANT_PROFILE  0x40
#define WANT_DUMP	  0x80

/* For shared_memory.c. */
extern Size RequestsSize(void);
extern void RequestsAttach(void *memory, bool anew);

/* To be called when this process has taken a slot, and when it is about to give it up. */
extern void RequestsBegin(int slot);
extern void RequestsEnd(void);

/* Let others interrupt this process; to be called where memory can be allocated. */
extern void RequestsListen(void);

/* Can they? */
HOT_EXTERN bool requests_can_come;

static inline bool
RequestsCanCome(void)
{
	return requests_can_come;
}

/* Do what other processes asked for, as far as this is a moment for it. */
extern void RequestsServe(void);

/*
 * Ask the process in a slot to give back pages that it does not use, which it does wherever it
 * checks for interrupts.  False if it takes no interrupts, or was asked a while ago and has not
 * done so.
 */
extern bool RequestUnused(int slot, int pid);

/*
 * Make this process give back what it does not use when it next checks for interrupts.
 * Async-signal-safe.
 */
extern void RequestOwnUnused(void);

/*
 * Make this process call requests_serve_idle, see idle.c: at the end of the next transaction, or,
 * without a sweep, where it next checks for interrupts.  Async-signal-safe.
 */
extern void RequestOwnIdle(void);
extern void (*requests_serve_idle)(bool may_sweep);

/* Are there processes that were asked for unused pages and have not given them back yet? */
extern bool RequestsUnusedAwaited(void);

/*
 * Ask the process in a slot to publish its figures, and wait for it for some
 * milliseconds; or to answer those who want its contexts, see answers.h.
 */
extern void RequestFiguresOf(int slot, int pid);
extern void RequestContextsOf(int slot, int pid);

/* Is a process still in this slot, and does it take interrupts? */
extern bool RequestsIsThere(int slot, int pid);
extern bool RequestsListens(int slot);

/* Ask the process in a slot to sweep or to release. */
extern void RequestWork(int slot, int pid, uint32 want);

/*
 * Before figures of other processes are read: ask those whose figures may be old
 * to publish them, and wait for it, but only for some milliseconds in all.  Only
 * processes for which may_read says so are asked.
 */
extern void RequestFigures(bool (*may_read)(const RegistryFigures *process));

/* Ask all processes whose figures may be old, and do not wait for them. */
extern void RequestAllFigures(void);

/*
 * Ask the process in a slot to write a heap dump. *number is 0 in the first call, which sets it; it
 * names the dump, see DumpFileName.  To be called until it returns true: then *error is what
 * DumpWrite returned.
 */
extern bool RequestDump(int slot, int pid, int64 *number, int *error);
extern bool RequestDumpIsDone(int slot, int64 number);
extern void RequestDumpGiveUp(int slot);

/* To be called where a statement or a transaction ends. */
static inline void
RequestsSafePoint(void)
{
	if (unlikely(*process_heap_wanted != 0))
		RequestsServe();
}

/* Milliseconds between two looks whether a request was done, and until it is made again. */
#define REQUEST_POLL_MS	  20
#define REQUEST_REMIND_MS 100

/*
 * Wait for REQUEST_POLL_MS, or until the latch is set.  False if the deadline has passed.  Serves
 * requests to this process meanwhile, since two processes may ask each other.
 */
extern bool RequestsWait(TimestampTz deadline);

/*
 * To be called before the heap profile of the server is read: ask processes to add what is new, and
 * wait for some milliseconds in all.  Returns how many have not done so.
 */
extern int RequestProfiles(void);

#endif /* GOARENA_REQUESTS_H */
