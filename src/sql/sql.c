/*-------------------------------------------------------------------------
 *
 * sql.c
 *	  What the SQL functions share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/tuplestore.h"

#include "mcxt/adopt.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_version);

void
RequireActive(void)
{
	if (!AdoptActive())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("goarena is not active in this session"),
				 errhint("Add goarena to shared_preload_libraries and restart the server.")));
	if (!process_heap_ready)
		ProcessHeapPrepare();
}

bool
MayReadAll(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

bool
MayRead(const RegistryFigures *process)
{
	return process->pid == MyProcPid || MayReadAll() ||
		   (OidIsValid(process->role) && has_privs_of_role(GetUserId(), process->role));
}

void
RequireMayRead(const RegistryFigures *process)
{
	if (!MayRead(process))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to see memory of process %d", process->pid),
						errdetail("Only roles with privileges of the role of that process, or of "
								  "pg_read_all_stats, may see it.")));
}

void
RequireMaySignal(const RegistryFigures *process)
{
	if (!OidIsValid(process->role) || superuser_arg(process->role))
	{
		if (!superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be a superuser to steer a process of a superuser or of the "
							"server")));
	}
	else if (!has_privs_of_role(GetUserId(), process->role) &&
			 !has_privs_of_role(GetUserId(), ROLE_PG_SIGNAL_BACKEND))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to steer process %d", process->pid),
						errdetail("Only roles with privileges of the role of that process, or of "
								  "pg_signal_backend, may do so.")));
}

void
WarnNoProcess(int pid)
{
	ereport(WARNING, (errmsg("PID %d is not a process of this server that uses goarena", pid)));
}

int
FindProcess(int pid, RegistryFigures *process)
{
	int slot;

	if (!RegistryExists())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("goarena knows no other processes"),
				 errdetail("It was loaded by this session alone."),
				 errhint("Add goarena to shared_preload_libraries and restart the server.")));
	slot = RegistryFind(pid);
	if (slot < 0 || !RegistryRead(slot, process) || process->pid != pid)
	{
		WarnNoProcess(pid);
		return -1;
	}
	return slot;
}

/*
 * goarena_version() returns text
 *		The version of the loaded library.
 */
Datum
goarena_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GOARENA_VERSION));
}
