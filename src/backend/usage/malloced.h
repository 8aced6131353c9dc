/*-------------------------------------------------------------------------
 *
 * malloced.h
 *	  What the server itself gets from malloc, outside of memory contexts.
 *
 * Only what a user can make large counts: the values of settings, since anybody can
 * give a setting with a prefix of their own a value of a gigabyte, and the buffers of
 * temporary tables.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_MALLOCED_H
#define GOARENA_MALLOCED_H

#include "postgres.h"

/* In bytes.  Allocates nothing. */
extern Size MallocedBytes(void);

/*
 * Have the C library give back the pages that it keeps: up to twice the size of the
 * largest block that was freed, and that can be 32 MB.
 */
extern void MallocedTrim(void);

#endif /* GOARENA_MALLOCED_H */
