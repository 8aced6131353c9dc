/*-------------------------------------------------------------------------
 *
 * kernel_memory.h
 *	  What the kernel says of the memory of a process.
 *
 * goarena knows memory contexts.  Only the kernel knows what libraries and languages get from
 * malloc, and the shared memory of parallel queries.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_KERNEL_MEMORY_H
#define GOARENA_KERNEL_MEMORY_H

#include "postgres.h"

typedef struct KernelMemory
{
	uint64 anonymous; /* bytes that are resident and private: RssAnon */
	uint64 shared;	  /* bytes of shared memory that the process has touched: RssShmem */
} KernelMemory;

/* For shared_memory.c. */
extern Size KernelMemorySize(void);
extern void KernelMemoryAttach(void *memory, bool anew);

/* Ask the kernel; false if it does not tell, or the process is gone. */
extern bool KernelMemoryRead(int pid, KernelMemory *memory);

/*
 * Get the figures of the process in a slot.  The kernel is asked at most once in a second, however
 * many processes want them.
 */
extern bool KernelMemoryOf(int slot, int pid, KernelMemory *memory);

#endif /* GOARENA_KERNEL_MEMORY_H */
