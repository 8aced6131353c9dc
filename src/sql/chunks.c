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
#include "sql/sql.h"

SQL_FUNCTION(goarena_chunks);
SQL_FUNCTION(goarena_size_classes);

#define CHUNKS_COLUMNS	7
#define CLASSES_COLUMNS 6

/* A chunk, or a slot in which there is none any more. */
typedef struct ChunkCopy
{
	ga_chunk chunk;
	uintptr_t pinned_by;
} ChunkCopy;

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

static Datum
chunks_address(uintptr_t address)
{
	return CStringGetTextDatum(psprintf("0x%012lx", (unsigned long) address));
}

static void
chunks_put(ReturnSetInfo *rows, const ChunkCopy *copy)
{
	const ga_chunk *chunk = &copy->chunk;
	Datum values[CHUNKS_COLUMNS];
	bool nulls[CHUNKS_COLUMNS] = {false};
	int i = 0;

	values[i++] = chunks_address(chunk->base);
	values[i++] = CountDatum(chunk->size);
	values[i++] = CStringGetTextDatum(ga_state_name((ga_chunk_state) chunk->state));
	nulls[i] = chunk->arena_id == 0;
	values[i++] = CountDatum(chunk->arena_id);
	values[i++] = CountDatum(ga_state_is_owned(chunk->state) ? chunk->used - chunk->base : 0);
	nulls[i] = copy->pinned_by == 0;
	values[i++] = copy->pinned_by == 0 ? (Datum) 0 : chunks_address(copy->pinned_by);
	values[i++] = CountDatum(chunk->touched);
	PutRow(rows, values, nulls);
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

	rows = BeginRows(fcinfo);
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
	uint64 allocs[GA_NUM_CLASSES];
	uint64 frees[GA_NUM_CLASSES];
	uint64 lengths[GA_NUM_CLASSES] = {0};
	ReturnSetInfo *rows;

	RequireActive();
	memcpy(allocs, process_heap.counters.class_allocs, sizeof(allocs));
	memcpy(frees, process_heap.counters.class_frees, sizeof(frees));
	ga_list_foreach (link, &process_heap.arenas)
	{
		const ga_arena *arena = ga_container(ga_arena, link, link);

		if (arena->free_lists == NULL)
			continue;
		for (int i = 0; i < GA_NUM_CLASSES; i++)
			lengths[i] += ga_free_list_length(arena, i);
	}

	rows = BeginRows(fcinfo);
	for (int i = 0; i < GA_NUM_CLASSES; i++)
	{
		Datum values[CLASSES_COLUMNS];
		bool nulls[CLASSES_COLUMNS] = {false};

		if (allocs[i] == 0 && frees[i] == 0 && lengths[i] == 0)
			continue;
		values[0] = Int32GetDatum(i);
		values[1] = CountDatum(ga_class_size(i));
		values[2] = CountDatum(allocs[i]);
		values[3] = CountDatum(frees[i]);
		values[4] = CountDatum(lengths[i]);
		values[5] = Float8GetDatum(ga_class_waste(i));
		PutRow(rows, values, nulls);
	}
	return (Datum) 0;
}
