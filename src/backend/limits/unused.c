/*-------------------------------------------------------------------------
 *
 * unused.c
 *	  Getting back memory that processes hold and do not use, and that others need.
 *
 * A process keeps pages that it is likely to want again.  They count as held, so many sessions can
 * leave no room under a limit that they share.  Before such a limit refuses memory to any process,
 * all of them are asked to give back what they do not use.  They do so where they check for
 * interrupts, not in the midst of an allocation.
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

/* Do not ask a process that has less than this unused, in bytes. */
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

bool
LimitCovers(Crossed limit, const RegistryFigures *process)
{
	switch (limit)
	{
		case USER_LIMIT:
			return MyProc != NULL && process->role == MyProc->roleId;
		case DATABASE_LIMIT:
			return MyProc != NULL && process->database == MyProc->databaseId;
		default:
			return true;
	}
}

uint64
UnusedTotal(Crossed limit)
{
	RegistryFigures figures;
	uint64 sum = 0;

	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures) && LimitCovers(limit, &figures))
			sum += unused_of(&figures);
	return sum;
}

/*
 * unused_ask
 *		Ask all processes that have something to give.  Returns how many were asked.
 */
static int
unused_ask(Crossed limit)
{
	RegistryFigures figures;
	int asked = 0;

	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures) && figures.pid != MyProcPid && LimitCovers(limit, &figures) &&
			unused_of(&figures) >= LEAST_UNUSED && RequestUnused(i, figures.pid))
			asked++;
	return asked;
}

Crossed
UnusedReclaim(Crossed limit, Size bytes, Crossed (*look)(Size bytes))
{
	TimestampTz started = GetCurrentTimestamp();
	Crossed crossed = limit;

	if (MyProc == NULL || unused_ask(limit) == 0)
		return crossed;
	while (crossed == limit && !QueryCancelPending && !ProcDiePending && RequestsUnusedAwaited() &&
		   !TimestampDifferenceExceeds(started, GetCurrentTimestamp(), RECLAIM_WAIT))
	{
		pg_usleep(RECLAIM_NAP * 1000L);
		crossed = look(bytes);
	}
	return crossed == limit ? look(bytes) : crossed;
}
