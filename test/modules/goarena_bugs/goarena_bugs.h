/*-------------------------------------------------------------------------
 *
 * goarena_bugs.h
 *	  What the planted bugs share.
 *
 * Each bug allocates, frees by the mechanism that frees in real life, and then
 * uses the memory once more.  Frees stand in functions of their own, whose
 * names the stack of the free shall show.  What a bug finds is its result;
 * goarena_bugs() says how to run each.
 *
 * Threads are cited as owner/repository#number on GitHub.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_BUGS_H
#define GOARENA_BUGS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

/* Larger than a quarter of goarena.chunk_size as it is by default. */
#define LARGE_SIZE (4 * 1024 * 1024)

/* A child of the current context. */
extern MemoryContext MakeContext(const char *name);

/* An object filled with a known text, and the same as a C string. */
extern char *MakeObject(MemoryContext context, Size size);
extern char *MakeString(MemoryContext context, Size length);

/* An object of somebody else, filled with another text. */
extern char *MakeOtherObject(MemoryContext context, Size size);

/* SQL for a text of that kind, of some hundred bytes. */
#define SQL_OLD_VALUE "repeat('the old value.  ', 40)"

/*
 * Do what a session would do next: create contexts and allocate in them.  They
 * live as long as the current context.
 */
extern void GoOn(void);

/*
 * Do as much work as goarena_bugs.meanwhile says, in short-lived contexts: what passes in
 * real life before a pointer is used that was kept too long.  Most bugs leave
 * that to Look() and LookAtInt().
 */
extern void Meanwhile(void);

/*
 * Let malloc keep freed memory, as it does in a session that has worked with
 * large objects before.  Without that a plain server would give large objects
 * back to the system, and a use of them would be noticed there, too.
 */
extern void WarmUpMalloc(void);

/*
 * Read at an address within an object, at least 16 bytes before its end, and say
 * what is there.  The result lasts until the next call.
 */
extern const char *Look(const volatile void *where);

/* The same for a number. */
extern const char *LookAtInt(const volatile int *where, int old_value);

#endif /* GOARENA_BUGS_H */
