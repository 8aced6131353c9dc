/*-------------------------------------------------------------------------
 *
 * zero_base.h
 *	  The address of everything that has no bytes.
 *
 * After Go's runtime, malloc.go (zerobase).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ZERO_BASE_H
#define GOARENA_ZERO_BASE_H

#include "postgres.h"

/* Called once, with the tag in headers of objects of arenas. */
extern void ZeroBaseStart(unsigned tag);

/* The address.  There is nothing to be read or written there. */
extern void *ZeroBase(void);

/* A context that holds nothing, for code that asks for the context of the address. */
extern MemoryContext ZeroBaseContext(void);

/* Raise an error that says that its size cannot be changed. */
extern void ZeroBaseRefuse(void) __attribute__((noreturn));

#endif /* GOARENA_ZERO_BASE_H */
