/*-------------------------------------------------------------------------
 *
 * arenas.c
 *	  goarena_arenas(): the memory contexts of this process that are arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "mcxt/arena_context.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_arenas);

#define ARENAS_COLUMNS 12

/* As pg_backend_memory_contexts shows identifiers. */
#define IDENT_LENGTH 1024

typedef struct ArenaRow
{
	uint64 id;
	MemoryContext context;
	uint64 allocs;
	uint64 resets;
	ga_quarantine mode;
	ga_arena_usage usage;
} ArenaRow;

/*
 * CopyArenas
 *		Copy what the rows need; at most as many as there is room for.
 */
static int
CopyArenas(ArenaRow *rows, int room)
{
	int count = 0;

	ga_list_foreach (link, &process_heap.arenas)
	{
		ga_arena *arena = ga_container(ga_arena, link, link);
		ArenaRow *row = &rows[count];

		if (count == room)
			break;
		row->id = arena->id;
		row->context = ArenaSetOf(arena)->context;
		row->allocs = arena->allocs;
		row->resets = arena->resets;
		row->mode = arena->mode;
		ga_arena_get_usage(arena, &row->usage);
		count++;
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

static int
LevelOf(MemoryContext context)
{
	int level = 0;

	while ((context = context->parent) != NULL)
		level++;
	return level;
}

/*
 * IdentDatum
 *		An identifier can be a whole query: cut it at a character.
 */
static Datum
IdentDatum(const char *ident)
{
	int length = (int) strlen(ident);

	if (length >= IDENT_LENGTH)
		length = pg_mbcliplen(ident, length, IDENT_LENGTH - 1);
	return PointerGetDatum(cstring_to_text_with_len(ident, length));
}

static void
PutArena(ReturnSetInfo *rows, const ArenaRow *row)
{
	MemoryContext context = row->context;
	Datum values[ARENAS_COLUMNS];
	bool nulls[ARENAS_COLUMNS] = {false};
	int i = 0;

	values[i++] = BytesDatum(row->id);
	values[i++] = CStringGetTextDatum(context->name);
	nulls[i] = context->ident == NULL;
	values[i++] = context->ident == NULL ? (Datum) 0 : IdentDatum(context->ident);
	nulls[i] = context->parent == NULL;
	values[i++] = context->parent == NULL ? (Datum) 0 : CStringGetTextDatum(context->parent->name);
	values[i++] = Int32GetDatum(LevelOf(context));
	values[i++] = BytesDatum(row->usage.chunks);
	values[i++] = BytesDatum(row->usage.used_bytes);
	values[i++] = BytesDatum(row->usage.free_bytes);
	values[i++] = BytesDatum(row->usage.dead_bytes);
	values[i++] = BytesDatum(row->allocs);
	values[i++] = BytesDatum(row->resets);
	values[i++] = CStringGetTextDatum(ModeName(row->mode));
	PutRow(rows, values, nulls);
}

/*
 * goarena_arenas() returns setof record
 */
Datum
goarena_arenas(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows;
	ArenaRow *snapshot;
	int room;
	int count;

	RequireActive();
	rows = BeginRows(fcinfo);
	room = (int) process_heap.arenas.count + 8;
	snapshot = palloc(sizeof(ArenaRow) * room);
	count = CopyArenas(snapshot, room);
	for (int i = 0; i < count; i++)
		PutArena(rows, &snapshot[i]);
	return (Datum) 0;
}
