/*-------------------------------------------------------------------------
 *
 * last_crash.c
 *	  What was known of the minute before the last unclean end of the server.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/ascii.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/recorder/history_file.h"
#include "backend/recorder/last_crash.h"

/* What is kept, in milliseconds, and how many statements the log names. */
#define KEPT_MS		   60000
#define LOGGED_AT_MOST 5

const char *
EndingName(HistoryEnding ending)
{
	switch (ending)
	{
		case ENDING_STOPPED:
			return "shutdown";
		case ENDING_OFF:
			return "history switched off";
		case ENDING_CRASH:
			return "process crashed";
		case ENDING_IMMEDIATE:
			return "immediate shutdown";
		case ENDING_POSTMASTER:
			return "server killed";
		case ENDING_SILENT:
			return "killed without notice";
	}
	return "unknown";
}

/* Which samples are kept. */
typedef struct CrashRange
{
	uint64 runs;	  /* of the server that the history tells of; the last counts */
	TimestampTz last; /* the time of its last sample */
} CrashRange;

/*
 * crash_find_range
 *		Find which samples to keep.  False if the newest run had no sample.
 */
static bool
crash_find_range(HistoryReader *history, CrashRange *range)
{
	HistoryRecord record;
	bool found = false;

	range->runs = 0;
	HistoryReaderRewind(history);
	while (HistoryReaderNext(history, &record))
	{
		if (record.kind == HISTORY_START)
		{
			range->runs++;
			found = false;
		}
		else if (record.kind == HISTORY_MACHINE)
		{
			range->last = record.u.machine.at;
			found = true;
		}
	}
	return found;
}

/*
 * crash_next_sample
 *		Read up to the next sample that is kept.  run is 0 before the first.
 */
static bool
crash_next_sample(HistoryReader *history, const CrashRange *range, uint64 *run,
				  HistoryRecord *machine)
{
	while (HistoryReaderNext(history, machine))
	{
		if (machine->kind == HISTORY_START)
			(*run)++;
		else if (machine->kind == HISTORY_MACHINE && *run == range->runs &&
				 machine->u.machine.at <= range->last &&
				 !TimestampDifferenceExceeds(machine->u.machine.at, range->last, KEPT_MS))
			return true;
	}
	return false;
}

/*
 * crash_count_records
 *		Count the records of all samples that are kept.
 */
static uint64
crash_count_records(HistoryReader *history, const CrashRange *range)
{
	HistoryRecord record;
	uint64 records = 0;
	uint64 run = 0;

	HistoryReaderRewind(history);
	while (crash_next_sample(history, range, &run, &record))
		records += (uint64) record.u.machine.records + 1;
	return records;
}

/*
 * crash_put
 *		Write one sample, of which the record of the machine was read, as samples are
 *		written: that record last.
 */
static bool
crash_put(HistoryReader *history, HistoryRing *ring, HistoryRecord *machine)
{
	HistoryRecord record;
	uint32 left = machine->u.machine.records;
	bool ok = true;

	while (left > 0 && HistoryReaderNext(history, &record) && record.kind == HISTORY_PROCESS)
	{
		record.u.process.left = left--;
		ok = ok && HistoryRingPut(ring, &record);
	}
	if (left > 0)
	{
		HistoryRingForget(ring);
		return ok;
	}
	ok = ok && HistoryRingPut(ring, machine);
	HistoryRingCommit(ring);
	return ok;
}

/*
 * crash_copy
 *		Copy the samples that are kept, and a record of how the run ended.
 */
static bool
crash_copy(HistoryReader *history, HistoryRing *ring, const CrashRange *range, HistoryEnding ending)
{
	HistoryRecord record;
	uint64 run = 0;

	HistoryReaderRewind(history);
	while (crash_next_sample(history, range, &run, &record))
		if (!crash_put(history, ring, &record))
			return false;
	memset(&record, 0, sizeof(record));
	record.kind = HISTORY_END;
	record.u.event.at = GetCurrentTimestamp();
	record.u.event.ending = ending;
	if (!HistoryRingPut(ring, &record))
		return false;
	HistoryRingCommit(ring);
	return true;
}

bool
LastCrashKeep(HistoryReader *history, HistoryEnding ending)
{
	HistoryRing ring = {0};
	CrashRange range;
	bool kept;

	if (!crash_find_range(history, &range) ||
		!HistoryRingCreate(&ring, LAST_CRASH_FILE, crash_count_records(history, &range) + 1))
		return false;
	kept = crash_copy(history, &ring, &range, ending);
	HistoryRingUnmap(&ring);
	return kept && HistoryRingInstall(&ring, LAST_CRASH_FILE);
}

/* A process with the same ID that started later is another one. */
typedef struct CrashKey
{
	TimestampTz backend_start;
	int64 pid;
} CrashKey;

typedef struct CrashEntry
{
	CrashKey key;
	uint64 samples; /* in which it was seen */
	uint64 first_held;
	int first_contexts;
	HistoryContext first[HISTORY_CONTEXTS];
	HistoryProcess last;
	TimestampTz seen;
} CrashEntry;

static void
crash_note(HTAB *table, const HistoryProcess *process, TimestampTz at)
{
	CrashKey key;
	CrashEntry *entry;
	bool found;

	memset(&key, 0, sizeof(key));
	key.backend_start = process->backend_start;
	key.pid = process->pid;
	entry = hash_search(table, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->samples = 0;
		entry->first_held = process->held;
		entry->first_contexts = process->contexts;
		memcpy(entry->first, process->largest, sizeof(entry->first));
	}
	entry->samples++;
	entry->last = *process;
	entry->seen = at;
}

/*
 * crash_find_grown
 *		Find by how much a process grew, and which of its contexts grew most.  A process that was
 *		seen only once counts as grown from nothing, and so do contexts that were not among the
 *		largest at first.
 */
static void
crash_find_grown(const CrashEntry *entry, CrashProcess *process)
{
	bool once = entry->samples == 1;

	process->grown = (int64) entry->last.held - (once ? 0 : (int64) entry->first_held);
	process->context[0] = '\0';
	process->context_grown = 0;
	for (int i = 0; i < process->last.contexts; i++)
	{
		const HistoryContext *context = &process->last.largest[i];
		int64 grown = (int64) context->held;

		for (int j = 0; j < entry->first_contexts && !once; j++)
			if (strcmp(entry->first[j].name, context->name) == 0)
				grown -= (int64) entry->first[j].held;
		if (grown > process->context_grown)
		{
			process->context_grown = grown;
			strlcpy(process->context, context->name, sizeof(process->context));
		}
	}
}

static int
crash_compare(const void *left, const void *right)
{
	uint64 a = ((const CrashProcess *) left)->last.held;
	uint64 b = ((const CrashProcess *) right)->last.held;

	return a < b ? 1 : a > b ? -1 : 0;
}

/*
 * crash_list
 *		Make the list of processes from the table, the largest first.
 */
static void
crash_list(Crash *crash, HTAB *table)
{
	HASH_SEQ_STATUS status;
	CrashEntry *entry;
	Size size = sizeof(CrashProcess) * (Size) Max(hash_get_num_entries(table), 1);

	crash->processes = MemoryContextAllocHuge(CurrentMemoryContext, size);
	crash->count = 0;
	hash_seq_init(&status, table);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		CrashProcess *process = &crash->processes[crash->count++];

		process->last = entry->last;
		process->seen = entry->seen;
		crash_find_grown(entry, process);
	}
	qsort(crash->processes, (size_t) crash->count, sizeof(CrashProcess), crash_compare);
}

Crash *
LastCrashRead(const char **reason)
{
	HistoryReader *reader = HistoryReaderOpen(LAST_CRASH_FILE, reason);
	HASHCTL control = {.keysize = sizeof(CrashKey), .entrysize = sizeof(CrashEntry)};
	HistoryRecord record;
	Crash *crash;
	HTAB *table;

	if (reader == NULL)
		return NULL;
	control.hcxt = CurrentMemoryContext;
	table = hash_create("goarena last crash", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	crash = palloc0(sizeof(*crash));
	crash->ending = ENDING_SILENT;
	while (HistoryReaderNext(reader, &record))
	{
		if (record.kind == HISTORY_MACHINE)
		{
			crash->machine = record.u.machine;
			crash->at = record.u.machine.at;
		}
		else if (record.kind == HISTORY_PROCESS && record.u.process.pid != 0)
			crash_note(table, &record.u.process, crash->at);
		else if (record.kind == HISTORY_END)
			crash->ending = (HistoryEnding) record.u.event.ending;
	}
	HistoryReaderClose(reader);
	crash_list(crash, table);
	hash_destroy(table);
	return crash;
}

char *
HistoryContextsText(const HistoryProcess *process)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < process->contexts; i++)
	{
		const HistoryContext *context = &process->largest[i];

		appendStringInfo(&text, "%s%s " UINT64_FORMAT " kB", i == 0 ? "" : ", ", context->name,
						 context->held / 1024);
		if (context->contexts > 1)
			appendStringInfo(&text, " in " UINT64_FORMAT " contexts", context->contexts);
	}
	return text.data;
}

/*
 * crash_append_statement
 *		Append the statement of a process, in ASCII only, as the server logs the statement of a
 *		process that crashed: its encoding is not known here.
 */
static void
crash_append_statement(StringInfo text, const CrashProcess *process)
{
	char query[HISTORY_QUERY];
	char *contexts = HistoryContextsText(&process->last);
	Size size = strlen(contexts) + 1;
	char *safe_contexts = palloc(size);

	ascii_safe_strlcpy(query, process->last.query, sizeof(query));
	ascii_safe_strlcpy(safe_contexts, contexts, size);
	appendStringInfo(text, "%sprocess %d (%s, user %u, database %u) held " UINT64_FORMAT " kB",
					 text->len == 0 ? "" : "\n", process->last.pid,
					 GetBackendTypeDesc((BackendType) process->last.backend_type),
					 process->last.role, process->last.database, process->last.held / 1024);
	if (process->context[0] != '\0')
	{
		char name[HISTORY_NAME];

		ascii_safe_strlcpy(name, process->context, sizeof(name));
		appendStringInfo(text, ", and \"%s\" grew by " INT64_FORMAT " kB", name,
						 process->context_grown / 1024);
	}
	appendStringInfo(
		text, "; largest contexts: %s; since %s it was running (query ID " INT64_FORMAT "): %s",
		safe_contexts, timestamptz_to_str(process->last.query_start), process->last.query_id,
		query);
	pfree(safe_contexts);
	pfree(contexts);
}

/*
 * crash_append_machine
 *		Append what the machine's figures say of memory that was used up.
 */
static void
crash_append_machine(StringInfo text, const MachineMemory *memory)
{
	if (memory->cgroup_limit != MACHINE_UNKNOWN && memory->cgroup_used != MACHINE_UNKNOWN)
		appendStringInfo(
			text, "%sthe control group used " UINT64_FORMAT " kB of " UINT64_FORMAT " kB",
			text->len == 0 ? "" : "\n", memory->cgroup_used / 1024, memory->cgroup_limit / 1024);
	if (memory->host_available != MACHINE_UNKNOWN)
		appendStringInfo(text, "%sthe host had " UINT64_FORMAT " kB available",
						 text->len == 0 ? "" : "\n", memory->host_available / 1024);
}

void
LastCrashLog(const Crash *crash)
{
	StringInfoData text;
	int named = 0;
	char *at = pstrdup(timestamptz_to_str(crash->at));

	initStringInfo(&text);
	for (int i = 0; i < crash->count && named < LOGGED_AT_MOST; i++)
	{
		const CrashProcess *process = &crash->processes[i];

		if (process->seen != crash->at || process->last.query[0] == '\0' ||
			(process->last.state != STATE_IS_ACTIVE && process->last.state != STATE_IS_FASTPATH))
			continue;
		crash_append_statement(&text, process);
		named++;
	}
	if (named == 0)
		appendStringInfoString(&text, "no statement was running");
	crash_append_machine(&text, &crash->machine.memory);
	ereport(
		LOG,
		(errmsg("goarena: statements that held most memory before the server did not end "
				"in order (%s), as seen at %s",
				EndingName(crash->ending), at),
		 errdetail_internal("%s", text.data),
		 errhint("SELECT * FROM goarena_last_crash() shows all processes in the minute before.")));
	pfree(text.data);
}
