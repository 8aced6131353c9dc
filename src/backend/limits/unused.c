/*-------------------------------------------------------------------------
 *
 * unused.c
 *	  Memory that processes hold and do not use, and that others need.
 *
 * A process keeps pages that it is likely to want again.  They count as held, so
 * many sessions can leave no room under the total limit.  Before anybody is refused
 * memory because of it, all are asked to give back what they do not use.  They do so
 * where they check for interrupts, so not in the midst of an allocation.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "backend/limits/unused.h"
#include "backend/process/slot.h"
#include "backend/registry/registry.h"
#include "backend/registry/requests.h"
#include "mcxt/process_heap.h"

/* Less than this in a process is not worth asking for. */
#define LEAST_UNUSED ((Size) 512 << 10)

/* In milliseconds. */
#define RECLAIM_WAIT 1000
#define RECLAIM_NAP	 5

static uint64
unused_of(const RegistryFigures *figures)
{
	uint64 used = figures->in_use + figures->others + figures->metadata;

	return figures->held - Min(figures->held, used);
}

uint64
UnusedTotal(void)
{
	RegistryFigures figures;
	uint64 sum = 0;

	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures))
			sum += unused_of(&figures);
	return sum;
}

/*
 * unused_ask
 *		Ask all that have something to give.  Returns how many were asked.
 */
static int
unused_ask(void)
{
	RegistryFigures figures;
	int asked = 0;

	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures) && figures.pid != MyProcPid &&
			unused_of(&figures) >= LEAST_UNUSED && RequestUnused(i, figures.pid))
			asked++;
	return asked;
}

Crossed
UnusedReclaim(Size bytes, Crossed (*look)(Size bytes))
{
	TimestampTz started = GetCurrentTimestamp();
	Crossed crossed = TOTAL_LIMIT;

	if (MyProc == NULL || unused_ask() == 0)
		return crossed;
	while (crossed == TOTAL_LIMIT && !QueryCancelPending && !ProcDiePending &&
		   RequestsUnusedAwaited() &&
		   !TimestampDifferenceExceeds(started, GetCurrentTimestamp(), RECLAIM_WAIT))
	{
		pg_usleep(RECLAIM_NAP * 1000L);
		crossed = look(bytes);
	}
	return crossed == TOTAL_LIMIT ? look(bytes) : crossed;
}
