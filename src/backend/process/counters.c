/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Events of the server that an operator wants to count.
 *
 * Processes end, so the sums are in shared memory.  When a process has crashed, the
 * postmaster gives up the shared memory and creates it again, so it keeps the sums
 * meanwhile.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"

#include "backend/process/counters.h"
#include "backend/process/process.h"

static pg_atomic_uint64 *of_server = NULL;
static uint64 of_process[NUM_COUNTERS];
static uint64 before[NUM_COUNTERS]; /* in the postmaster: up to the last crash */

Size
CountersSize(void)
{
	return mul_size(sizeof(pg_atomic_uint64), NUM_COUNTERS);
}

static void
counters_save(int code, Datum arg)
{
	if (IsUnderPostmaster)
		return;
	for (int i = 0; i < NUM_COUNTERS; i++)
		before[i] = pg_atomic_read_u64(&of_server[i]);
}

void
CountersAttach(void *memory, bool anew)
{
	of_server = memory;
	if (!anew)
		return;
	for (int i = 0; i < NUM_COUNTERS; i++)
		pg_atomic_init_u64(&of_server[i], before[i]);
	on_shmem_exit(counters_save, (Datum) 0);
}

void
CountersAdd(Counter counter)
{
	of_process[counter]++;
	if (of_server != NULL && ProcessIsOurs())
		pg_atomic_fetch_add_u64(&of_server[counter], 1);
}

uint64
CountersOfProcess(Counter counter)
{
	return of_process[counter];
}

uint64
CountersOfServer(Counter counter)
{
	return of_server == NULL ? 0 : pg_atomic_read_u64(&of_server[counter]);
}
