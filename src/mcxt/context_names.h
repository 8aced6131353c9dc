/*-------------------------------------------------------------------------
 *
 * context_names.h
 *	  Numbers for the names of memory contexts, to add up by name.
 *
 * A process can have a hundred thousand contexts, but they have a few dozen names, which are
 * constants of the code that creates them.  Code that adds something up by name keeps an array of
 * sums, and finds the place of a name in it here.  Nothing is allocated.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXT_NAMES_H
#define GOARENA_CONTEXT_NAMES_H

#include "postgres.h"

#define MAX_CONTEXT_NAMES 128

/* The number of all names that came when there were MAX_CONTEXT_NAMES already. */
#define OTHER_CONTEXT_NAMES MAX_CONTEXT_NAMES

/* What an array of sums needs. */
#define CONTEXT_NAME_NUMBERS (MAX_CONTEXT_NAMES + 1)

#define CONTEXT_NAME_BUCKETS (2 * MAX_CONTEXT_NAMES)

/* Zero it before use. */
typedef struct ContextNames
{
	int count;
	int last; /* the number that was found last */
	const char *names[CONTEXT_NAME_NUMBERS];
	uint8 buckets[CONTEXT_NAME_BUCKETS]; /* 1 + number of a name; 0 for none */
} ContextNames;

/*
 * Return the number of a name: from 0 on, in the order in which names come.  Equal names at
 * different addresses are one.  No more than CONTEXT_NAME_LENGTH bytes are looked at.
 */
extern int ContextNameNumber(ContextNames *names, const char *name);

#endif /* GOARENA_CONTEXT_NAMES_H */
