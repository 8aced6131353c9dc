/*-------------------------------------------------------------------------
 *
 * top.c
 *	  goarena_top(): what processes hold, and how it grew since this session last looked.
 *
 * A session remembers of each process what it held at the last look, in memory that is
 * as large as the server's table of processes.  A look is a statement that the client
 * sent: what is called twice in one statement compares with the same look before it.
 * Nothing of this is part of a transaction, so two statements in one transaction are two
 * looks, and a look whose transaction is rolled back was one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/registry/requests.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_top);

/* What was seen of a process. */
typedef struct TopSight
{
	TimestampTz at; /* 0: nothing */
	uint64 held;
} TopSight;

/* What this session remembers of the process in a slot. */
typedef struct TopMemory
{
	int pid;
	Oid role;
	TimestampTz statement; /* that looked last, by when it began */
	TopSight seen;		   /* by this statement */
	TopSight before;	   /* by the last one before it */
} TopMemory;

typedef struct TopRow
{
	int pid;
	const char *backend_type;
	uint64 held;
	int64 growth;
	const Interval *elapsed;
} TopRow;

static const Column columns[] = {
	{"pid", COLUMN_INT, offsetof(TopRow, pid)},
	{"backend_type", COLUMN_TEXT, offsetof(TopRow, backend_type)},
	{"held", COLUMN_COUNT, offsetof(TopRow, held)},
	{"growth", COLUMN_DIFFERENCE, offsetof(TopRow, growth)},
	{"elapsed", COLUMN_INTERVAL, offsetof(TopRow, elapsed)},
};

static TopMemory *memories = NULL; /* by slot; the last is this session's own */

/*
 * top_remember
 *		Note what a process holds now.  A slot can have another process by now.
 */
static void
top_remember(TopMemory *memory, const RegistryFigures *figures, TimestampTz now)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (memory->pid != figures->pid || memory->role != figures->role)
		*memory = (TopMemory){.pid = figures->pid, .role = figures->role};
	if (memory->statement != statement)
		memory->before = memory->seen;
	memory->statement = statement;
	memory->seen = (TopSight){.at = now, .held = figures->held};
}

static void
top_put(ReturnSetInfo *rows, TopMemory *memory, const RegistryFigures *figures, TimestampTz now)
{
	TopRow row = {
		.pid = figures->pid,
		.backend_type = GetBackendTypeDesc(figures->backend_type),
		.held = figures->held,
		.growth = PG_INT64_MIN,
	};

	top_remember(memory, figures, now);
	if (memory->before.at != 0)
	{
		row.growth = (int64) memory->seen.held - (int64) memory->before.held;
		row.elapsed = DatumGetIntervalP(
			DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(memory->seen.at),
								TimestampTzGetDatum(memory->before.at)));
	}
	ColumnsPut(rows, columns, &row, lengthof(columns));
}

/*
 * goarena_top() returns setof record
 *		The processes whose figures the user may see.
 */
Datum
goarena_top(PG_FUNCTION_ARGS)
{
	int slots = RegistrySlots();
	RegistryFigures figures;
	ReturnSetInfo *rows;
	TimestampTz now;

	RequireActive();
	rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	if (memories == NULL)
		memories = MemoryContextAllocZero(TopMemoryContext, sizeof(TopMemory) * ((Size) slots + 1));
	RequestFigures(MayRead);
	now = GetCurrentTimestamp();
	RegistryLookClosely(now);
	RegistryMeasure(&figures, now);
	top_put(rows, &memories[slots], &figures, now);
	for (int i = 0; i < slots; i++)
		if (RegistryRead(i, &figures) && figures.pid != MyProcPid && MayRead(&figures))
			top_put(rows, &memories[i], &figures, now);
	return (Datum) 0;
}
