/*-------------------------------------------------------------------------
 *
 * chunks.c
 *	  goarena_chunks() and goarena_size_classes(): memory by place and by size.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "engine/free_list.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_chunks);
SQL_FUNCTION(goarena_size_classes);

/* A chunk, or a slot in which there is none any more. */
typedef struct ChunkCopy
{
	ga_chunk chunk;
	uintptr_t pinned_by;
} ChunkCopy;

typedef struct ShownChunk
{
	const char *address;
	uint64 size;
	const char *state;
	uint64 arena_id;
	uint64 used;
	const char *pinned_by;
	uint64 resident;
} ShownChunk;

static const Column chunks_columns[] = {
	{"address", COLUMN_TEXT, offsetof(ShownChunk, address)},
	{"size", COLUMN_COUNT, offsetof(ShownChunk, size)},
	{"state", COLUMN_TEXT, offsetof(ShownChunk, state)},
	{"arena_id", COLUMN_COUNT, offsetof(ShownChunk, arena_id)},
	{"used", COLUMN_COUNT, offsetof(ShownChunk, used)},
	{"pinned_by", COLUMN_TEXT, offsetof(ShownChunk, pinned_by)},
	{"resident", COLUMN_COUNT, offsetof(ShownChunk, resident)},
};

typedef struct ShownClass
{
	int number;
	uint64 size;
	uint64 allocs;
	uint64 frees;
	uint64 free_list_length;
	double waste;
} ShownClass;

static const Column classes_columns[] = {
	{"class", COLUMN_INT, offsetof(ShownClass, number)},
	{"size", COLUMN_COUNT, offsetof(ShownClass, size)},
	{"allocs", COLUMN_COUNT, offsetof(ShownClass, allocs)},
	{"frees", COLUMN_COUNT, offsetof(ShownClass, frees)},
	{"free_list_length", COLUMN_COUNT, offsetof(ShownClass, free_list_length)},
	{"waste", COLUMN_FLOAT, offsetof(ShownClass, waste)},
};

/* Room for an address as text. */
#define ADDRESS_LENGTH 24

static ChunkCopy
chunks_vacant_slot(const ga_segment *segment, int slot)
{
	ChunkCopy copy = {
		.chunk.base = segment->base + ((uintptr_t) slot << GA_SLOT_SHIFT),
		.chunk.size = GA_SLOT_SIZE,
		.chunk.state = (segment->spent >> slot & 1) != 0 ? GA_QUARANTINED : GA_FRESH,
		.pinned_by = segment->pins == NULL ? 0 : segment->pins->where[slot],
	};

	return copy;
}

/*
 * chunks_copy
 *		Copy the chunks in order of address; at most as many as there is room for.
 */
static int
chunks_copy(ChunkCopy *copies, int room)
{
	int count = 0;

	for (ga_segment *segment = process_heap.segments; segment != NULL; segment = segment->next)
	{
		uintptr_t at = segment->base;
		ga_chunk *chunk;

		for (int slot = 0; slot < GA_SLOTS && count < room; slot++)
			if (((segment->spent | segment->swept) >> slot & 1) != 0)
				copies[count++] = chunks_vacant_slot(segment, slot);
		while (count < room && (chunk = ga_segment_next(segment, &at)) != NULL)
		{
			copies[count].chunk = *chunk;
			copies[count].pinned_by = 0;
			if (chunk->state == GA_ACTIVE)
				copies[count].chunk.used = chunk->arena->ptr;
			count++;
		}
	}
	return count;
}

static const char *
chunks_address(char *text, uintptr_t address)
{
	snprintf(text, ADDRESS_LENGTH, "0x%012lx", (unsigned long) address);
	return text;
}

static void
chunks_put(ReturnSetInfo *rows, const ChunkCopy *copy)
{
	const ga_chunk *chunk = &copy->chunk;
	char address[ADDRESS_LENGTH];
	char pin[ADDRESS_LENGTH];
	ShownChunk shown = {
		.address = chunks_address(address, chunk->base),
		.size = chunk->size,
		.state = ga_state_name((ga_chunk_state) chunk->state),
		.arena_id = chunk->arena_id == 0 ? UINT64_MAX : chunk->arena_id,
		.used = ga_state_is_owned(chunk->state)
					? chunk->used - chunk->base + ga_chunk_back_size(chunk)
					: 0,
		.pinned_by = copy->pinned_by == 0 ? NULL : chunks_address(pin, copy->pinned_by),
		.resident = chunk->touched + chunk->back_touched,
	};

	ColumnsPut(rows, chunks_columns, &shown, lengthof(chunks_columns));
}

/*
 * goarena_chunks() returns setof record
 *		For superusers only: addresses help to exploit bugs.
 */
Datum
goarena_chunks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows;
	ChunkCopy *snapshot;
	size_t room = 64;
	int count;

	RequireActive();
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for function goarena_chunks"),
						errdetail("Only a superuser may see addresses.")));

	rows = ColumnsBegin(fcinfo, chunks_columns, lengthof(chunks_columns));
	for (int state = 0; state < GA_NUM_STATES; state++)
		room += process_heap.state_chunks[state];
	room += process_heap.swept_slots;
	snapshot = palloc_extended(sizeof(ChunkCopy) * room, MCXT_ALLOC_HUGE);
	count = chunks_copy(snapshot, (int) room);
	for (int i = 0; i < count; i++)
		chunks_put(rows, &snapshot[i]);

	/* Sweeps would take what is left of it for pointers. */
	memset(snapshot, 0, sizeof(ChunkCopy) * room);
	pfree(snapshot);
	return (Datum) 0;
}

/*
 * goarena_size_classes() returns setof record
 *		One row for each size class that was ever used.
 */
Datum
goarena_size_classes(PG_FUNCTION_ARGS)
{
	ga_class_counters classes[GA_NUM_CLASSES];
	uint64 lengths[GA_NUM_CLASSES] = {0};
	ReturnSetInfo *rows;

	RequireActive();
	memcpy(classes, process_heap.counters.classes, sizeof(classes));
	ga_list_foreach (link, &process_heap.arenas)
	{
		const ga_arena *arena = ga_container(ga_arena, link, link);

		if (arena->free_lists == NULL)
			continue;
		for (int i = 0; i < GA_NUM_CLASSES; i++)
			lengths[i] += ga_free_list_length(arena, i);
	}

	rows = ColumnsBegin(fcinfo, classes_columns, lengthof(classes_columns));
	for (int i = 0; i < GA_NUM_CLASSES; i++)
	{
		ShownClass shown = {
			.number = i,
			.size = ga_class_size(i),
			.allocs = classes[i].allocs,
			.frees = classes[i].frees,
			.free_list_length = lengths[i],
			.waste = ga_class_waste(i),
		};

		if (classes[i].allocs > 0 || classes[i].frees > 0 || lengths[i] > 0)
			ColumnsPut(rows, classes_columns, &shown, lengthof(classes_columns));
	}
	return (Datum) 0;
}
