/*-------------------------------------------------------------------------
 *
 * arenas.c
 *	  goarena_arenas(): the memory contexts of a process that are arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/contexts.h"
#include "backend/registry.h"
#include "backend/requests.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_arenas);
SQL_FUNCTION(goarena_arenas_of);

/* Those of another process have its age as well. */
#define ARENAS_COLUMNS	  12
#define ARENAS_OF_COLUMNS 13

/* One day is long enough to wait. */
#define MAX_TIMEOUT_SECONDS 86400.0

/*
 * CopyArenas
 *		Copy what the rows need; at most as many as there is room for.
 */
static int
CopyArenas(ContextRow *rows, int room)
{
	int count = 0;

	context_walk_foreach (walk, TopMemoryContext)
	{
		if (!MemoryContextIsArena(walk.context))
			continue;
		if (count == room)
			break;
		ContextRowOf(walk.context, walk.level, &rows[count++]);
	}
	return count;
}

static const char *
ModeName(ga_quarantine mode)
{
	switch (mode)
	{
		case GA_QUARANTINE_OFF:
			return "off";
		case GA_QUARANTINE_ON:
			return "on";
		case GA_QUARANTINE_STRICT:
			return "strict";
	}
	return "unknown";
}

/*
 * IdentDatum
 *		An identifier can be a whole query: cut it at a character.
 */
static Datum
IdentDatum(const char *ident)
{
	int length = (int) strnlen(ident, IDENT_LENGTH);

	if (length >= IDENT_LENGTH)
		length = pg_mbcliplen(ident, length, IDENT_LENGTH - 1);
	return ForeignTextDatum(pnstrdup(ident, (Size) length));
}

/*
 * NameDatum
 *		The last row of another process may be a sum over so many contexts.
 */
static Datum
NameDatum(const ContextRow *row)
{
	if (row->id == 0)
		return CStringGetTextDatum(psprintf("%d more contexts", row->level));
	return ForeignTextDatum(row->name);
}

/*
 * FillArena
 *		The columns of both functions.  An identifier can be the text of a statement
 *		that a function prepared with the rights of its owner, so it takes what
 *		pg_backend_memory_contexts takes.
 */
static void
FillArena(const ContextRow *row, bool with_ident, Datum *values, bool *nulls)
{
	bool sum = row->id == 0;
	int i = 0;

	nulls[i] = sum;
	values[i++] = BytesDatum(row->id);
	values[i++] = NameDatum(row);
	nulls[i] = !with_ident || row->ident == NULL;
	values[i] = nulls[i] ? (Datum) 0 : IdentDatum(row->ident);
	i++;
	nulls[i] = row->parent == NULL;
	values[i++] = row->parent == NULL ? (Datum) 0 : ForeignTextDatum(row->parent);
	nulls[i] = sum;
	values[i++] = Int32GetDatum(row->level);
	values[i++] = BytesDatum(row->chunks);
	values[i++] = BytesDatum(row->used_bytes);
	values[i++] = BytesDatum(row->free_bytes);
	values[i++] = BytesDatum(row->dead_bytes);
	values[i++] = BytesDatum(row->allocs);
	values[i++] = BytesDatum(row->resets);
	nulls[i] = sum;
	values[i++] = CStringGetTextDatum(ModeName(row->mode));
}

/*
 * goarena_arenas() returns setof record
 */
Datum
goarena_arenas(PG_FUNCTION_ARGS)
{
	bool with_idents = MayReadAll();
	ReturnSetInfo *rows;
	ContextRow *snapshot;
	int room;
	int count;

	RequireActive();
	rows = BeginRows(fcinfo);
	room = (int) process_heap.arenas.count + 8;
	snapshot = palloc(sizeof(ContextRow) * room);
	count = CopyArenas(snapshot, room);
	for (int i = 0; i < count; i++)
	{
		Datum values[ARENAS_COLUMNS];
		bool nulls[ARENAS_COLUMNS] = {false};

		FillArena(&snapshot[i], with_idents, values, nulls);
		PutRow(rows, values, nulls);
	}
	return (Datum) 0;
}

/*
 * AgeDatum
 *		How old a snapshot is.
 */
static Datum
AgeDatum(TimestampTz now, TimestampTz at)
{
	return DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
							   TimestampTzGetDatum(Min(at, now)));
}

static void
PutPacked(ReturnSetInfo *rows, const void *packed, TimestampTz at)
{
	TimestampTz now = GetCurrentTimestamp();
	bool with_idents = MayReadAll();
	ContextRow row;
	Size offset = 0;

	while (ContextsNext(packed, &offset, &row))
	{
		Datum values[ARENAS_OF_COLUMNS];
		bool nulls[ARENAS_OF_COLUMNS] = {false};

		FillArena(&row, with_idents, values, nulls);
		nulls[ARENAS_COLUMNS] = at == 0;
		values[ARENAS_COLUMNS] = at == 0 ? (Datum) 0 : AgeDatum(now, at);
		PutRow(rows, values, nulls);
	}
}

/*
 * PutOwn
 *		A process need not ask itself.
 */
static void
PutOwn(ReturnSetInfo *rows)
{
	Size size = 64 * 1024 + process_heap.arenas.count * (sizeof(ContextRow) + 2 * IDENT_LENGTH);
	void *packed = palloc_extended(size, MCXT_ALLOC_HUGE);

	ContextsPack(packed, size);
	PutPacked(rows, packed, 0);
}

static int64
TimeoutOf(float8 seconds)
{
	if (isnan(seconds) || seconds < 0.0 || seconds > MAX_TIMEOUT_SECONDS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout is out of range"),
						errdetail("It is in seconds, from 0 to %g.", MAX_TIMEOUT_SECONDS)));
	return (int64) (seconds * 1000.0);
}

/*
 * goarena_arenas(pid integer, timeout double precision) returns setof record
 *		The contexts of any process.
 */
Datum
goarena_arenas_of(PG_FUNCTION_ARGS)
{
	int pid = PG_GETARG_INT32(0);
	float8 seconds = PG_GETARG_FLOAT8(1);
	int64 timeout = TimeoutOf(seconds);
	ReturnSetInfo *rows;
	RegistryFigures target;
	TimestampTz at;
	void *packed;
	int slot;

	RequireActive();
	rows = BeginRows(fcinfo);
	if (pid == MyProcPid)
	{
		PutOwn(rows);
		return (Datum) 0;
	}
	slot = FindProcess(pid, &target);
	if (slot < 0)
		return (Datum) 0;
	RequireMayRead(&target);

	switch (RequestContexts(slot, pid, MayReadAll(), timeout, &packed, &at))
	{
		case REQUEST_ANSWERED:
			PutPacked(rows, packed, at);
			break;
		case REQUEST_GONE:
			WarnNoProcess(pid);
			break;
		case REQUEST_TIMEOUT:
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("process %d did not answer within %g s", pid, seconds),
					 packed == NULL ? errdetail("Nothing is known of its contexts.")
									: errdetail("The contexts are those when it was last seen, see "
												"age.")));
			if (packed != NULL)
				PutPacked(rows, packed, at);
			break;
	}
	return (Datum) 0;
}
