/*-------------------------------------------------------------------------
 *
 * history.c
 *	  goarena_history(), goarena_history_machine() and goarena_last_crash().
 *
 * Who may see the figures of a process depends on the role that it had at that time, as with
 * processes that live.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "backend/recorder/history_file.h"
#include "backend/recorder/history_reader.h"
#include "backend/recorder/last_crash.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_history);
SQL_FUNCTION(goarena_history_machine);
SQL_FUNCTION(goarena_last_crash);

/* A process in a sample. */
typedef struct HistoryRow
{
	TimestampTz at;
	HistoryProcess p;
	const char *backend_type;
	const char *state;
	const char *user_name;
	const char *database;
	const char *contexts;
	const char *query;
	uint64 query_id;
} HistoryRow;

static const Column history_columns[] = {
	{"at", COLUMN_TIME, offsetof(HistoryRow, at)},
	{"pid", COLUMN_INT, offsetof(HistoryRow, p.pid)},
	{"backend_type", COLUMN_TEXT, offsetof(HistoryRow, backend_type)},
	{"user_name", COLUMN_TEXT, offsetof(HistoryRow, user_name)},
	{"database", COLUMN_TEXT, offsetof(HistoryRow, database)},
	{"state", COLUMN_TEXT, offsetof(HistoryRow, state)},
	{"held", COLUMN_COUNT, offsetof(HistoryRow, p.held)},
	{"statement_peak", COLUMN_COUNT, offsetof(HistoryRow, p.statement_peak)},
	{"process_peak", COLUMN_COUNT, offsetof(HistoryRow, p.process_peak)},
	{"contexts", COLUMN_TEXT, offsetof(HistoryRow, contexts)},
	{"query_id", COLUMN_COUNT, offsetof(HistoryRow, query_id)},
	{"query_start", COLUMN_TIME, offsetof(HistoryRow, p.query_start)},
	{"query", COLUMN_TEXT, offsetof(HistoryRow, query)},
	{"published", COLUMN_TIME, offsetof(HistoryRow, p.published)},
	{"backend_start", COLUMN_TIME, offsetof(HistoryRow, p.backend_start)},
};

/* The machine in a sample. */
typedef struct MachineRow
{
	HistoryMachine m;
	uint64 processes;
} MachineRow;

static const Column machine_columns[] = {
	{"at", COLUMN_TIME, offsetof(MachineRow, m.at)},
	{"processes", COLUMN_COUNT, offsetof(MachineRow, processes)},
	{"total_held", COLUMN_COUNT, offsetof(MachineRow, m.total_held)},
	{"cgroup_limit", COLUMN_COUNT, offsetof(MachineRow, m.memory.cgroup_limit)},
	{"cgroup_used", COLUMN_COUNT, offsetof(MachineRow, m.memory.cgroup_used)},
	{"host_total", COLUMN_COUNT, offsetof(MachineRow, m.memory.host_total)},
	{"host_available", COLUMN_COUNT, offsetof(MachineRow, m.memory.host_available)},
	{"pressure_some", COLUMN_PERCENT, offsetof(MachineRow, m.memory.some_avg10)},
	{"pressure_full", COLUMN_PERCENT, offsetof(MachineRow, m.memory.full_avg10)},
	{"pressure_some_us", COLUMN_COUNT, offsetof(MachineRow, m.memory.some_total)},
	{"pressure_full_us", COLUMN_COUNT, offsetof(MachineRow, m.memory.full_total)},
};

/* A process in the minute before a crash. */
typedef struct CrashRow
{
	HistoryRow h;
	TimestampTz ended;
	const char *ending;
	int64 grown;
	const char *context;
	int64 context_grown;
	MachineMemory memory;
} CrashRow;

static const Column crash_columns[] = {
	{"pid", COLUMN_INT, offsetof(CrashRow, h.p.pid)},
	{"backend_type", COLUMN_TEXT, offsetof(CrashRow, h.backend_type)},
	{"user_name", COLUMN_TEXT, offsetof(CrashRow, h.user_name)},
	{"database", COLUMN_TEXT, offsetof(CrashRow, h.database)},
	{"state", COLUMN_TEXT, offsetof(CrashRow, h.state)},
	{"held", COLUMN_COUNT, offsetof(CrashRow, h.p.held)},
	{"grown", COLUMN_IDENTIFIER, offsetof(CrashRow, grown)},
	{"context", COLUMN_TEXT, offsetof(CrashRow, context)},
	{"context_grown", COLUMN_IDENTIFIER, offsetof(CrashRow, context_grown)},
	{"statement_peak", COLUMN_COUNT, offsetof(CrashRow, h.p.statement_peak)},
	{"process_peak", COLUMN_COUNT, offsetof(CrashRow, h.p.process_peak)},
	{"contexts", COLUMN_TEXT, offsetof(CrashRow, h.contexts)},
	{"query_id", COLUMN_COUNT, offsetof(CrashRow, h.query_id)},
	{"query_start", COLUMN_TIME, offsetof(CrashRow, h.p.query_start)},
	{"query", COLUMN_TEXT, offsetof(CrashRow, h.query)},
	{"seen", COLUMN_TIME, offsetof(CrashRow, h.at)},
	{"ended", COLUMN_TIME, offsetof(CrashRow, ended)},
	{"ending", COLUMN_TEXT, offsetof(CrashRow, ending)},
	{"cgroup_limit", COLUMN_COUNT, offsetof(CrashRow, memory.cgroup_limit)},
	{"cgroup_used", COLUMN_COUNT, offsetof(CrashRow, memory.cgroup_used)},
	{"host_available", COLUMN_COUNT, offsetof(CrashRow, memory.host_available)},
	{"pressure_some", COLUMN_PERCENT, offsetof(CrashRow, memory.some_avg10)},
	{"pressure_full", COLUMN_PERCENT, offsetof(CrashRow, memory.full_avg10)},
};

static const char *
history_state_name(int state)
{
	switch ((HistoryState) state)
	{
		case STATE_IS_IDLE:
			return "idle";
		case STATE_IS_ACTIVE:
			return "active";
		case STATE_IS_IDLE_IN_TRANSACTION:
			return "idle in transaction";
		case STATE_IS_IDLE_ABORTED:
			return "idle in transaction (aborted)";
		case STATE_IS_FASTPATH:
			return "fastpath function call";
		case STATE_IS_DISABLED:
			return "disabled";
		case STATE_OTHER:
			break;
	}
	return NULL;
}

static bool
history_may_read(const HistoryProcess *process)
{
	return MayReadAll() ||
		   (OidIsValid(process->role) && has_privs_of_role(GetUserId(), process->role));
}

/*
 * history_row
 *		Users and databases may be gone by now.
 */
static HistoryRow
history_row(const HistoryProcess *process, TimestampTz at)
{
	HistoryRow row = {.at = at, .p = *process};

	row.backend_type = GetBackendTypeDesc((BackendType) process->backend_type);
	row.state = history_state_name(process->state);
	if (OidIsValid(process->role))
		row.user_name = GetUserNameFromId(process->role, true);
	if (OidIsValid(process->database))
		row.database = get_database_name(process->database);
	row.contexts = process->contexts == 0 ? NULL : HistoryContextsText(process);
	row.query_id = process->query_id == 0 ? UINT64_MAX : (uint64) process->query_id;
	row.query = process->query[0] == '\0' ? NULL : pstrdup(process->query);
	return row;
}

/*
 * history_warn
 *		Of a file that cannot be used.
 */
static void
history_warn(const char *path, const char *reason)
{
	if (reason != NULL)
		ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
						  errmsg("file \"%s\" cannot be used as a history", path),
						  errdetail_internal("%s", reason)));
}

/*
 * history_open
 *		NULL if there is no history, after a WARNING if it cannot be used.
 */
static HistoryReader *
history_open(void)
{
	const char *reason;
	HistoryReader *reader = HistoryReaderOpen(HISTORY_FILE, &reason);

	if (reader == NULL)
		history_warn(HISTORY_FILE, reason);
	return reader;
}

/* A context for what a row needs, reset after each. */
static MemoryContext
history_row_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "goarena history", ALLOCSET_SMALL_SIZES);
}

/*
 * goarena_history() returns setof record
 *		In order of time; in a sample the largest process comes first.
 */
Datum
goarena_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = ColumnsBegin(fcinfo, history_columns, lengthof(history_columns));
	HistoryReader *reader = history_open();
	MemoryContext context = history_row_context();
	MemoryContext caller = MemoryContextSwitchTo(context);
	HistoryRecord record;
	TimestampTz at = 0;

	while (reader != NULL && HistoryReaderNext(reader, &record))
	{
		HistoryRow row;

		if (record.kind == HISTORY_MACHINE)
			at = record.u.machine.at;
		if (record.kind != HISTORY_PROCESS || record.u.process.pid == 0 ||
			!history_may_read(&record.u.process))
			continue;
		row = history_row(&record.u.process, at);
		ColumnsPut(rows, history_columns, &row, lengthof(history_columns));
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	if (reader != NULL)
		HistoryReaderClose(reader);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/*
 * goarena_history_machine() returns setof record
 *		What the machine held, at each sample of the history.
 */
Datum
goarena_history_machine(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = ColumnsBegin(fcinfo, machine_columns, lengthof(machine_columns));
	HistoryReader *reader = history_open();
	HistoryRecord record;

	while (reader != NULL && HistoryReaderNext(reader, &record))
	{
		MachineRow row = {.m = record.u.machine, .processes = record.u.machine.processes};

		if (record.kind == HISTORY_MACHINE)
			ColumnsPut(rows, machine_columns, &row, lengthof(machine_columns));
	}
	if (reader != NULL)
		HistoryReaderClose(reader);
	return (Datum) 0;
}

/*
 * history_put_crash
 *		One process of the last crash.
 */
static void
history_put_crash(ReturnSetInfo *rows, const Crash *crash, const CrashProcess *process)
{
	CrashRow row = {
		.h = history_row(&process->last, process->seen),
		.ended = crash->at,
		.ending = EndingName(crash->ending),
		.grown = process->grown,
		.context = process->context[0] == '\0' ? NULL : process->context,
		.context_grown = process->context_grown,
		.memory = crash->machine.memory,
	};

	if (!MayReadAll())
		memset(&row.memory, 0xff, sizeof(row.memory)); /* MACHINE_UNKNOWN */
	ColumnsPut(rows, crash_columns, &row, lengthof(crash_columns));
}

/*
 * goarena_last_crash() returns setof record
 *		The largest process first.
 */
Datum
goarena_last_crash(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = ColumnsBegin(fcinfo, crash_columns, lengthof(crash_columns));
	MemoryContext context = history_row_context();
	const char *reason;
	Crash *crash = LastCrashRead(&reason);
	MemoryContext caller = MemoryContextSwitchTo(context);

	if (crash == NULL)
		history_warn(LAST_CRASH_FILE, reason);
	for (int i = 0; crash != NULL && i < crash->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (history_may_read(&crash->processes[i].last))
			history_put_crash(rows, crash, &crash->processes[i]);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return (Datum) 0;
}
