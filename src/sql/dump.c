/*-------------------------------------------------------------------------
 *
 * dump.c
 *	  goarena_dump(), goarena_dump_objects() and goarena_dump_pins(): heap dumps.
 *
 * For superusers only: addresses help to exploit bugs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/dump/dump.h"
#include "backend/dump/dump_files.h"
#include "backend/dump/dump_graph.h"
#include "backend/registry/dump_request.h"
#include "backend/sweeps/sweeps.h"
#include "engine/visit.h"
#include "sql/columns.h"
#include "sql/contexts_of.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_dump);
SQL_FUNCTION(goarena_dump_process);
SQL_FUNCTION(goarena_dump_objects);
SQL_FUNCTION(goarena_dump_pins);

/* At most this many objects of a chain are shown. */
#define CHAIN_SHOWN 16

/* Rows between two looks whether to go on. */
#define ROWS_AT_A_TIME 1024

typedef struct DumpRow
{
	const char *address;
	uint64 size;
	const char *state;
	const char *context;
	uint64 arena_id;
	const char *type;
	uint64 depth;
	const char *pointer;
	const char *holder;
	const char *root;
	const char *chain;
} DumpRow;

/* goarena_dump_objects() has the first of these. */
static const Column columns[] = {
	{"address", COLUMN_TEXT, offsetof(DumpRow, address)},
	{"size", COLUMN_COUNT, offsetof(DumpRow, size)},
	{"state", COLUMN_TEXT, offsetof(DumpRow, state)},
	{"context", COLUMN_TEXT, offsetof(DumpRow, context)},
	{"arena_id", COLUMN_COUNT, offsetof(DumpRow, arena_id)},
	{"type", COLUMN_TEXT, offsetof(DumpRow, type)},
	{"depth", COLUMN_COUNT, offsetof(DumpRow, depth)},
	{"pointer", COLUMN_TEXT, offsetof(DumpRow, pointer)},
	{"holder", COLUMN_TEXT, offsetof(DumpRow, holder)},
	{"root", COLUMN_TEXT, offsetof(DumpRow, root)},
	{"chain", COLUMN_TEXT, offsetof(DumpRow, chain)},
};

#define OBJECT_COLUMNS 6

static void
dump_require_superuser(const char *function)
{
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for function %s", function),
						errdetail("Only a superuser may see addresses.")));
}

/*
 * dump_result
 *		The name of the file, or an error if there is none.
 */
static Datum
dump_result(int pid, int64 number, int error)
{
	char name[DUMP_FILE_NAME];

	DumpFileName(name, pid, number);
	if (error == ECANCELED)
	{
		CHECK_FOR_INTERRUPTS();
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
						errmsg("heap dump of process %d was cancelled", pid)));
	}
	errno = error;
	if (error != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not write heap dump \"%s/%s\": %m", DUMP_DIRECTORY, name)));
	return CStringGetTextDatum(name);
}

static Datum
dump_own(void)
{
	int64 number = GetCurrentTimestamp();

	if (!SafeToSweep())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cannot write a heap dump now"),
						errdetail("Interrupts are held off, or a sweep is under way.")));
	return dump_result(MyProcPid, number, DumpWrite(number));
}

/*
 * goarena_dump() returns text
 *		Write a heap dump of this session; returns the name of its file.
 */
Datum
goarena_dump(PG_FUNCTION_ARGS)
{
	dump_require_superuser("goarena_dump");
	RequireActive();
	return dump_own();
}

/*
 * goarena_dump(pid integer, timeout double precision) returns text
 *		Ask another process to write one.
 */
Datum
goarena_dump_process(PG_FUNCTION_ARGS)
{
	int pid = PG_GETARG_INT32(0);
	float8 timeout = PG_GETARG_FLOAT8(1);
	RegistryFigures target;
	int64 number;
	int error = 0;
	int slot;

	dump_require_superuser("goarena_dump");
	RequireActive();
	ContextsCheckTimeout(timeout);
	if (pid == MyProcPid)
		return dump_own();
	slot = FindProcess(pid, &target);
	if (slot < 0)
		PG_RETURN_NULL();
	switch (AwaitDump(slot, pid, (int64) (timeout * 1000.0), &number, &error))
	{
		case DUMP_TRIED:
			return dump_result(pid, number, error);
		case DUMP_GONE:
			WarnNoProcess(pid);
			PG_RETURN_NULL();
		case DUMP_TIMEOUT:
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("process %d did not write a heap dump within %g s", pid, timeout),
				 errdetail("Processes do so when a statement ends, or when they allocate much.")));
	}
	PG_RETURN_NULL();
}

static const char *
dump_state_name(uint32 state)
{
	static const char *const names[] = {
		[GA_OBJECT_LIVE] = "live",
		[GA_OBJECT_FREE] = "free",
		[GA_OBJECT_DELAYED] = "delayed",
	};

	return state == DUMP_QUARANTINED ? "quarantined" : names[state];
}

static char *
dump_address(uint64 address)
{
	return psprintf("0x%012lx", (unsigned long) address);
}

static DumpRow
dump_row(const DumpGraph *graph, const DumpNode *node)
{
	return (DumpRow){
		.address = dump_address(node->address),
		.size = node->size,
		.state = dump_state_name(node->state),
		.context = DumpGraphArenaName(graph, node->arena_id),
		.arena_id = node->arena_id == 0 ? UINT64_MAX : node->arena_id,
		.type = DumpGraphTypeName(graph, node->type),
		.depth = UINT64_MAX,
	};
}

/*
 * dump_root_name
 *		Much memory of a process has no name.
 */
static const char *
dump_root_name(const DumpGraph *graph, uint32 root)
{
	const char *name = graph->roots[root].name;

	return name[0] == '\0' ? "[anonymous]" : name;
}

/*
 * dump_chain
 *		The root, and the objects from there to this one.  Of a long chain only the last ones, so that
 *		all chains take a time that is linear in the number of objects.
 */
static const char *
dump_chain(const DumpGraph *graph, uint32 last)
{
	uint32 shown[CHAIN_SHOWN];
	StringInfoData text;
	int count = 0;

	for (uint32 at = last; at != DUMP_NONE && count < CHAIN_SHOWN; at = graph->nodes[at].holder)
		shown[count++] = at;
	initStringInfo(&text);
	appendStringInfoString(&text, dump_root_name(graph, graph->nodes[last].root));
	if (graph->nodes[last].depth > CHAIN_SHOWN)
		appendStringInfo(&text, " -> (%u more)", graph->nodes[last].depth - CHAIN_SHOWN);
	else
		appendStringInfo(&text, " %s",
						 dump_address(graph->edges[graph->nodes[shown[count - 1]].by].where));
	while (count-- > 0)
		appendStringInfo(&text, " -> %s", dump_address(graph->nodes[shown[count]].address));
	return text.data;
}

static void
dump_add_pin(const DumpGraph *graph, uint32 at, DumpRow *row)
{
	const DumpNode *node = &graph->nodes[at];

	if (node->by == DUMP_NONE)
		return;
	row->depth = node->depth;
	row->pointer = dump_address(graph->edges[node->by].where);
	row->holder =
		node->holder == DUMP_NONE ? NULL : dump_address(graph->nodes[node->holder].address);
	row->root = dump_root_name(graph, node->root);
	row->chain = dump_chain(graph, at);
}

/*
 * dump_wanted
 *		Is a node of the graph shown?  Memory in quarantine is no object: it is shown only where a
 *		pointer leads to it.
 */
static bool
dump_wanted(const DumpNode *node, bool pins)
{
	if (node->state == DUMP_QUARANTINED)
		return pins && node->by != DUMP_NONE;
	return !pins || node->state == GA_OBJECT_LIVE;
}

/*
 * dump_put
 *		Put all rows.  There can be millions, so what one takes is freed at once.
 */
static void
dump_put(ReturnSetInfo *rows, const DumpGraph *graph, bool pins)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "goarena dump row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row_context);

	for (uint32 i = 0; i < graph->num_nodes; i++)
	{
		DumpRow row;

		if (i % ROWS_AT_A_TIME == 0)
			CHECK_FOR_INTERRUPTS();
		if (!dump_wanted(&graph->nodes[i], pins))
			continue;
		row = dump_row(graph, &graph->nodes[i]);
		if (pins)
			dump_add_pin(graph, i, &row);
		ColumnsPut(rows, columns, &row, lengthof(columns));
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row_context);
}

static void
dump_show(FunctionCallInfo fcinfo, bool pins)
{
	ReturnSetInfo *rows = ColumnsBegin(fcinfo, columns, pins ? lengthof(columns) : OBJECT_COLUMNS);
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	DumpGraph *graph = DumpGraphRead(name, pins);

	if (!graph->complete)
		ereport(WARNING, (errmsg("heap dump \"%s\" is not complete", name),
						  errdetail("Some memory of the process could not be read.")));
	if (pins)
		DumpGraphSearch(graph);
	dump_put(rows, graph, pins);
	DumpGraphFree(graph);
}

/*
 * goarena_dump_objects(file text) returns setof record
 *		The objects in a heap dump.
 */
Datum
goarena_dump_objects(PG_FUNCTION_ARGS)
{
	dump_require_superuser("goarena_dump_objects");
	dump_show(fcinfo, false);
	return (Datum) 0;
}

/*
 * goarena_dump_pins(file text) returns setof record
 *		What keeps each of them alive.
 */
Datum
goarena_dump_pins(PG_FUNCTION_ARGS)
{
	dump_require_superuser("goarena_dump_pins");
	dump_show(fcinfo, true);
	return (Datum) 0;
}
