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

/*
 * chunks_copy
 *		Copy the chunks in order of address; at most as many as there is room for.
 */
static int
chunks_copy(ga_chunk *copies, int room)
{
	int count = 0;

	for (ga_heap_arena *heap_arena = process_heap.heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
	{
		uintptr_t at = heap_arena->base;

		while (at < heap_arena->base + GA_HEAP_ARENA_SIZE && count < room)
		{
			ga_chunk *chunk = heap_arena->huge;

			if (chunk == NULL)
				chunk = heap_arena->chunks[ga_granule_of(at)];
			else if (chunk->base != at)
				break;
			copies[count] = *chunk;
			if (chunk->state == GA_ACTIVE)
				copies[count].used = chunk->arena->ptr;
			count++;
			at += chunk->size;
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
chunks_put(ReturnSetInfo *rows, const ga_chunk *chunk)
{
	Datum values[CHUNKS_COLUMNS];
	bool nulls[CHUNKS_COLUMNS] = {false};
	int i = 0;

	values[i++] = chunks_address(chunk->base);
	values[i++] = BytesDatum(chunk->size);
	values[i++] = CStringGetTextDatum(ga_state_name((ga_chunk_state) chunk->state));
	nulls[i] = chunk->arena_id == 0;
	values[i++] = BytesDatum(chunk->arena_id);
	values[i++] = BytesDatum(ga_state_is_owned(chunk->state) ? chunk->used - chunk->base : 0);
	nulls[i] = chunk->pinned_by == 0;
	values[i++] = chunk->pinned_by == 0 ? (Datum) 0 : chunks_address(chunk->pinned_by);
	values[i++] = BytesDatum(chunk->touched);
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
	ga_chunk *snapshot;
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
	snapshot = palloc_extended(sizeof(ga_chunk) * room, MCXT_ALLOC_HUGE);
	count = chunks_copy(snapshot, (int) room);
	for (int i = 0; i < count; i++)
		chunks_put(rows, &snapshot[i]);
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
		values[1] = BytesDatum(ga_class_size(i));
		values[2] = BytesDatum(allocs[i]);
		values[3] = BytesDatum(frees[i]);
		values[4] = BytesDatum(lengths[i]);
		values[5] = Float8GetDatum(ga_class_waste(i));
		PutRow(rows, values, nulls);
	}
	return (Datum) 0;
}
