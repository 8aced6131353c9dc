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

/*
 * Hand all roots of this process to ga_sweep_root: registers and the stack of
 * the caller, and every private writable mapping.  False if they could not be
 * read completely; then nothing may be concluded from the sweep.
 */
extern bool ScanRoots(ga_heap *heap);

/* Can other threads of this process change its memory while it is read? */
extern bool RootsMayChange(void);

#endif /* GOARENA_ROOTS_H */
