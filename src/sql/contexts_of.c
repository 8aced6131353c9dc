/*-------------------------------------------------------------------------
 *
 * contexts_of.c
 *	  The contexts of another process, for the functions that show them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "backend/registry/context_request.h"
#include "backend/registry/registry.h"
#include "backend/usage/contexts.h"
#include "sql/contexts_of.h"
#include "sql/sql.h"

/* One day is long enough to wait. */
#define MAX_TIMEOUT_SECONDS 86400.0

void
ContextsCheckTimeout(float8 seconds)
{
	if (isnan(seconds) || seconds < 0.0 || seconds > MAX_TIMEOUT_SECONDS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout is out of range"),
						errdetail("It is in seconds, from 0 to %g.", MAX_TIMEOUT_SECONDS)));
}

void *
ContextsOfProcess(int pid, float8 seconds, TimestampTz *at)
{
	RegistryFigures target;
	void *packed = NULL;
	int slot = FindProcess(pid, &target);

	if (slot < 0)
		return NULL;
	RequireMayRead(&target);
	switch (RequestContexts(slot, pid, MayReadAll(), (int64) (seconds * 1000.0), &packed, at))
	{
		case REQUEST_ANSWERED:
			return packed;
		case REQUEST_GONE:
			WarnNoProcess(pid);
			return NULL;
		case REQUEST_TIMEOUT:
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("process %d did not answer within %g s", pid, seconds),
					 packed == NULL ? errdetail("Nothing is known of its contexts.")
									: errdetail("The contexts are those when it was last seen, see "
												"age.")));
			return packed;
	}
	return NULL;
}

const Interval *
ContextsAge(TimestampTz at)
{
	TimestampTz now = GetCurrentTimestamp();

	if (at == 0)
		return NULL;
	return DatumGetIntervalP(DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
												 TimestampTzGetDatum(Min(at, now))));
}

const char *
ContextShownIdent(const char *ident)
{
	int length = (int) strnlen(ident, IDENT_LENGTH);

	if (length >= IDENT_LENGTH)
		length = pg_mbcliplen(ident, length, IDENT_LENGTH - 1);
	return pnstrdup(ident, (Size) length);
}
