/*-------------------------------------------------------------------------
 *
 * fault_report.c
 *	  What a report of an access to freed memory says.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "backend/fault_report.h"
#include "backend/symbols.h"
#include "mcxt/process_heap.h"

/* Queries are cut off here. */
#define QUERY_LENGTH 1024

static char user_name[NAMEDATALEN];
static char database_name[NAMEDATALEN];

/*
 * FaultReportLearnNames
 *		Remember what a signal handler could not look up.  Called before the first
 *		commit of a process, which is that of the transaction it starts with.
 */
void
FaultReportLearnNames(void)
{
	static bool known = false;
	char *name;

	if (known || !OidIsValid(MyDatabaseId))
		return;
	known = true;
	name = get_database_name(MyDatabaseId);
	if (name != NULL)
		strlcpy(database_name, name, sizeof(database_name));
	if (OidIsValid(GetSessionUserId()))
	{
		name = GetUserNameFromId(GetSessionUserId(), true);
		if (name != NULL)
			strlcpy(user_name, name, sizeof(user_name));
	}
}

/*
 * FaultReportNow
 *		As GetCurrentTimestamp, which promises nothing to signal handlers.
 */
TimestampTz
FaultReportNow(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ((TimestampTz) ts.tv_sec - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) *
			   USECS_PER_SEC +
		   ts.tv_nsec / 1000;
}

/*
 * ReportProcess
 *		Who and what this process is.
 */
static void
ReportProcess(ReportText *text)
{
	ReportKeyNumber(text, "pid", MyProcPid);
	ReportKeyString(text, "backend type",
					MyBackendType == B_BG_WORKER && MyBgworkerEntry != NULL
						? MyBgworkerEntry->bgw_type
						: GetBackendTypeDesc(MyBackendType));
	ReportKeyString(text, "user", user_name);
	ReportKeyString(text, "database", database_name);
}

/*
 * ReportForeignText
 *		A text that may itself have been freed: read it with care.
 */
static void
ReportForeignText(ReportText *text, const char *key, const char *value)
{
	static char copy[QUERY_LENGTH];
	size_t copied = 0;

	if (value != NULL && process_heap_ready)
		copied = process_heap.os->peek(copy, value, sizeof(copy) - 1);
	copy[copied] = '\0';
	if (strnlen(copy, sizeof(copy)) == sizeof(copy) - 1)
		copy[pg_mbcliplen(copy, sizeof(copy) - 1, sizeof(copy) - 2)] = '\0';
	ReportKeyString(text, key, copy);
}

static void
ReportQuery(ReportText *text)
{
	ReportForeignText(text, "query", debug_query_string);
}

static void
ReportParents(ReportText *text, const char *const *parents)
{
	ReportKey(text, "parents");
	for (int i = 0; i < ARENA_PARENTS && parents[i] != NULL; i++)
	{
		if (i > 0)
			ReportString(text, " < ");
		ReportLine(text, parents[i]);
	}
	ReportString(text, "\n");
}

/*
 * ReportObject
 *		Pages of the chunk may still be there.  Make them readable, find the
 *		object that the address lies in, and make them fault again.
 */
static void
ReportObject(ReportText *text, uintptr_t address, const ga_chunk *chunk)
{
	const ga_os *os = process_heap.os;
	bool opened = chunk->accessible == 0;
	size_t size = ga_align_up(chunk->used - chunk->base, os->page_size);
	const void *object;

	if (chunk->touched < size || address < chunk->start || address >= chunk->used ||
		(opened && os->use((void *) chunk->base, size) != 0))
		return;
	object = ga_object_at(chunk->start, chunk->used, address);
	if (object != NULL)
	{
		bool free = (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_FREE;

		ReportKeyNumber(text, "object size",
						(int64) (free ? ga_object_size_any(object) : ga_object_requested(object)));
		ReportKeyNumber(text, "object offset", (int64) (address - (uintptr_t) object));
	}
	if (opened)
		(void) os->fault((void *) chunk->base, size);
}

/*
 * FreedBefore
 *		The part of a chunk below its start belongs to earlier lives, about which
 *		the record of the chunk says nothing.
 */
static bool
FreedBefore(uintptr_t address, const ga_chunk *chunk)
{
	return address < chunk->start;
}

static void
ReportFree(ReportText *text, const FreeRecord *record)
{
	if (record == NULL)
	{
		ReportKeyString(text, "context", "unknown");
		return;
	}
	ReportKeyString(text, "context", record->name);
	ReportKeyString(text, "ident", record->ident);
	ReportParents(text, record->parents);
	ReportKeyString(text, "freed by", FreedByName(record->how));
	ReportKey(text, "freed at");
	ReportTime(text, record->at);
	ReportString(text, "\n");
	ReportKeyNumber(text, "sweeps since", (int64) (process_heap.counters.sweeps - record->sweeps));
	ReportKeyNumber(text, "transactions since",
					(int64) (free_history_transactions - record->transactions));
	ReportKeyString(text, "query then", record->query);
}

static void
ReportFreeStack(ReportText *text, const FreeRecord *record)
{
	ReportString(text, "free stack:\n");
	if (record == NULL || record->depth == 0)
		ReportString(text, "  unknown\n");
	else
		SymbolsReport(text, record->stack, record->depth);
}

/*
 * ReportHead
 *		What every report begins with.  The time serves as its number.
 */
static void
ReportHead(ReportText *text, const char *kind, const char *outcome)
{
	TimestampTz now = FaultReportNow();

	ReportKeyNumber(text, "id", now);
	ReportKey(text, "at");
	ReportTime(text, now);
	ReportString(text, "\n");
	ReportProcess(text);
	ReportKeyString(text, "kind", kind);
	ReportKeyString(text, "outcome", outcome);
}

void
FaultReportAccess(ReportText *text, const FaultAccess *access, const ga_chunk *chunk)
{
	const FreeRecord *record = NULL;

	if (!FreedBefore(access->address, chunk))
		record = FreeHistoryFind(chunk->freed_note);

	ReportHead(text, "access", access->outcome);
	ReportKeyString(text, "access", access->kind);
	ReportKey(text, "address");
	ReportHex(text, access->address);
	ReportString(text, "\n");
	ReportKeyString(text, "chunk", ga_state_name((ga_chunk_state) chunk->state));
	ReportKeyNumber(text, "arena", (int64) chunk->arena_id);
	ReportFree(text, record);
	ReportObject(text, access->address, chunk);
	ReportQuery(text);
	ReportString(text, "access stack:\n");
	SymbolsReportCaller(text, access->pc);
	ReportFreeStack(text, record);
}

void
FaultSummary(ReportText *text, const ga_chunk *chunk)
{
	const FreeRecord *record = FreeHistoryFind(chunk->freed_note);

	if (record == NULL)
	{
		ReportString(text, "It belonged to a memory context that is no longer known.");
		return;
	}
	ReportString(text, "It belonged to memory context \"");
	ReportLine(text, record->name);
	ReportString(text, "\" and was freed by ");
	ReportString(text, FreedByName(record->how));
	ReportString(text, " at ");
	ReportTime(text, record->at);
	ReportString(text, ".");
}

/*
 * ReportFreedObject
 *		An object that was freed in a context that lived on, and may be gone now.
 */
static void
ReportFreedObject(ReportText *text, const ga_event *object)
{
	ArenaSet *set = FreeHistoryLiveSet(object->arena_id);
	const FreeRecord *record = set == NULL ? FreeHistoryOfArena(object->arena_id) : NULL;

	ReportKeyNumber(text, "arena", (int64) object->arena_id);
	if (set != NULL)
	{
		ArenaSetNoteParents(set);
		ReportKeyString(text, "context", set->context->name);
		ReportForeignText(text, "ident", set->context->ident);
		ReportParents(text, set->parents);
	}
	else if (record != NULL)
	{
		ReportKeyString(text, "context", record->name);
		ReportKeyString(text, "ident", record->ident);
		ReportParents(text, record->parents);
	}
	else
		ReportKeyString(text, "context", "unknown");
	ReportKeyString(text, "freed by", FreedByName(GA_FREED_BY_PFREE));
	ReportKeyNumber(text, "object size", (int64) object->size);
}

static void
ReportFreedObjectStack(ReportText *text, const ga_event *object)
{
	ReportString(text, "free stack:\n");
	if (object == NULL || object->depth == 0)
		ReportString(text, "  unknown\n");
	else
		SymbolsReport(text, object->stack, object->depth);
}

void
FaultReportFollowed(ReportText *text, const FaultAccess *access, const ga_event *object,
					const char *found_in)
{
	ReportHead(text, "pointer from freed memory", access->outcome);
	ReportKeyString(text, "access", access->kind);
	ReportKey(text, "address");
	ReportHex(text, access->address);
	ReportString(text, "\n");
	if (!access->guessed)
		ReportKeyNumber(text, "offset from pointer", (int64) (access->address - GA_POISON));
	if (object != NULL)
	{
		ReportFreedObject(text, object);
		ReportKeyString(text, "object known from", found_in);
	}
	else
		ReportKeyString(text, "context", "unknown");
	ReportQuery(text);
	ReportString(text, "access stack:\n");
	SymbolsReportCaller(text, access->pc);
	ReportFreedObjectStack(text, object);
}

void
FaultFollowedSummary(ReportText *text, const ga_event *object)
{
	const char *name = object == NULL ? NULL : FreeHistoryContextName(object->arena_id);

	ReportString(text, "A pointer was followed that had been read from an object freed by pfree");
	if (name != NULL)
	{
		ReportString(text, ", probably in memory context \"");
		ReportLine(text, name);
		ReportString(text, "\"");
	}
	ReportString(text, ".");
}

void
FaultReportEvent(ReportText *text, const ga_event *event)
{
	ReportHead(text, "write after free", "warning");
	ReportKeyString(text, "access", "write");
	ReportKey(text, "address");
	ReportHex(text, event->object + event->offset);
	ReportString(text, "\n");
	ReportFreedObject(text, event);
	ReportKeyNumber(text, "object offset", (int64) event->offset);
	ReportQuery(text);
	ReportFreedObjectStack(text, event);
}
