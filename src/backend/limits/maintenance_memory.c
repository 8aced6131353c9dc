/*-------------------------------------------------------------------------
 *
 * maintenance_memory.c
 *	  maintenance_work_mem where a limit leaves less than that.
 *
 * VACUUM and the commands that build indexes take up to maintenance_work_mem,
 * some of it at once, and can do with less: they make more passes.  Under a limit
 * that is lower they would fail each time, and a table that is never vacuumed
 * stops the server in the end.  So they get half of what is left.
 *
 * The variable is changed and not the setting: VACUUM ends transactions, and a
 * setting that is local to one would be gone then.  Parallel workers are sent the
 * variable.  Autovacuum runs no statements; limits.c lets it have what it wants.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"

#include "backend/limits/limit_setting.h"
#include "backend/limits/limits.h"
#include "backend/limits/maintenance_memory.h"

/* The least value of maintenance_work_mem on some servers, in kB. */
#define LEAST_KB 1024

/* By name, since not all majors have all of these commands. */
static const char *const commands[] = {
	"ALTER TABLE", "CLUSTER", "CREATE INDEX", "REFRESH MATERIALIZED VIEW",
	"REINDEX",	   "REPACK",  "VACUUM",
};

static bool
maintenance_command(Node *statement)
{
	const char *name = GetCommandTagName(CreateCommandTag(statement));

	for (int i = 0; i < lengthof(commands); i++)
		if (strcmp(name, commands[i]) == 0)
			return true;
	return false;
}

int
MaintenanceMemoryAllowed(Node *statement)
{
	Size left;

	if (likely(!LimitSettingAny()) || !maintenance_command(statement))
		return maintenance_work_mem;
	left = LimitsLeft() / 2 / 1024;
	return (int) Min((Size) maintenance_work_mem, Max(left, LEAST_KB));
}

int
MaintenanceMemoryLower(int kb)
{
	int before = maintenance_work_mem;

	maintenance_work_mem = kb;
	return before;
}

void
MaintenanceMemoryRestore(int lowered_kb, int kb)
{
	if (maintenance_work_mem == lowered_kb)
		maintenance_work_mem = kb;
}
