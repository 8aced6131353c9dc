/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  What each process of the server holds, for the others to see.
 *
 * Shared memory has a slot for each process that there can be.  A process writes only to its own
 * slot, without locks and without waiting.  It writes to the half that no process reads, which then
 * takes the place of the other half.  So readers get figures of one moment, also of a process that
 * was stopped in the midst of writing.
 *
 * A slot belongs to the PGPROC of the same number.  A process takes and gives up both together, and
 * the next process that gets the PGPROC uses the slot again.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_REGISTRY_H
#define GOARENA_REGISTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "storage/proc.h"

/* A process and its figures at one moment; see goarena_stats() for what they mean. */
typedef struct RegistryFigures
{
	int pid; /* 0: nobody */
	BackendType backend_type;
	Oid role;	  /* that it was authenticated as; InvalidOid for the server's own */
	Oid database; /* that it is connected to, or InvalidOid */
	TimestampTz at;

	uint64 held;
	uint64 touched;
	uint64 others;
	uint64 resident;
	uint64 statement_peak;
	uint64 transaction_peak;
	uint64 process_peak;
	uint64 limit_hits;
	uint64 cancels;
	uint64 arenas;
	uint64 chunks_active;
	uint64 chunks_reuse;
	uint64 chunks_fault;
	uint64 chunks_quarantined;
	uint64 chunks_ready;
	uint64 in_use;
	uint64 total_allocated;
	uint64 reserved;
	uint64 mapped;
	uint64 retained;
	uint64 released;
	uint64 quarantined;
	uint64 metadata;
	uint64 allocs;
	uint64 frees;
	uint64 large_allocs;
	uint64 resets;
	uint64 sweeps;
	uint64 sweep_us;
	uint64 max_sweep_us;
	uint64 chunks_freed;
	uint64 chunks_pinned;
	uint64 next_sweep;		/* UINT64_MAX: never */
	TimestampTz last_sweep; /* 0: none */
	uint64 owned;
	uint64 fresh;
	uint64 since_sweep;
	uint64 mappings;

	/* Where the server keeps the present statement of the process, or NULL.  For others it
	 * is an address like any that a process wrote: in shared memory, or wrong. */
	const struct PgBackendStatus *status;
} RegistryFigures;

/* For shared_memory.c; begin and end when this process takes its slot and gives it up. */
extern Size RegistrySize(void);
extern void RegistryAttach(void *memory, bool anew);
extern void RegistryBegin(int slot);
extern void RegistryEnd(void);

/* Is there a registry: is the library preloaded by the server? */
extern bool RegistryExists(void);

/*
 * Measure the figures that take long: what contexts hold that are no arenas, and how many pages are
 * resident.  Allocates nothing.
 */
extern void RegistryLookClosely(TimestampTz now);

/*
 * Fill in the figures of this process as they are now.  What RegistryLookClosely
 * measures is as it was the last time.  Allocates nothing.
 */
extern void RegistryMeasure(RegistryFigures *figures, TimestampTz now);

/*
 * Show the others what this process holds.  Takes the slot the first time.
 * Does nothing where there is no registry or no PGPROC.  May be called at any
 * time but in a signal handler.
 */
extern void RegistryPublish(void);

/* As RegistryPublish, for a caller that knows what time it is. */
extern void RegistryPublishAt(TimestampTz now);

/*
 * Correct the sums over all processes, and those of the user and the database, by what this process
 * holds now, and publish nothing else.  False, with nothing counted, if what it holds is far from
 * what it has published.
 */
extern bool RegistryCountHeld(TimestampTz now);

/*
 * Set, and of another process read, whether a process has something to publish and
 * waits to be asked for it.
 */
extern void RegistrySetDeferred(bool deferred);
extern bool RegistryIsDeferred(int slot);

/* The number of slots; 0 without a registry. */
extern int RegistrySlots(void);

/* Copy the figures of the process in a slot; false if there is none. */
extern bool RegistryRead(int slot, RegistryFigures *figures);

/* The slot of a process, or -1. */
extern int RegistryFind(int pid);

/* The sum of held over all processes, as published; 0 without a registry. */
extern uint64 RegistryTotalHeld(void);

/* The sum over a backend and its parallel workers. */
extern uint64 RegistryGroupHeld(const PGPROC *leader);

#endif /* GOARENA_REGISTRY_H */
