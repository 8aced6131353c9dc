/*-------------------------------------------------------------------------
 *
 * largest.h
 *	  The memory contexts of this process that hold the most.
 *
 * Contexts of one name count together: what is leaked is as often a hundred
 * thousand small contexts as a large one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LARGEST_H
#define GOARENA_LARGEST_H

#include "postgres.h"

#define LARGEST_CONTEXTS 5
#define LARGEST_NAME	 64 /* bytes of a name that are kept, with the end */
#define LARGEST_IDENT	 64 /* the same of an identifier */

/* Copies, since the contexts may be gone when they are reported. */
typedef struct LargestContexts
{
	int count;
	struct
	{
		Size held;		 /* bytes, without children */
		uint64 contexts; /* of this name */
		char name[LARGEST_NAME];
		char ident[LARGEST_IDENT]; /* of the only one of this name, or empty */
	} contexts[LARGEST_CONTEXTS];  /* the largest first */
} LargestContexts;

/* Find them among all contexts, arenas or not.  Allocates nothing. */
extern void FindLargestContexts(LargestContexts *largest);

/*
 * Return them as text: name "ident" size, and so on.  Identifiers can be other users'
 * queries, so they are for the log and not for clients.  The text stays valid until
 * the next call.  Allocates nothing.
 */
extern const char *LargestContextsText(const LargestContexts *largest, bool with_idents);

#endif /* GOARENA_LARGEST_H */
