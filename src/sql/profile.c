/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  goarena_profile() and the like: which code allocated memory, and for what.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "backend/profile/folded.h"
#include "backend/profile/names.h"
#include "backend/profile/pack.h"
#include "backend/profile/pprof.h"
#include "backend/profile/profile_table.h"
#include "backend/registry/context_request.h"
#include "backend/registry/requests.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_profile);
SQL_FUNCTION(goarena_profile_of);
SQL_FUNCTION(goarena_profile_all);
SQL_FUNCTION(goarena_profile_info);
SQL_FUNCTION(goarena_profile_reset);
SQL_FUNCTION(goarena_profile_folded);
SQL_FUNCTION(goarena_profile_pprof);

typedef struct ShownSite
{
	const char *function;
	const char *context;
	const char *parents;
	const char *stack;
	int64 query_id;
	Oid database;
	Oid role;
	uint64 values[NUM_PROFILE_VALUES];
	uint64 live_samples;
	uint64 samples;
} ShownSite;

#define VALUE_OFFSET(value) (offsetof(ShownSite, values) + (value) * sizeof(uint64))

static const Column columns[] = {
	{"function", COLUMN_TEXT, offsetof(ShownSite, function)},
	{"context", COLUMN_TEXT, offsetof(ShownSite, context)},
	{"parents", COLUMN_TEXT, offsetof(ShownSite, parents)},
	{"queryid", COLUMN_IDENTIFIER, offsetof(ShownSite, query_id)},
	{"dbid", COLUMN_OID, offsetof(ShownSite, database)},
	{"userid", COLUMN_OID, offsetof(ShownSite, role)},
	{"inuse_objects", COLUMN_COUNT, VALUE_OFFSET(VALUE_INUSE_OBJECTS)},
	{"inuse_bytes", COLUMN_COUNT, VALUE_OFFSET(VALUE_INUSE_SPACE)},
	{"alloc_objects", COLUMN_COUNT, VALUE_OFFSET(VALUE_ALLOC_OBJECTS)},
	{"alloc_bytes", COLUMN_COUNT, VALUE_OFFSET(VALUE_ALLOC_SPACE)},
	{"inuse_samples", COLUMN_COUNT, offsetof(ShownSite, live_samples)},
	{"alloc_samples", COLUMN_COUNT, offsetof(ShownSite, samples)},
	{"stack", COLUMN_TEXT, offsetof(ShownSite, stack)},
};

typedef struct ShownInfo
{
	uint64 rate;
	uint64 live_samples;
	uint64 lost;
	uint64 sites;
	uint64 server_rows;
	uint64 server_rows_max;
	uint64 server_dropped;
	TimestampTz since;
} ShownInfo;

static const Column info_columns[] = {
	{"rate", COLUMN_COUNT, offsetof(ShownInfo, rate)},
	{"samples", COLUMN_COUNT, offsetof(ShownInfo, live_samples)},
	{"lost", COLUMN_COUNT, offsetof(ShownInfo, lost)},
	{"sites", COLUMN_COUNT, offsetof(ShownInfo, sites)},
	{"server_rows", COLUMN_COUNT, offsetof(ShownInfo, server_rows)},
	{"server_rows_max", COLUMN_COUNT, offsetof(ShownInfo, server_rows_max)},
	{"server_dropped", COLUMN_COUNT, offsetof(ShownInfo, server_dropped)},
	{"stats_reset", COLUMN_TIME, offsetof(ShownInfo, since)},
};

/* One day is long enough to wait. */
#define MAX_TIMEOUT_SECONDS 86400.0

/* While it is packed, a profile may have sites that were not there before. */
#define MORE_SITES 64

/*
 * profile_own
 *		That of this process.  What the memory for it takes is in it.
 */
static const PackedProfile *
profile_own(void)
{
	Size size = add_size(PackOwnSize(), MORE_SITES * PackRowSize(SITE_STACK_DEPTH, PROFILE_NAMES));
	void *memory = palloc_extended(size, MCXT_ALLOC_HUGE);

	PackOwn(memory, size);
	return memory;
}

static int64
profile_timeout(float8 seconds)
{
	if (isnan(seconds) || seconds < 0.0 || seconds > MAX_TIMEOUT_SECONDS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout is out of range"),
						errdetail("It is in seconds, from 0 to %g.", MAX_TIMEOUT_SECONDS)));
	return (int64) (seconds * 1000.0);
}

/*
 * profile_of_process
 *		NULL, after a warning, if it cannot be had.
 */
static const PackedProfile *
profile_of_process(int pid, float8 seconds)
{
	int64 timeout = profile_timeout(seconds);
	RegistryFigures target;
	TimestampTz at;
	void *packed;
	int slot;

	RequireActive();
	if (pid == MyProcPid)
		return profile_own();
	slot = FindProcess(pid, &target);
	if (slot < 0)
		return NULL;
	RequireMayRead(&target);
	switch (RequestProfile(slot, pid, MayReadAll(), timeout, &packed, &at))
	{
		case REQUEST_ANSWERED:
			return packed;
		case REQUEST_GONE:
			WarnNoProcess(pid);
			break;
		case REQUEST_TIMEOUT:
			ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							  errmsg("process %d did not answer within %g s", pid, seconds)));
			break;
	}
	return NULL;
}

static void
profile_require_table(void)
{
	RequireActive();
	if (!ProfileTableExists())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("goarena has no heap profile of the server"),
				 errdetail("It was loaded by this session alone."),
				 errhint("Add goarena to shared_preload_libraries and restart the server.")));
}

static const PackedProfile *
profile_of_server(void)
{
	int behind;

	profile_require_table();
	if (!MayReadAll())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to see the heap profile of the server"),
						errdetail("Only roles with privileges of pg_read_all_stats may see it.")));
	behind = RequestProfiles();
	if (behind > 0)
		ereport(WARNING, (errmsg_plural("%d process did not add its newest samples",
										"%d processes did not add their newest samples",
										(unsigned long) behind, behind)));
	return ProfileTablePack();
}

/*
 * profile_asked_for
 *		As the first argument says: of a process, or of the server if it is null.
 */
static const PackedProfile *
profile_asked_for(FunctionCallInfo fcinfo, int timeout_argument)
{
	if (PG_ARGISNULL(timeout_argument))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("timeout is null")));
	if (PG_ARGISNULL(0))
		return profile_of_server();
	return profile_of_process(PG_GETARG_INT32(0), PG_GETARG_FLOAT8(timeout_argument));
}

/*
 * profile_stack
 *		A line for each function, the innermost first, with the offset in it.
 */
static const char *
profile_stack(NameCache *names, const ProfileRow *row)
{
	StringInfoData text;

	if (row->depth == 0)
		return NULL;
	initStringInfo(&text);
	for (int i = 0; i < row->depth; i++)
	{
		const NamedFrame *frame = NamesFind(names, row->frames[i]);

		appendStringInfo(&text, "%s%s+0x%llx", i == 0 ? "" : "\n",
						 frame->named ? frame->function : frame->file,
						 (unsigned long long) frame->offset);
		if (frame->named)
			appendStringInfo(&text, " (%s)", frame->file);
	}
	return text.data;
}

/*
 * profile_parents
 *		Names of contexts from the context's parent up.
 */
static const char *
profile_parents(const ProfileRow *row)
{
	StringInfoData text;
	int at = (int) strlen(row->names) + 1;

	if (at >= row->names_length)
		return NULL;
	initStringInfo(&text);
	for (; at < row->names_length; at += (int) strlen(row->names + at) + 1)
		appendStringInfo(&text, "%s%s", text.len == 0 ? "" : " < ", row->names + at);
	return text.data;
}

static void
profile_put(ReturnSetInfo *rows, NameCache *names, const ProfileRow *row)
{
	int first = NamesFirstFrame(names, row);
	ShownSite shown = {
		.function = first < row->depth ? NamesFind(names, row->frames[first])->function : NULL,
		.context = row->names_length > 0 ? row->names : NULL,
		.parents = row->names_length > 0 ? profile_parents(row) : NULL,
		.stack = profile_stack(names, row),
		.query_id = row->query_id,
		.database = row->database,
		.role = row->role,
		.live_samples = row->figures.live_samples,
		.samples = row->figures.samples,
	};

	for (int i = 0; i < NUM_PROFILE_VALUES; i++)
		shown.values[i] = (uint64) ProfileRowValue(&row->figures, (ProfileValue) i);
	ColumnsPut(rows, columns, &shown, lengthof(columns));
}

/*
 * profile_put_all
 *		The last row is of all for which there was no room.
 */
static void
profile_put_all(ReturnSetInfo *rows, const PackedProfile *packed)
{
	MemoryContext each =
		AllocSetContextCreate(CurrentMemoryContext, "goarena profile row", ALLOCSET_SMALL_SIZES);
	NameCache *names = NamesBegin(packed);
	ProfileRow rest = {.figures = packed->rest};
	MemoryContext before = MemoryContextSwitchTo(each);
	ProfileRow row;
	Size offset = 0;

	while (PackedNext(packed, &offset, &row))
	{
		CHECK_FOR_INTERRUPTS();
		profile_put(rows, names, &row);
		MemoryContextReset(each);
	}
	if (packed->rest.samples > 0)
		profile_put(rows, names, &rest);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(each);
}

/*
 * goarena_profile() returns setof record
 *		The heap profile of this session.
 */
Datum
goarena_profile(PG_FUNCTION_ARGS)
{
	RequireActive();
	profile_put_all(ColumnsBegin(fcinfo, columns, lengthof(columns)), profile_own());
	return (Datum) 0;
}

/*
 * goarena_profile(pid integer, timeout double precision) returns setof record
 *		The heap profile of another process.
 */
Datum
goarena_profile_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	const PackedProfile *packed = profile_of_process(PG_GETARG_INT32(0), PG_GETARG_FLOAT8(1));

	if (packed != NULL)
		profile_put_all(rows, packed);
	return (Datum) 0;
}

/*
 * goarena_profile_all() returns setof record
 *		The heap profile of the server.
 */
Datum
goarena_profile_all(PG_FUNCTION_ARGS)
{
	profile_put_all(ColumnsBegin(fcinfo, columns, lengthof(columns)), profile_of_server());
	return (Datum) 0;
}

/*
 * goarena_profile_info() returns record
 *		What profiles leave out.
 */
Datum
goarena_profile_info(PG_FUNCTION_ARGS)
{
	ShownInfo shown = {
		.rate = (uint64) goarena_profile_rate,
		.live_samples = SitesLive(),
		.lost = SitesLost(),
		.sites = (uint64) SitesCount() - 1,
		.server_rows = UINT64_MAX,
		.server_rows_max = UINT64_MAX,
		.server_dropped = UINT64_MAX,
	};

	RequireActive();
	if (ProfileTableExists())
	{
		ProfileTableInfo info;

		ProfileTableGetInfo(&info);
		shown.server_rows = (uint64) info.rows;
		shown.server_rows_max = (uint64) info.rows_max;
		shown.server_dropped = info.dropped;
		shown.since = info.since;
	}
	PG_RETURN_DATUM(ColumnsMake(fcinfo, info_columns, lengthof(info_columns), &shown));
}

/*
 * goarena_profile_reset() returns void
 *		What was allocated until now is forgotten only if processes have added it.
 */
Datum
goarena_profile_reset(PG_FUNCTION_ARGS)
{
	profile_require_table();
	(void) RequestProfiles();
	ProfileTableReset();
	PG_RETURN_VOID();
}

/*
 * goarena_profile_folded(pid integer, value text, timeout double precision) returns text
 *		A heap profile as collapsed stacks.
 */
Datum
goarena_profile_folded(PG_FUNCTION_ARGS)
{
	const PackedProfile *packed;
	StringInfoData lines;
	ProfileValue value;

	value = PG_ARGISNULL(1) ? NUM_PROFILE_VALUES
							: ProfileValueOf(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (value == NUM_PROFILE_VALUES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no such value"),
				 errhint("It is inuse_space, inuse_objects, alloc_space or alloc_objects.")));
	packed = profile_asked_for(fcinfo, 2);
	if (packed == NULL)
		PG_RETURN_NULL();
	initStringInfo(&lines);
	FoldedAppend(&lines, packed, value);
	PG_RETURN_DATUM(ForeignTextDatum(lines.data));
}

/*
 * goarena_profile_pprof(pid integer, timeout double precision) returns bytea
 *		A heap profile in the format of the pprof tool.
 */
Datum
goarena_profile_pprof(PG_FUNCTION_ARGS)
{
	const PackedProfile *packed = profile_asked_for(fcinfo, 1);

	if (packed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(PprofMake(packed));
}
