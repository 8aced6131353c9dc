/*-------------------------------------------------------------------------
 *
 * limit_setting.c
 *	  goarena.memory_limit: who may set it to what.
 *
 * Everybody may lower the limit of a session and of a function, and nobody but
 * superusers may raise it above what a superuser set for the server, database
 * or role.  What that is can be told by where values come from, if what is
 * stored for databases and roles always is a superuser's: other users may
 * neither store nor remove this setting there, not even for themselves.
 *
 * The check hook sees values of all sources, also those that do not take
 * effect because another source comes before them.  A client's connection
 * options come before what is stored for its role, and are known earlier; so
 * the value that is in effect is compared with the superuser's once more when
 * it is asked for.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_db_role_setting.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "backend/limits.h"
#include "mcxt/compat.h"

int goarena_memory_limit_kb = NO_LIMIT;

/* What a check hook finds out of a value. */
typedef struct LimitValue
{
	bool superusers; /* a superuser set it */
} LimitValue;

static int superusers_kb = NO_LIMIT;				/* the limit that a superuser set */
static GucSource superusers_source = PGC_S_DEFAULT; /* where it stands */
static bool value_is_superusers = true;				/* what is in effect now */

static object_access_hook_type previous_access_hook = NULL;

/* Is one limit above another?  None is above all. */
static bool
IsAbove(int kb, int other_kb)
{
	return other_kb != NO_LIMIT && (kb == NO_LIMIT || kb > other_kb);
}

Size
MemoryLimit(void)
{
	int kb = goarena_memory_limit_kb;

	if (!value_is_superusers && IsAbove(kb, superusers_kb))
		kb = superusers_kb;
	return kb == NO_LIMIT ? SIZE_MAX : (Size) kb * 1024;
}

/* May this source only have values that superusers set? */
static bool
IsSuperusersSource(GucSource source)
{
	return source <= PGC_S_DATABASE_USER;
}

bool
CheckMemoryLimit(int *newval, void **extra, GucSource source)
{
	bool superusers = IsSuperusersSource(source);
	LimitValue *value;

	if (*newval != NO_LIMIT && *newval < MIN_MEMORY_LIMIT_KB)
	{
		GUC_check_errdetail("goarena.memory_limit must be at least 16MB, or -1 for no limit.");
		return false;
	}
	if (superusers)
	{
		if (source >= superusers_source ||
			(source == PGC_S_DEFAULT && superusers_source <= PGC_S_FILE))
		{
			superusers_kb = *newval;
			superusers_source = source;
			LimitsChanged(*newval);
		}
	}
	else
		superusers = IsTransactionState() && superuser();

	/* A parallel worker gets what was found to be right in its leader. */
	if (!superusers && !InitializingParallelWorker && IsAbove(*newval, superusers_kb))
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("permission denied to raise \"goarena.memory_limit\"");
		GUC_check_errdetail("Only superusers may set it to more than %dkB.", superusers_kb);
		return false;
	}

	value = GucAlloc(sizeof(LimitValue));
	if (value == NULL)
		return false;
	value->superusers = superusers;
	*extra = value;
	return true;
}

void
AssignMemoryLimit(int newval, void *extra)
{
	value_is_superusers = extra == NULL || ((LimitValue *) extra)->superusers;
	LimitsChanged(newval);
}

/*
 * StoredLimit
 *		goarena.memory_limit as a snapshot sees it stored for a database and a
 *		role; NULL if it is not.
 */
static char *
StoredLimit(Oid database, Oid role, Snapshot snapshot)
{
	Relation relation = table_open(DbRoleSettingRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;
	char *result = NULL;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(relation, DbRoleSettingDatidRolidIndexId, true, snapshot, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool is_null;
		Datum settings = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
									  RelationGetDescr(relation), &is_null);
		ArrayIterator iterator;
		Datum setting;

		if (is_null)
			continue;
		iterator = array_create_iterator(DatumGetArrayTypeP(settings), 0, NULL);
		while (array_iterate(iterator, &setting, &is_null))
		{
			char *entry = is_null ? NULL : TextDatumGetCString(setting);

			if (entry != NULL &&
				pg_strncasecmp(entry, "goarena.memory_limit=", strlen("goarena.memory_limit=")) ==
					0)
				result = entry;
		}
		array_free_iterator(iterator);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return result;
}

/*
 * SettingsAltered
 *		What is stored for a database and a role was changed, and the change is
 *		not visible yet.
 */
static void
SettingsAltered(Oid database, Oid role)
{
	char *before = StoredLimit(database, role, NULL);
	char *now = StoredLimit(database, role, SnapshotSelf);

	if (before == NULL ? now == NULL : now != NULL && strcmp(before, now) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to change the stored \"goarena.memory_limit\""),
					errdetail("Only superusers may set or reset it for databases and roles."),
					errhint("Use SET to lower it for the session.")));
}

/*
 * ObjectAccessed
 *		Hook of ALTER DATABASE and ALTER ROLE ... SET, among others.
 */
static void
ObjectAccessed(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_POST_ALTER && class_id == DbRoleSettingRelationId && !superuser())
		SettingsAltered(object_id, ((ObjectAccessPostAlter *) arg)->auxiliary_id);
}

void
LimitSettingInit(void)
{
	previous_access_hook = object_access_hook;
	object_access_hook = ObjectAccessed;
}
