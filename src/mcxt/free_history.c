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

#include <time.h>

#include "access/xact.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "mcxt/arena_set.h"
#include "mcxt/foreign_text.h"
#include "mcxt/free_history.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"

/* Seconds between the epochs of Unix and of PostgreSQL. */
#define UNIX_TO_POSTGRES_SECONDS                                                                   \
	((TimestampTz) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

HOT_DATA uint64 free_history_transactions = 0;

static FreeRecord *ring; /* metadata, so that sweeps skip it; NULL until needed */
static uint64 ring_size;
static uint64 last_number; /* of the newest record */

/* A ring of kinds, and a table that leads from a hash to the kinds that may have it. */
static FreeKind *kinds;
static uint64 last_serial;
static uint64 serial_of_hash[2 * FREE_KINDS];

/* An element of another ring: a query that ran when something was freed. */
typedef struct FreeQuery
{
	uint64 serial;				  /* from 1 on; 0 in one never used */
	char text[FREE_QUERY_LENGTH]; /* whatever was there, see ForeignTextKeep */
} FreeQuery;

static FreeQuery *queries;
static uint64 last_query; /* serial */

/*
 * history_copy_ident
 *		Copy the ident of a context.  A context that is deleted has lost its ident already, so take
 *		what it was last seen to be.  In a context that is reset, the ident may lie in the memory
 *		that goes.  The ident of a portal without a name is a constant of the server.
 */
static void
history_copy_ident(FreeKind *record, const ArenaSet *set)
{
	static const char *constant = NULL; /* one that was read before */
	static char copied[FREE_IDENT_LENGTH];
	const char *ident = set->context->ident == NULL ? set->ident : set->context->ident;

	if (ident == NULL)
	{
		memset(record->ident, 0, FREE_IDENT_LENGTH);
		return;
	}
	if (ident != constant || strncmp(ident, copied, FREE_IDENT_LENGTH) != 0)
	{
		memset(copied, 0, sizeof(copied));
		constant = ForeignTextCopy(copied, ident, FREE_IDENT_LENGTH) && ForeignTextIsConstant(ident)
					   ? ident
					   : NULL;
	}
	memcpy(record->ident, copied, FREE_IDENT_LENGTH);
}

/*
 * history_keep_query
 *		Keep the query that runs, and return its serial.
 */
static uint64
history_keep_query(void)
{
	static const char *source = NULL;
	static TimestampTz statement = 0;
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (unlikely(debug_query_string != source || now != statement || last_query == 0))
	{
		FreeQuery *query = &queries[++last_query % FREE_QUERIES];

		source = debug_query_string;
		statement = now;
		query->serial = last_query;
		ForeignTextKeep(query->text, source, FREE_QUERY_LENGTH);
	}
	return last_query;
}

/*
 * history_now
 *		The time of the kernel's last tick.  It may be some milliseconds old, but costs less than to
 *		ask the clock at each free.
 */
static TimestampTz
history_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return ((TimestampTz) now.tv_sec - UNIX_TO_POSTGRES_SECONDS) * USECS_PER_SEC +
		   now.tv_nsec / 1000;
}

/*
 * history_hash_kind
 *		Hash a kind by the stack and the name: these tell most kinds apart.
 */
static uint32
history_hash_kind(const FreeKind *kind)
{
	uint64 hash = (uint64) (uintptr_t) kind->name ^ kind->stack << 8 ^ kind->how;

	return (uint32) (hash * UINT64CONST(0x9e3779b97f4a7c15) >> 32) % lengthof(serial_of_hash);
}

/*
 * history_keep_kind
 *		Keep a kind, and return its serial: that of an equal one if there is one, else a new one.
 *		Kinds are compared byte by byte, so all members of this one are set.
 */
static uint64
history_keep_kind(FreeKind *kind)
{
	uint64 *serial = &serial_of_hash[history_hash_kind(kind)];
	FreeKind *known = &kinds[*serial % FREE_KINDS];

	kind->serial = *serial;
	if (*serial != 0 && memcmp(known, kind, sizeof(*kind)) == 0)
		return *serial;
	*serial = kind->serial = ++last_serial;
	kinds[last_serial % FREE_KINDS] = *kind;
	return last_serial;
}

/*
 * history_prepare
 *		Take memory for the history.  False if there is none, or no history is wanted.
 */
static bool
history_prepare(void)
{
	uint64 most = GA_REGION_SIZE / sizeof(FreeRecord);

	if (ring != NULL)
		return true;
	if (goarena_free_history == 0)
		return false;
	ring_size = Min(most, (uint64) goarena_free_history);
	if (kinds == NULL)
		kinds = ga_persistent_alloc(&process_heap.metadata, FREE_KINDS * sizeof(FreeKind));
	if (queries == NULL)
		queries = ga_persistent_alloc(&process_heap.metadata, FREE_QUERIES * sizeof(FreeQuery));
	if (kinds != NULL && queries != NULL)
		ring = ga_persistent_alloc(&process_heap.metadata, ring_size * sizeof(FreeRecord));
	return ring != NULL;
}

uint64_t
FreeHistoryNote(ga_arena *arena, ga_freed_by how)
{
	static FreeKind kind;
	ArenaSet *set = ArenaSetOf(arena);

	if (unlikely(!history_prepare()))
		return 0;

	kind.how = how;
	kind.name = ForeignNameKeep(set->context->name);
	if (set->context->parent != NULL)
		ArenaSetNoteParents(set);
	memcpy(kind.parents, set->parents, sizeof(kind.parents));
	history_copy_ident(&kind, set);
	kind.stack = goarena_free_stacks ? StackStoreTakeHere(STORE_DEEPEST) : 0;
	last_number++;
	ring[last_number % ring_size] = (FreeRecord){
		.number = last_number,
		.arena_id = arena->id,
		.serial = history_keep_kind(&kind),
		.query = history_keep_query(),
		.at = history_now(),
		.sweeps = process_heap.counters.sweeps,
		.transactions = free_history_transactions,
	};
	return last_number;
}

const FreeRecord *
FreeHistoryOfArena(uint64 arena_id)
{
	for (uint64 i = 0; ring != NULL && i < ring_size && i < last_number; i++)
	{
		const FreeRecord *record = &ring[(last_number - i) % ring_size];

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
	record = &ring[number % ring_size];
	return record->number == number ? record : NULL;
}

const FreeKind *
FreeHistoryKind(const FreeRecord *record)
{
	const FreeKind *kind = &kinds[record->serial % FREE_KINDS];

	return kind->serial == record->serial ? kind : NULL;
}

const char *
FreeHistoryQuery(const FreeRecord *record)
{
	static char text[FREE_QUERY_LENGTH];
	const FreeQuery *query = &queries[record->query % FREE_QUERIES];

	if (query->serial != record->query)
		return NULL;
	(void) ForeignTextCopy(text, query->text, sizeof(text));
	return text;
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
	const FreeKind *kind;

	if (set != NULL)
		return set->context->name;
	record = FreeHistoryOfArena(arena_id);
	kind = record == NULL ? NULL : FreeHistoryKind(record);
	return kind == NULL ? NULL : kind->name;
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
