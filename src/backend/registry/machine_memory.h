/*-------------------------------------------------------------------------
 *
 * machine_memory.h
 *	  What memory the machine has, or what part of it this server may use.
 *
 * In a container the limit is that of a control group (cgroup), of version 2 or 1.
 * Where there is none it is what the host has.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_MACHINE_MEMORY_H
#define GOARENA_MACHINE_MEMORY_H

#include "postgres.h"

/* Not known, or no limit. */
#define MACHINE_UNKNOWN UINT64_MAX

/* In bytes, but for what is said; MACHINE_UNKNOWN where the kernel does not tell. */
typedef struct MachineMemory
{
	uint64 cgroup_limit;   /* the least limit of the group and those above it */
	uint64 cgroup_used;	   /* by all processes of the group that has this limit, with the pages
							* of files; without a limit by those of the own group */
	uint64 host_total;	   /* MemTotal */
	uint64 host_available; /* MemAvailable */

	/* Memory pressure (PSI): of the own group if the kernel counts that, else of the host. */
	uint64 some_avg10; /* hundredths of a percent of the last 10 s in which a task waited */
	uint64 full_avg10; /* the same in which all tasks waited */
	uint64 some_total; /* microseconds in which a task waited, ever */
	uint64 full_total; /* the same for all tasks */

	bool complete; /* no file on limits was there that could not be read or understood */
} MachineMemory;

/*
 * Look where control groups are mounted.  To be called in the postmaster, so that its
 * children know; else it is done with the first reading.
 */
extern void MachineMemoryInit(void);

/*
 * Read all of it from the kernel, with some ten files.  Raises no error, and takes no memory from
 * contexts.
 */
extern void MachineMemoryRead(MachineMemory *memory);

/*
 * goarena.machine_root: below which directory proc and sys are, for tests with files that
 * stand for the kernel's.  Empty for the real ones.
 */
extern char *goarena_machine_root;

#endif /* GOARENA_MACHINE_MEMORY_H */
