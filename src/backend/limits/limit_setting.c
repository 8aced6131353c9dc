/*-------------------------------------------------------------------------
 *
 * limit_setting.c
 *	  The settings of limits: what they are, and who may set them to what.
 *
 * Every user may lower goarena.memory_limit and goarena.session_memory_limit for a session and for
 * a function.  Only superusers may raise them above the cap: the value that a superuser set for the
 * server, or stored for the database or the role.
 *
 * A check hook also sees values that never take effect: pg_file_settings and ALTER SYSTEM call it
 * with the file's value, and a reload may be given up.  An assign hook is not called with the
 * file's value if the session has a value of its own.  So the server's part of the cap is the value
 * in effect in the postmaster.  Its assign hook writes that into shared memory, where all processes
 * read it.
 *
 * A value stored for a database or a role always comes from a superuser: other users may neither
 * store nor remove these settings there, not even for themselves.  It is read once, when a session
 * begins.  If the client's connection options take precedence, only the check hook is called with
 * it.
 *
 * Only superusers set the limits of sums over processes: the one for all processes in the server's
 * configuration, those for a user and a database also for roles, databases and sessions.
 *
 * So the cap can fall below the value that a session has.  The lower one holds at once.  The next
 * statement begins by making it the value of its transaction, so that SHOW, pg_settings and
 * parallel workers have it.
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
#include "port/atomics.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "backend/limits/limit_advice.h"
#include "backend/limits/limit_setting.h"
#include "backend/process/statement_hooks.h"
#include "mcxt/compat.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/process_heap.h"

int goarena_memory_limit_kb = NO_LIMIT;
int goarena_session_memory_limit_kb = NO_LIMIT;
int goarena_user_memory_limit_kb = NO_LIMIT;
int goarena_database_memory_limit_kb = NO_LIMIT;
char *goarena_total_memory_limit = NULL;
TotalValue total_value = {.share = 0, .kb = NO_LIMIT};
int goarena_on_total_limit = ON_TOTAL_ERROR;

/* What a check hook finds out about a value, for the assign hook. */
typedef struct LimitValue
{
	bool superusers; /* a superuser set it */
	bool servers;	 /* in a file or on the command line of the server */
} LimitValue;

/* A setting that superusers cap. */
typedef struct CappedSetting
{
	const char *name;
	const int *value; /* in effect, in kB */
	bool superusers;  /* a superuser set that */

	int server_kb;			 /* see capped_server_limit */
	int stored_kb;			 /* for the database or the role */
	GucSource stored_source; /* PGC_S_DEFAULT: nothing is stored */
} CappedSetting;

static CappedSetting settings[] = {
	{"goarena.memory_limit", &goarena_memory_limit_kb, true, NO_LIMIT, NO_LIMIT, PGC_S_DEFAULT},
	{"goarena.session_memory_limit", &goarena_session_memory_limit_kb, true, NO_LIMIT, NO_LIMIT,
	 PGC_S_DEFAULT},
};

static CappedSetting *const memory_limit = &settings[0];
static CappedSetting *const session_memory_limit = &settings[1];

/* The server's value of each, in kB; NULL if the library is not preloaded. */
static pg_atomic_uint32 *server_limits = NULL;

bool limit_of_user = false;

/* Why limits do not hold, as a sentence; NULL if they do. */
static const char *idle_because = NULL;
static const char *shared_idle_because = NULL; /* those of sums over processes */

static bool advises = false; /* all settings of the server are known */

static object_access_hook_type previous_access_hook = NULL;
static bool stored_hooked = false;	/* our hook is somewhere in the chain */
static bool stored_guarded = false; /* and has something to do */

/* Is one limit above another?  None is above all. */
static bool
capped_is_above(int kb, int other_kb)
{
	return other_kb != NO_LIMIT && (kb == NO_LIMIT || kb > other_kb);
}

/*
 * capped_server_limit
 *		The value that is set for the server.  Without shared memory, the last value that took
 *		effect in this process.
 */
static int
capped_server_limit(const CappedSetting *setting)
{
	if (server_limits == NULL)
		return setting->server_kb;
	return (int) pg_atomic_read_u32(&server_limits[setting - settings]);
}

/*
 * capped_cap
 *		The most that users can set.
 */
static int
capped_cap(const CappedSetting *setting)
{
	if (setting->stored_source != PGC_S_DEFAULT)
		return setting->stored_kb;
	return capped_server_limit(setting);
}

/*
 * capped_limit
 *		The limit that holds, in kB.
 */
static int
capped_limit(const CappedSetting *setting)
{
	int kb = *setting->value;
	int cap;

	if (setting->superusers)
		return kb;
	cap = capped_cap(setting);
	return capped_is_above(kb, cap) ? cap : kb;
}

static Size
limit_bytes(int kb)
{
	return kb == NO_LIMIT ? SIZE_MAX : (Size) kb * 1024;
}

Size
MemoryLimit(void)
{
	return limit_bytes(capped_limit(memory_limit));
}

Size
SessionMemoryLimit(void)
{
	return limit_bytes(capped_limit(session_memory_limit));
}

Size
UserMemoryLimit(void)
{
	return server_limits == NULL ? SIZE_MAX : limit_bytes(goarena_user_memory_limit_kb);
}

Size
DatabaseMemoryLimit(void)
{
	return server_limits == NULL ? SIZE_MAX : limit_bytes(goarena_database_memory_limit_kb);
}

/*
 * limit_look_again
 *		Make the next allocation that is not a fast one look at the limits.
 */
static void
limit_look_again(void)
{
	process_heap.limit = 0;
}

/*
 * limit_changed
 *		A limit has changed.  From the first limit on, contexts that are no arenas are watched.
 */
static void
limit_changed(bool set)
{
	limit_look_again();
	if (set)
		PlainContextsWatch();
}

/*
 * limit_advise
 *		Log contradictions with other settings, since the server has other limits than before.
 */
static void
limit_advise(void)
{
	ServerLimits limits;

	if (!advises || IsUnderPostmaster)
		return;
	limits.memory = limit_bytes(goarena_memory_limit_kb);
	limits.session = limit_bytes(goarena_session_memory_limit_kb);
	limits.user = limit_bytes(goarena_user_memory_limit_kb);
	limits.database = limit_bytes(goarena_database_memory_limit_kb);
	limits.total = TotalValueBytes(&total_value);
	LimitAdvise(&limits);
}

static void
limit_warn(const char *name, const char *why)
{
	ereport(WARNING,
			(errmsg("\"%s\" has no effect in this session", name), errdetail("%s", why),
			 errhint("Add goarena to \"shared_preload_libraries\" and restart the server, or "
					 "remove the setting.")));
}

/*
 * limit_warn_if_idle
 *		In a check hook, warn if a limit that has no effect is set or tested.  Not at each reload of
 *		the file.
 */
static void
limit_warn_if_idle(const char *name, bool set, GucSource source, const char *why)
{
	if (why != NULL && set && !InitializingParallelWorker &&
		(source >= PGC_S_CLIENT || IsTransactionState()))
		limit_warn(name, why);
}

/*
 * limit_is_enough
 *		For a check hook: is a limit large enough?
 */
static bool
limit_is_enough(const char *name, int kb)
{
	if (kb == NO_LIMIT || kb >= MIN_MEMORY_LIMIT_KB)
		return true;
	GUC_check_errdetail("%s must be at least 16MB, or -1 for no limit.", name);
	return false;
}

static bool
capped_check(CappedSetting *setting, const int *newval, void **extra, GucSource source)
{
	bool superusers = source <= PGC_S_DATABASE_USER;
	int cap = capped_cap(setting);
	LimitValue *value;

	if (!limit_is_enough(setting->name, *newval))
		return false;
	if (!superusers)
		superusers = IsTransactionState() && superuser();

	/* A parallel worker gets a value that its leader has checked. */
	if (!superusers && !InitializingParallelWorker && capped_is_above(*newval, cap))
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("permission denied to raise \"%s\"", setting->name);
		GUC_check_errdetail("Only superusers may set it to more than %dkB.", cap);
		return false;
	}

	value = GucAlloc(sizeof(LimitValue));
	if (value == NULL)
		return false;
	value->superusers = superusers;
	value->servers = source <= PGC_S_ARGV;
	*extra = value;

	/* The server looks up stored values in order to apply them, the strongest first. */
	if (source >= PGC_S_GLOBAL && source <= PGC_S_DATABASE_USER && source >= setting->stored_source)
	{
		setting->stored_kb = *newval;
		setting->stored_source = source;
	}
	limit_look_again();
	limit_warn_if_idle(setting->name, *newval != NO_LIMIT, source, idle_because);
	return true;
}

static void
capped_assign(CappedSetting *setting, int newval, void *extra)
{
	const LimitValue *value = extra;

	setting->superusers = value == NULL || value->superusers;
	if (!IsUnderPostmaster || (value != NULL && value->servers))
		setting->server_kb = newval;
	if (!IsUnderPostmaster && server_limits != NULL)
		pg_atomic_write_u32(&server_limits[setting - settings], (uint32) newval);
	limit_of_user = !memory_limit->superusers || !session_memory_limit->superusers;
	if (limit_of_user)
		StatementHooksWant();
	limit_changed(newval != NO_LIMIT);
}

bool
CheckMemoryLimit(int *newval, void **extra, GucSource source)
{
	return capped_check(memory_limit, newval, extra, source);
}

void
AssignMemoryLimit(int newval, void *extra)
{
	capped_assign(memory_limit, newval, extra);
	goarena_memory_limit_kb = newval; /* the server sets it after this */
	limit_advise();
}

bool
CheckSessionMemoryLimit(int *newval, void **extra, GucSource source)
{
	return capped_check(session_memory_limit, newval, extra, source);
}

void
AssignSessionMemoryLimit(int newval, void *extra)
{
	capped_assign(session_memory_limit, newval, extra);
	goarena_session_memory_limit_kb = newval;
	limit_advise();
}

static bool
shared_check(const char *name, int kb, GucSource source)
{
	if (!limit_is_enough(name, kb))
		return false;
	limit_warn_if_idle(name, kb != NO_LIMIT, source, shared_idle_because);
	return true;
}

bool
CheckUserMemoryLimit(int *newval, void **extra, GucSource source)
{
	return shared_check("goarena.user_memory_limit", *newval, source);
}

bool
CheckDatabaseMemoryLimit(int *newval, void **extra, GucSource source)
{
	return shared_check("goarena.database_memory_limit", *newval, source);
}

void
AssignUserMemoryLimit(int newval, void *extra)
{
	goarena_user_memory_limit_kb = newval;
	limit_changed(newval != NO_LIMIT);
	limit_advise();
}

void
AssignDatabaseMemoryLimit(int newval, void *extra)
{
	goarena_database_memory_limit_kb = newval;
	limit_changed(newval != NO_LIMIT);
	limit_advise();
}

bool
CheckTotalMemoryLimit(char **newval, void **extra, GucSource source)
{
	TotalValue value;

	if (!TotalValueParse(*newval, &value))
		return false;
	*extra = GucAlloc(sizeof(TotalValue));
	if (*extra == NULL)
		return false;
	memcpy(*extra, &value, sizeof(value));
	limit_warn_if_idle("goarena.total_memory_limit", value.share > 0 || value.kb != NO_LIMIT,
					   source, shared_idle_because);
	return true;
}

void
AssignTotalMemoryLimit(const char *newval, void *extra)
{
	total_value = *(const TotalValue *) extra;
	if (LimitSettingTotal())
		StatementHooksWant();
	limit_changed(LimitSettingTotal());
	limit_advise();
}

void
LimitSettingSettle(void)
{
	if (!IsTransactionState() || IsInParallelMode())
		return;
	for (int i = 0; i < lengthof(settings); i++)
	{
		int kb = capped_limit(&settings[i]);
		char text[16];

		if (kb == *settings[i].value)
			continue;
		snprintf(text, sizeof(text), "%d", kb);
		(void) set_config_option(settings[i].name, text, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	}
}

Size
LimitSettingSize(void)
{
	return mul_size(sizeof(pg_atomic_uint32), lengthof(settings));
}

void
LimitSettingAttach(void *memory, bool anew)
{
	server_limits = memory;
	if (!anew)
		return;
	for (int i = 0; i < lengthof(settings); i++)
		pg_atomic_init_u32(&server_limits[i], (uint32) settings[i].server_kb);

	/* Now it is known how many bytes a share of the machine is. */
	limit_advise();
}

/*
 * stored_limit
 *		Find the value of a setting that is stored for a database and a role, as a snapshot sees it.
 *		NULL if there is none.
 */
static char *
stored_limit(const char *name, Oid database, Oid role, Snapshot snapshot)
{
	size_t length = strlen(name);
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
		Datum stored = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
									RelationGetDescr(relation), &is_null);
		ArrayIterator iterator;
		Datum setting;

		if (is_null)
			continue;
		iterator = array_create_iterator(DatumGetArrayTypeP(stored), 0, NULL);
		while (array_iterate(iterator, &setting, &is_null))
		{
			char *entry = is_null ? NULL : TextDatumGetCString(setting);

			if (entry != NULL && pg_strncasecmp(entry, name, length) == 0 && entry[length] == '=')
				result = entry;
		}
		array_free_iterator(iterator);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return result;
}

/*
 * stored_altered
 *		Check a change of what is stored for a database and a role, which is not visible yet.
 */
static void
stored_altered(const char *name, Oid database, Oid role)
{
	char *before = stored_limit(name, database, role, NULL);
	char *now = stored_limit(name, database, role, SnapshotSelf);

	if (before == NULL ? now == NULL : now != NULL && strcmp(before, now) == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to change the stored \"%s\"", name),
					errdetail("Only superusers may set or reset it for databases and roles."),
					errhint("Use SET to lower it for the session.")));
}

/*
 * stored_accessed
 *		Hook of ALTER DATABASE and ALTER ROLE ... SET.
 */
static void
stored_accessed(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, class_id, object_id, sub_id, arg);
	if (!stored_guarded || access != OAT_POST_ALTER || class_id != DbRoleSettingRelationId ||
		superuser())
		return;
	for (int i = 0; i < lengthof(settings); i++)
		stored_altered(settings[i].name, object_id, ((ObjectAccessPostAlter *) arg)->auxiliary_id);
}

/*
 * LimitSettingGuardBegin, LimitSettingGuardEnd
 *		The hook is there only while such a command runs: the server looks for hooks of
 *		this kind in many places.  If another library has put its own on top
 *		meanwhile, ours stays below and does nothing.
 */
void
LimitSettingGuardBegin(void)
{
	stored_guarded = true;
	if (stored_hooked)
		return;
	stored_hooked = true;
	previous_access_hook = object_access_hook;
	object_access_hook = stored_accessed;
}

void
LimitSettingGuardEnd(void)
{
	stored_guarded = false;
	if (object_access_hook != stored_accessed)
		return;
	stored_hooked = false;
	object_access_hook = previous_access_hook;
}

/*
 * limit_warn_of_shared
 *		Warn of each limit of a sum over processes that is set and does not hold.
 */
static void
limit_warn_of_shared(const char *why)
{
	if (goarena_user_memory_limit_kb != NO_LIMIT)
		limit_warn("goarena.user_memory_limit", why);
	if (goarena_database_memory_limit_kb != NO_LIMIT)
		limit_warn("goarena.database_memory_limit", why);
	if (LimitSettingTotal())
		limit_warn("goarena.total_memory_limit", why);
}

void
LimitSettingIdle(const char *why)
{
	idle_because = shared_idle_because = why;
	for (int i = 0; i < lengthof(settings); i++)
		if (*settings[i].value != NO_LIMIT)
			limit_warn(settings[i].name, why);
	limit_warn_of_shared(why);
}

void
LimitSettingInit(bool preloaded)
{
	limit_changed(LimitSettingAny());
	if (preloaded)
	{
		advises = true;
		limit_advise();
		return;
	}
	shared_idle_because =
		"The library is not in \"shared_preload_libraries\", so processes do not know of each other.";
	limit_warn_of_shared(shared_idle_because);
}
