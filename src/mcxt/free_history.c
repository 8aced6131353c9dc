/*-------------------------------------------------------------------------
 *
 * free_history.c
 *	  See free_history.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "mcxt/arena_set.h"
#include "mcxt/foreign_text.h"
#include "mcxt/free_history.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_trace.h"

uint64 free_history_transactions = 0;

static FreeRecord *ring;   /* metadata, so that sweeps skip it; NULL until needed */
static uint64 last_number; /* of the newest record */

/*
 * CopyIdent
 *		A context that is deleted has already lost its ident, so it is what it was
 *		last seen to be.  One that is reset may have had it in itself.
 */
static void
CopyIdent(FreeRecord *record, const ArenaSet *set)
{
	const char *ident = set->context->ident == NULL ? set->ident : set->context->ident;

	(void) ForeignTextCopy(record->ident, ident, FREE_IDENT_LENGTH);
}

/*
 * CopyQuery
 *		To cut it off at a character takes longer than all the rest, so what was
 *		copied last is used again as long as the same statement runs.
 */
static void
CopyQuery(FreeRecord *record)
{
	static const char *source = NULL;
	static TimestampTz statement = 0;
	static char copied[FREE_QUERY_LENGTH];
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (debug_query_string != source || now != statement)
	{
		source = debug_query_string;
		statement = now;
		(void) ForeignTextCopy(copied, source, FREE_QUERY_LENGTH);
	}
	memcpy(record->query, copied, FREE_QUERY_LENGTH);
}

uint64_t
FreeHistoryNote(ga_arena *arena, ga_freed_by how)
{
	ArenaSet *set = ArenaSetOf(arena);
	FreeRecord *record;

	if (ring == NULL)
		ring =
			ga_persistent_alloc(&process_heap.metadata, FREE_HISTORY_RECORDS * sizeof(FreeRecord));
	if (ring == NULL)
		return 0;

	record = &ring[++last_number % FREE_HISTORY_RECORDS];
	record->number = last_number;
	record->arena_id = arena->id;
	record->how = how;
	record->at = GetCurrentTimestamp();
	record->sweeps = process_heap.counters.sweeps;
	record->transactions = free_history_transactions;
	record->name = ForeignNameKeep(set->context->name);
	if (set->context->parent != NULL)
		ArenaSetNoteParents(set);
	memcpy(record->parents, set->parents, sizeof(record->parents));
	CopyIdent(record, set);
	CopyQuery(record);
	record->depth = goarena_free_stacks ? StackTraceTake(record->stack, FREE_STACK_DEPTH) : 0;
	return last_number;
}

const FreeRecord *
FreeHistoryOfArena(uint64 arena_id)
{
	for (uint64 i = 0; ring != NULL && i < FREE_HISTORY_RECORDS && i < last_number; i++)
	{
		const FreeRecord *record = &ring[(last_number - i) % FREE_HISTORY_RECORDS];

		if (record->arena_id == arena_id)
			return record;
	}
	return NULL;
}

const FreeRecord *
FreeHistoryFind(uint64 number)
{
	const FreeRecord *record;

	if (number == 0 || ring == NULL)
		return NULL;
	record = &ring[number % FREE_HISTORY_RECORDS];
	return record->number == number ? record : NULL;
}

ArenaSet *
FreeHistoryLiveSet(uint64 arena_id)
{
	ga_list_foreach (link, &process_heap.arenas)
	{
		const ga_arena *arena = ga_container(ga_arena, link, link);

		if (arena->id == arena_id)
			return ArenaSetOf(arena);
	}
	return NULL;
}

const char *
FreeHistoryContextName(uint64 arena_id)
{
	const ArenaSet *set = FreeHistoryLiveSet(arena_id);
	const FreeRecord *record;

	if (set != NULL)
		return set->context->name;
	record = FreeHistoryOfArena(arena_id);
	return record == NULL ? NULL : record->name;
}

const char *
FreedByName(ga_freed_by how)
{
	switch (how)
	{
		case GA_FREED_BY_RESET:
			return "reset";
		case GA_FREED_BY_DELETE:
			return "delete";
		case GA_FREED_BY_PFREE:
			return "pfree";
		case GA_FREED_BY_REPALLOC:
			return "repalloc";
	}
	return "unknown";
}
