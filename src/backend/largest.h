/*-------------------------------------------------------------------------
 *
 * largest.h
 *	  The memory contexts of this process that hold the most.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LARGEST_H
#define GOARENA_LARGEST_H

#include "postgres.h"

#include "lib/stringinfo.h"

#define LARGEST_CONTEXTS 5
#define LARGEST_IDENT	 64 /* bytes of an identifier that are kept, with the end */

/* Copies, since the contexts may be gone when they are told of. */
typedef struct LargestContexts
{
	int count;
	struct
	{
		Size size;		  /* mem_allocated, without children */
		const char *name; /* names are constant */
		char ident[LARGEST_IDENT];
	} contexts[LARGEST_CONTEXTS]; /* the largest first */
} LargestContexts;

/* Look at all contexts, arenas or not.  Allocates nothing. */
extern void FindLargestContexts(LargestContexts *largest);

/* Append them as text: name "ident" size, and so on. */
extern void AppendLargestContexts(StringInfo text, const LargestContexts *largest);

#endif /* GOARENA_LARGEST_H */
