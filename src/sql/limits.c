/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  goarena_total_limit(), goarena_machine() and goarena_owners(): limits that
 *	  processes share, what they are made of, and what they are compared with.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/acl.h"

#include "backend/limits/limit_setting.h"
#include "backend/registry/machine_memory.h"
#include "backend/registry/owners.h"
#include "backend/registry/requests.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_total_limit);
SQL_FUNCTION(goarena_machine);
SQL_FUNCTION(goarena_owners);

typedef struct TotalLimitRow
{
	uint64 limit;
	const char *setting;
	const char *source;
	uint64 memory;
	uint64 shared_memory;
	double share;
} TotalLimitRow;

static const Column total_limit_columns[] = {
	{"limit_bytes", COLUMN_COUNT, offsetof(TotalLimitRow, limit)},
	{"setting", COLUMN_TEXT, offsetof(TotalLimitRow, setting)},
	{"source", COLUMN_TEXT, offsetof(TotalLimitRow, source)},
	{"memory", COLUMN_COUNT, offsetof(TotalLimitRow, memory)},
	{"shared_memory", COLUMN_COUNT, offsetof(TotalLimitRow, shared_memory)},
	{"share", COLUMN_FLOAT, offsetof(TotalLimitRow, share)},
};

typedef struct MachineRow
{
	MachineMemory memory;
	double pressure_some; /* percent, or not a number */
	double pressure_full;
} MachineRow;

static const Column machine_columns[] = {
	{"cgroup_limit", COLUMN_COUNT, offsetof(MachineRow, memory.cgroup_limit)},
	{"cgroup_used", COLUMN_COUNT, offsetof(MachineRow, memory.cgroup_used)},
	{"host_total", COLUMN_COUNT, offsetof(MachineRow, memory.host_total)},
	{"host_available", COLUMN_COUNT, offsetof(MachineRow, memory.host_available)},
	{"pressure_some", COLUMN_FLOAT, offsetof(MachineRow, pressure_some)},
	{"pressure_full", COLUMN_FLOAT, offsetof(MachineRow, pressure_full)},
};

typedef struct OwnerRow
{
	const char *kind;
	Oid id;
	int processes;
	uint64 held;
} OwnerRow;

static const Column owner_columns[] = {
	{"kind", COLUMN_TEXT, offsetof(OwnerRow, kind)},
	{"id", COLUMN_OID, offsetof(OwnerRow, id)},
	{"processes", COLUMN_INT, offsetof(OwnerRow, processes)},
	{"held", COLUMN_COUNT, offsetof(OwnerRow, held)},
};

/* Which those may see who may not see the figures. */
#define PUBLIC_OWNER_COLUMNS 2

/*
 * goarena_total_limit() returns record
 *		How many bytes goarena.total_memory_limit is, and why.
 */
Datum
goarena_total_limit(PG_FUNCTION_ARGS)
{
	TotalOrigin origin = {SIZE_MAX, NULL, UINT64_MAX, UINT64_MAX};
	TotalLimitRow row;

	RequireActive();
	if (RegistryExists())
		TotalValueExplain(&total_value, &origin);
	row.limit = origin.limit;
	row.setting = goarena_total_memory_limit;
	row.source = origin.source;
	row.memory = origin.memory;
	row.shared_memory = origin.shared_memory;
	row.share = total_value.share > 0 ? total_value.share : NAN;
	PG_RETURN_DATUM(ColumnsMake(fcinfo, total_limit_columns, lengthof(total_limit_columns), &row));
}

static double
limits_machine_percent(uint64 hundredths)
{
	return hundredths == MACHINE_UNKNOWN ? NAN : (double) hundredths / 100;
}

/*
 * goarena_machine() returns record
 *		Memory of the host and of the cgroup, and the pressure on it.
 */
Datum
goarena_machine(PG_FUNCTION_ARGS)
{
	MachineRow row;

	RequireActive();
	MachineMemoryRead(&row.memory);
	row.pressure_some = limits_machine_percent(row.memory.some_avg10);
	row.pressure_full = limits_machine_percent(row.memory.full_avg10);
	PG_RETURN_DATUM(ColumnsMake(fcinfo, machine_columns, lengthof(machine_columns), &row));
}

/*
 * limits_owner_may_read
 *		As for figures of a process; what databases hold is of many users.
 */
static bool
limits_owner_may_read(const OwnerSum *sum)
{
	return MayReadAll() || (sum->kind == OWNER_USER && has_privs_of_role(GetUserId(), sum->id));
}

/*
 * goarena_owners() returns setof record
 *		A row for each user and each database that has processes.
 */
Datum
goarena_owners(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rows;

	RequireActive();
	rows = ColumnsBegin(fcinfo, owner_columns, lengthof(owner_columns));
	RequestFigures(MayRead);
	RegistryPublish();
	for (int i = 0; i < OwnersCapacity(); i++)
	{
		OwnerSum sum;
		OwnerRow row;

		if (!OwnersRead(i, &sum))
			continue;
		row.kind = sum.kind == OWNER_USER ? "user" : "database";
		row.id = sum.id;
		row.processes = sum.processes;
		row.held = sum.held;
		ColumnsPut(rows, owner_columns, &row,
				   limits_owner_may_read(&sum) ? lengthof(owner_columns) : PUBLIC_OWNER_COLUMNS);
	}
	return (Datum) 0;
}
