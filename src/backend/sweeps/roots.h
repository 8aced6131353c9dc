/*-------------------------------------------------------------------------
 *
 * roots.h
 *	  Where pointers may lie in a server process.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ROOTS_H
#define GOARENA_ROOTS_H

#include "engine/heap.h"

/* What to call before each mapping is read. */
typedef struct RootListener
{
	/*
	 * from and to are its addresses, name is what the kernel calls it, perhaps the empty text.
	 * Must return.
	 */
	void (*begin)(void *arg, uintptr_t from, uintptr_t to, const char *name);
	void *arg;
} RootListener;

/*
 * Hand all roots of this process to ga_sweep_root: registers and the stack of
 * the caller, and every private writable mapping.  False if they could not be
 * read completely; then nothing may be concluded from the sweep.  The listener can be NULL.
 */
extern bool ScanRoots(ga_heap *heap, const RootListener *listener);

/* Can other threads of this process change its memory while it is read? */
extern bool RootsMayChange(void);

#endif /* GOARENA_ROOTS_H */
