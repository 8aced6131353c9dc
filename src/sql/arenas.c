/*-------------------------------------------------------------------------
 *
 * arenas.c
 *	  goarena_arenas(): the memory contexts of a process.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "backend/usage/contexts.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "sql/columns.h"
#include "sql/contexts_of.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_arenas);
SQL_FUNCTION(goarena_arenas_of);

typedef struct ShownContext
{
	ContextRow row;
	uint64 id;
	const char *name;
	const char *ident;
	const char *parent;
	int level;
	uint64 allocs;
	uint64 resets;
	const char *quarantine;
	const char *type;
	const Interval *age; /* of the snapshot that the row is from */
} ShownContext;

/* The columns of goarena_arenas(pid).  The function without a parameter has no age. */
static const Column columns[] = {
	{"id", COLUMN_COUNT, offsetof(ShownContext, id)},
	{"name", COLUMN_TEXT, offsetof(ShownContext, name)},
	{"ident", COLUMN_TEXT, offsetof(ShownContext, ident)},
	{"parent", COLUMN_TEXT, offsetof(ShownContext, parent)},
	{"level", COLUMN_INT, offsetof(ShownContext, level)},
	{"chunks", COLUMN_COUNT, offsetof(ShownContext, row.chunks)},
	{"used_bytes", COLUMN_COUNT, offsetof(ShownContext, row.used_bytes)},
	{"free_bytes", COLUMN_COUNT, offsetof(ShownContext, row.free_bytes)},
	{"dead_bytes", COLUMN_COUNT, offsetof(ShownContext, row.dead_bytes)},
	{"allocs", COLUMN_COUNT, offsetof(ShownContext, allocs)},
	{"resets", COLUMN_COUNT, offsetof(ShownContext, resets)},
	{"quarantine", COLUMN_TEXT, offsetof(ShownContext, quarantine)},
	{"type", COLUMN_TEXT, offsetof(ShownContext, type)},
	{"contexts", COLUMN_COUNT, offsetof(ShownContext, row.contexts)},
	{"held_bytes", COLUMN_COUNT, offsetof(ShownContext, row.held_bytes)},
	{"age", COLUMN_INTERVAL, offsetof(ShownContext, age)},
};

/*
 * arenas_copy
 *		Copy what the rows need: while rows are put, memory is allocated.
 */
static ContextRow *
arenas_copy(Size *count)
{
	ContextRow *rows;
	Size room = 0;

	context_walk_foreach (walk, TopMemoryContext)
		room++;
	rows = palloc_extended(sizeof(ContextRow) * room, MCXT_ALLOC_HUGE);
	*count = 0;
	context_walk_foreach (walk, TopMemoryContext)
		if (*count < room)
			ContextRowOf(walk.context, walk.level, &rows[(*count)++]);
	return rows;
}

static const char *
arenas_mode_name(ga_quarantine mode)
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
 * arenas_put
 *		Put a row of a snapshot of this age, if it is one.  The last row of another process
 *		may be the sum of contexts of several names.  An identifier can be the text of a
 *		statement that a function prepared with the rights of its owner, so it takes what
 *		pg_backend_memory_contexts takes.
 */
static void
arenas_put(ReturnSetInfo *rows, const ContextRow *row, bool with_ident, const Interval *age)
{
	bool arena = row->type == CONTEXT_ARENA;
	bool one = row->contexts == 1 && row->name != NULL;
	ShownContext shown = {
		.row = *row,
		.id = row->name == NULL ? UINT64_MAX : row->id,
		.name =
			row->name == NULL ? psprintf(UINT64_FORMAT " more contexts", row->contexts) : row->name,
		.ident = with_ident && row->ident != NULL ? ContextShownIdent(row->ident) : NULL,
		.parent = row->parent,
		.level = one ? row->level : INT_MIN,
		.allocs = one && !arena ? UINT64_MAX : row->allocs,
		.resets = one && !arena ? UINT64_MAX : row->resets,
		.quarantine = one && arena ? arenas_mode_name(row->mode) : NULL,
		.type = ContextTypeName(row->type),
		.age = age,
	};

	ColumnsPut(rows, columns, &shown, lengthof(columns));
}

static void
arenas_put_packed(ReturnSetInfo *rows, const void *packed, TimestampTz at)
{
	bool with_idents = MayReadAll();
	const Interval *age = ContextsAge(at);
	ContextRow row;
	Size offset = 0;

	while (ContextsNext(packed, &offset, &row))
		arenas_put(rows, &row, with_idents, age);
}

/*
 * arenas_put_own
 *		A process need not ask itself, and has a row for each context.
 */
static void
arenas_put_own(ReturnSetInfo *rows)
{
	bool with_idents = MayReadAll();
	Size count;
	ContextRow *contexts = arenas_copy(&count);

	for (Size i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		arenas_put(rows, &contexts[i], with_idents, NULL);
	}
}

/*
 * goarena_arenas() returns setof record
 *		The memory contexts of this session.
 */
Datum
goarena_arenas(PG_FUNCTION_ARGS)
{
	RequireActive();
	arenas_put_own(ColumnsBegin(fcinfo, columns, lengthof(columns)));
	return (Datum) 0;
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
	ReturnSetInfo *rows;
	TimestampTz at;
	void *packed;

	RequireActive();
	ContextsCheckTimeout(seconds);
	rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	if (pid == MyProcPid)
		arenas_put_own(rows);
	else if ((packed = ContextsOfProcess(pid, seconds, &at)) != NULL)
		arenas_put_packed(rows, packed, at);
	return (Datum) 0;
}
