/*-------------------------------------------------------------------------
 *
 * showing.c
 *	  When this process shows others what it holds.
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
#include "mcxt/hot.h"

/*
 * Milliseconds: a transaction that begins sooner after one that was shown is shown only if a reader
 * asks.
 */
#define SHOW_INTERVAL 10

static HOT_DATA bool deferred = false; /* there are newer figures, for readers who ask */
static HOT_DATA TimestampTz last_shown = 0;

/* As last_shown, by ShowMoved.  The end of a transaction that gave back much is to be shown also. */
static TimestampTz last_moved = 0;

/*
 * showing_set_deferred
 *		Set the flag that there are newer figures.  A reader who finds it cleared also finds all
 *		that was published before.
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
 * ShowBegun
 *		This process has begun to work.  Those without transactions may never come here again, so
 *		they also leave what can be read of them if they do not answer.
 */
void
ShowBegun(void)
{
	RegistryPublish();
	if (MyBackendType != B_BACKEND && MyBackendType != B_BG_WORKER)
		SnapshotLeaveNow(GetCurrentTimestamp());
}

void
ShowMoved(bool can_wait)
{
	TimestampTz now = GetCurrentTimestamp();
	bool soon = now < TimestampTzPlusMilliseconds(Max(last_shown, last_moved), SHOW_INTERVAL);

	if (((can_wait && soon) || !IsUnderPostmaster) && RegistryCountHeld(now))
	{
		showing_set_deferred(IsUnderPostmaster);
		return;
	}
	last_moved = now;
	RegistryPublishAt(now);
}

/*
 * ShowAtTransactionEnd
 *		The transaction gives its memory back only after this, so the figures are still too high.
 */
pg_attribute_hot void
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
