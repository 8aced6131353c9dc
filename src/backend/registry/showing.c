/*-------------------------------------------------------------------------
 *
 * showing.c
 *	  When the others are shown what this process holds.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "backend/registry/registry.h"
#include "backend/registry/showing.h"
#include "backend/registry/snapshots.h"

/* In milliseconds: what began sooner after another was shown waits until it is asked for. */
#define SHOW_INTERVAL 10

static bool deferred = false; /* something waits until it is asked for */
static TimestampTz last_shown = 0;

/*
 * showing_set_deferred
 *		Readers who find that nothing is deferred find all that was shown.
 */
static void
showing_set_deferred(bool now_deferred)
{
	if (deferred != now_deferred)
		RegistrySetDeferred(now_deferred);
	deferred = now_deferred;
}

void
ShowNow(void)
{
	TimestampTz now = GetCurrentTimestamp();

	last_shown = now;
	RegistryLookClosely(now);
	RegistryPublishAt(now);
	SnapshotLeaveNow(now);
	showing_set_deferred(false);
}

/*
 * ShowAtTransactionEnd
 *		What the transaction still holds is given back after this, so what is
 *		shown here is not the last word.
 */
void
ShowAtTransactionEnd(bool can_be_asked)
{
	TimestampTz now;

	if (!RegistryExists() || !IsUnderPostmaster)
		return;
	if (!can_be_asked || GetCurrentTransactionStartTimestamp() >=
							 TimestampTzPlusMilliseconds(last_shown, SHOW_INTERVAL))
	{
		last_shown = now = GetCurrentTransactionStopTimestamp();
		RegistryPublishAt(now);
		SnapshotLeave(now);
	}
	showing_set_deferred(can_be_asked);
}
