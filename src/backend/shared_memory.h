/*-------------------------------------------------------------------------
 *
 * shared_memory.h
 *	  What goarena keeps in the server's shared memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SHARED_MEMORY_H
#define GOARENA_SHARED_MEMORY_H

#include "postgres.h"

/* Install the hooks; once, from _PG_init under shared_preload_libraries. */
extern void SharedMemoryInit(void);

#endif /* GOARENA_SHARED_MEMORY_H */
