/*-------------------------------------------------------------------------
 *
 * goarena.c
 *	  Loading: settings, hooks, and the order in which things start.
 *
 * The library can be loaded by shared_preload_libraries, which is the normal
 * way, by session_preload_libraries, or by LOAD.  When it is loaded merely
 * because one of its SQL functions is called or created, it stays passive.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/guc.h"

#include "goarena.h"

#include "backend/faults/alloc_trace.h"
#include "backend/faults/fault.h"
#include "backend/faults/pointer.h"
#include "backend/limits/limit_setting.h"
#include "backend/limits/limits.h"
#include "backend/limits/total_limit.h"
#include "backend/maintenance/idle.h"
#include "backend/maintenance/maintenance.h"
#include "backend/process/process.h"
#include "backend/profile/profile_table.h"
#include "backend/profile/sites.h"
#include "backend/recorder/recorder.h"
#include "backend/registry/machine_memory.h"
#include "backend/registry/registry.h"
#include "backend/registry/showing.h"
#include "backend/shared_memory.h"
#include "backend/statements/executor_hooks.h"
#include "backend/statements/peak_log.h"
#include "backend/statements/peak_watch.h"
#include "backend/statements/statements.h"
#include "backend/statements/tracking.h"
#include "backend/sweeps/sweeps.h"
#include "backend/transaction.h"
#include "mcxt/adopt.h"
#include "mcxt/arena_context.h"
#include "mcxt/chunk_format.h"
#include "mcxt/clone.h"
#include "mcxt/debug.h"
#include "mcxt/finalizer.h"
#include "mcxt/free_history.h"
#include "mcxt/patterns.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"
#include "mcxt/typed_context.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static const struct config_enum_entry quarantine_options[] = {
	{"off", GA_QUARANTINE_OFF, false},
	{"on", GA_QUARANTINE_ON, false},
	{"strict", GA_QUARANTINE_STRICT, false},
	{NULL, 0, false},
};

static const struct config_enum_entry huge_pages_options[] = {
	{"off", 0, false},
	{"try", 1, false},
	{NULL, 0, false},
};

/* Without those that stand for memory that is not a chunk. */
static const struct config_enum_entry method_id_options[] = {
	{"auto", METHOD_ID_AUTO, false},
	{"8", 8, false},
	{"9", 9, false},
	{"10", 10, false},
	{"11", 11, false},
	{"12", 12, false},
	{"13", 13, false},
	{"14", 14, false},
	{NULL, 0, false},
};

static const struct config_enum_entry trace_options[] = {
	{"off", TRACE_OFF, false},
	{"sweeps", TRACE_SWEEPS, false},
	{"all", TRACE_ALL, false},
	{NULL, 0, false},
};

static const struct config_enum_entry allocation_stacks_options[] = {
	{"off", ALLOCATION_STACKS_OFF, false},
	{"strict", ALLOCATION_STACKS_STRICT, false},
	{"on", ALLOCATION_STACKS_ON, false},
	{NULL, 0, false},
};

static const struct config_enum_entry on_fault_options[] = {
	{"crash", FAULT_CRASH, false},
	{"terminate", FAULT_TERMINATE, false},
	{NULL, 0, false},
};

static const struct config_enum_entry on_total_limit_options[] = {
	{"error", ON_TOTAL_ERROR, false},
	{"cancel_largest", ON_TOTAL_CANCEL_LARGEST, false},
	{"cancel_or_terminate", ON_TOTAL_CANCEL_OR_TERMINATE, false},
	{NULL, 0, false},
};

static const struct config_enum_entry track_statements_options[] = {
	{"off", TRACK_STATEMENTS_OFF, false},
	{"top", TRACK_STATEMENTS_TOP, false},
	{"all", TRACK_STATEMENTS_ALL, false},
	{NULL, 0, false},
};

static const ProcessHeapCallbacks heap_callbacks = {
	.maintain = MaintainOnSlowPath,
	.find_memory = MaintainFindMemory,
	.raise_refusal = LimitsRaise,
	.plain_ask = LimitsPlainAsk,
	.plain_took = LimitsPlainTook,
	.plain_leave = MaintainPlainLeave,
	.statement_begun = MaintainStatementBegun,
	.begun = ShowBegun,
	.moved = MaintainShowMoved,
	.watched = PeakWatchReached,
	.bad_pointer = FaultReportPfree,
	.traced = AllocTrace,
	.note_free = FreeHistoryNote,
	.take_stack = StackStoreOfFree,
	.sample_begun = SitesBegun,
	.sample_ended = SitesEnded,
};

/* What other extensions see of a type is where the engine has it. */
StaticAssertDecl(offsetof(GoarenaType, size) == offsetof(ga_type, size) &&
					 offsetof(GoarenaType, alignment) == offsetof(ga_type, align) &&
					 offsetof(GoarenaType, number) == offsetof(ga_type, id),
				 "GoarenaType must be the beginning of ga_type");

static const GoarenaType *
api_type_create(const char *name, Size size, Size alignment, const uint64 *pointers)
{
	return (const GoarenaType *) TypedContextType(name, size, alignment, pointers);
}

static void *
api_alloc_array(MemoryContext context, const GoarenaType *type, Size count)
{
	return TypedContextAlloc(context, (const ga_type *) type, count);
}

static void *
api_resize_array(MemoryContext context, void *pointer, const GoarenaType *type, Size old_count,
				 Size count)
{
	return TypedContextResize(context, pointer, (const ga_type *) type, old_count, count);
}

static const GoarenaApi api = {
	.version = GOARENA_API_VERSION,
	.context_create = AdoptCreate,
	.is_arena = ContextIsArena,
	.set_finalizer = FinalizerSet,
	.free = TypedContextFree,
	.describe_pointer = PointerDescribe,
	.type_create = api_type_create,
	.alloc_array = api_alloc_array,
	.resize_array = api_resize_array,
	.clone = Clone,
};

/*
 * setting_check_chunk_size
 *		Chunks are cut from segments buddy fashion.
 */
static bool
setting_check_chunk_size(int *newval, void **extra, GucSource source)
{
	if ((*newval & (*newval - 1)) != 0)
	{
		GUC_check_errdetail("goarena.chunk_size must be a power of two.");
		GUC_check_errhint("Allowed are 64kB, 128kB, and so on to 64MB.");
		return false;
	}
	return true;
}

static void
setting_assign_bool(bool newval, void *extra)
{
	ProcessHeapSettingsChanged();
}

static void
setting_assign_int(int newval, void *extra)
{
	ProcessHeapSettingsChanged();
}

static void
setting_assign_real(double newval, void *extra)
{
	ProcessHeapSettingsChanged();
}

/*
 * define_statement_settings
 *		What is seen of statements.
 */
static void
define_statement_settings(void)
{
	DefineCustomEnumVariable(
		"goarena.track_statements", "Sets which statements goarena_statements counts.",
		"top counts those that clients send, all also those in functions.",
		&goarena_track_statements, TRACK_STATEMENTS_OFF, track_statements_options, PGC_SUSET, 0,
		NULL, AssignTrackStatements, NULL);
	DefineCustomIntVariable(
		"goarena.statements_max", "Sets the number of statements that goarena_statements keeps.",
		"When there are more, those used least are dropped.", &goarena_statements_max, 5000, 100,
		INT_MAX / 2, process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SUSET, 0,
		NULL, NULL, NULL);
	DefineCustomIntVariable("goarena.log_peak",
							"Logs statements that use this much memory at their peak.",
							"0 logs all statements, -1 none.", &goarena_log_peak, -1, -1,
							MAX_KILOBYTES, PGC_SUSET, GUC_UNIT_KB, NULL, AssignLogPeak, NULL);
#if PG_VERSION_NUM >= 180000
	DefineCustomBoolVariable(
		"goarena.explaining", "Watches statements that EXPLAIN executes.",
		"Set by EXPLAIN (GOARENA) itself, so that its parallel workers know it.",
		&goarena_explaining, false, PGC_SUSET,
		GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, NULL,
		AssignExplaining, NULL);
#endif
}

/*
 * define_history_settings
 *		What is kept for the time after a crash.
 */
static void
define_history_settings(void)
{
	DefineCustomIntVariable("goarena.history_interval",
							"Sets how often the recorder notes what each process holds.",
							"0 records no history.", &goarena_history_interval, 10000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, CheckHistoryInterval, NULL, NULL);
	DefineCustomIntVariable(
		"goarena.history_size", "Sets the size of the file that has the history.",
		"The oldest samples make room for new ones.", &goarena_history_size_kb, 16384,
		HISTORY_LEAST_SIZE, HISTORY_MOST_SIZE,
		process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SUSET, GUC_UNIT_KB,
		NULL, NULL, NULL);
}

static void
define_profile_settings(void)
{
	DefineCustomIntVariable(
		"goarena.profile_rate",
		"Sets how many bytes are allocated from one sample of the heap profile to the next.",
		"It is the mean of random distances; 0 takes no samples.", &goarena_profile_rate, 0, 0,
		INT_MAX, PGC_USERSET, GUC_UNIT_BYTE, NULL, AssignProfileRate, NULL);
	DefineCustomIntVariable(
		"goarena.profile_max", "Sets the number of rows that goarena_profile_all() can have.",
		"What finds no room is added up in one row.", &goarena_profile_max, 2000, 100, 1000000,
		process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SUSET, 0, NULL, NULL,
		NULL);
}

static void
define_limits(void)
{
	DefineCustomIntVariable("goarena.memory_limit", "Sets how much memory this process may hold.",
							"-1 means no limit.  Only superusers can raise it.",
							&goarena_memory_limit_kb, NO_LIMIT, NO_LIMIT, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, CheckMemoryLimit, AssignMemoryLimit, NULL);
	DefineCustomIntVariable("goarena.session_memory_limit",
							"Sets how much memory a session may hold with its parallel workers.",
							"-1 means no limit.  Only superusers can raise it.",
							&goarena_session_memory_limit_kb, NO_LIMIT, NO_LIMIT, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, CheckSessionMemoryLimit,
							AssignSessionMemoryLimit, NULL);
	DefineCustomIntVariable("goarena.user_memory_limit",
							"Sets how much memory all processes of a user together may hold.",
							"-1 means no limit.  It is the user who logged in that counts.",
							&goarena_user_memory_limit_kb, NO_LIMIT, NO_LIMIT, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, CheckUserMemoryLimit, AssignUserMemoryLimit,
							NULL);
	DefineCustomIntVariable("goarena.database_memory_limit",
							"Sets how much memory all processes of a database together may hold.",
							"-1 means no limit.  Holds only if the library is preloaded.",
							&goarena_database_memory_limit_kb, NO_LIMIT, NO_LIMIT, MAX_KILOBYTES,
							PGC_SUSET, GUC_UNIT_KB, CheckDatabaseMemoryLimit,
							AssignDatabaseMemoryLimit, NULL);
	DefineCustomStringVariable(
		"goarena.total_memory_limit", "Sets how much memory all processes together may hold.",
		"A size, or a share of the machine's memory such as 80%, less shared memory.  -1 means "
		"no limit.  Holds only if the library is preloaded.",
		&goarena_total_memory_limit, "-1", PGC_SIGHUP, 0, CheckTotalMemoryLimit,
		AssignTotalMemoryLimit, NULL);
	DefineCustomEnumVariable(
		"goarena.on_total_limit", "Sets what happens when goarena.total_memory_limit is reached.",
		"error refuses memory to the process that asks for it, cancel_largest cancels the "
		"statement of the session that holds the most, and cancel_or_terminate ends a session "
		"that cannot be cancelled.",
		&goarena_on_total_limit, ON_TOTAL_ERROR, on_total_limit_options, PGC_SUSET, 0, NULL, NULL,
		NULL);
}

/*
 * define_test_settings
 *		For tests of what cannot be had on each machine.  Nobody else sees it, and it is set by who
 *		starts the server.
 */
static void
define_test_settings(void)
{
	if (process_shared_preload_libraries_in_progress)
		DefineCustomStringVariable(
			"goarena.machine_root", "Sets where files of the kernel are looked for.",
			"For tests of goarena: a directory that has proc and the like.", &goarena_machine_root,
			"", PGC_POSTMASTER, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_SUPERUSER_ONLY, NULL,
			NULL, NULL);
}

/*
 * define_debug_settings
 *		What is for those who look for a bug.
 */
static void
define_debug_settings(void)
{
	DefineCustomEnumVariable(
		"goarena.allocation_stacks",
		"Keeps the call stack of each allocation in a quarantined arena.",
		"strict keeps it while goarena.quarantine is strict, and with efence.  A report of an access to freed "
		"memory then says who allocated it.",
		&goarena_allocation_stacks, ALLOCATION_STACKS_STRICT, allocation_stacks_options, PGC_SUSET,
		0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"goarena.debug", "Turns checks on that cost much.",
		"A list of clobber (freed memory is overwritten at once), efence (objects have pages of "
		"their own), checkmark (sweeps are done twice), alloctrace (allocations and frees are "
		"logged).",
		&goarena_debug, "", PGC_SUSET, 0, CheckDebug, AssignDebug, NULL);
	DefineCustomStringVariable(
		"goarena.debug_contexts", "Names the memory contexts that efence and alloctrace look at.",
		"A list of patterns as in goarena.contexts.", &goarena_debug_contexts, "*", PGC_SUSET, 0,
		CheckContextPatterns, AssignDebugContexts, NULL);
}

static void
define_settings(void)
{
	define_limits();
	DefineCustomBoolVariable("goarena.enabled", "Makes memory contexts into arenas.",
							 "Contexts that are arenas already stay so until they are deleted.",
							 &goarena_enabled, true, PGC_SUSET, 0, NULL, setting_assign_bool, NULL);
	DefineCustomStringVariable("goarena.contexts", "Names the memory contexts that become arenas.",
							   "A list of patterns; the first that matches decides.",
							   &goarena_contexts, "!CacheMemoryContext/, *", PGC_SUSET, 0,
							   CheckContextPatterns, AssignContextPatterns, NULL);
	DefineCustomEnumVariable(
		"goarena.quarantine", "Sets what becomes of memory when a context is reset or deleted.",
		"off uses it again at once, on sets it to fault later, when enough of it has "
		"been freed, and strict at once.",
		&goarena_quarantine, GA_QUARANTINE_ON, quarantine_options, PGC_SUSET, 0, NULL,
		setting_assign_int, NULL);
	DefineCustomRealVariable(
		"goarena.quarantine_sample_rate", "Sets the share of arenas that are quarantined.",
		"It is drawn anew each time an arena starts a life.  Below 0.1, contexts that begin or "
		"are reset more often than each 50 us of processor time count as if they did so that often.",
		&goarena_sample_rate, 0.002, 0.0, 1.0, PGC_SUSET, 0, NULL, setting_assign_real, NULL);
	DefineCustomIntVariable("goarena.chunk_size", "Sets the size of the largest chunk.",
							"A power of two.  Arenas start with small chunks and double.",
							&goarena_chunk_size_kb, 8192, 64, 65536, PGC_SUSET, GUC_UNIT_KB,
							setting_check_chunk_size, setting_assign_int, NULL);
	DefineCustomIntVariable(
		"goarena.sweep_percent",
		"Sweeps when the address space that came into quarantine reaches this share "
		"of the memory in use.",
		"-1 never sweeps by volume.", &goarena_sweep_percent, 100, -1, 10000, PGC_SUSET, 0, NULL,
		setting_assign_int, NULL);
	DefineCustomIntVariable("goarena.sweep_min",
							"Sets the least address space in quarantine that makes a sweep due.",
							"Addresses take no memory; less than 32MB counts as 32MB.",
							&goarena_sweep_min_kb, 16 * 1024 * 1024, 64, MAX_KILOBYTES, PGC_SUSET,
							GUC_UNIT_KB, NULL, setting_assign_int, NULL);
	DefineCustomIntVariable(
		"goarena.retain", "Sets how much unused memory a process keeps.",
		"What is beyond that goes back to the operating system when a statement ends.",
		&goarena_retain_kb, 16 * 1024, 0, MAX_KILOBYTES, PGC_SUSET, GUC_UNIT_KB, NULL,
		setting_assign_int, NULL);
	DefineCustomIntVariable(
		"goarena.idle_release", "Sets after what time an idle session gives back unused memory.",
		"0 means half a second, and ten until it sweeps where every arena is quarantined; -1 never.",
		&goarena_idle_release, 0, -1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"goarena.idle_retain", "Sets how much memory not in use an idle session keeps.",
		"With goarena.total_memory_limit it keeps none.", &goarena_idle_retain_kb, 256, 0,
		MAX_KILOBYTES, PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomEnumVariable("goarena.huge_pages", "Asks the kernel for transparent huge pages.",
							 "try asks for them in chunks of 2 MB and more.", &goarena_huge_pages,
							 0, huge_pages_options, PGC_SUSET, 0, NULL, setting_assign_int, NULL);
	DefineCustomEnumVariable(
		"goarena.trace", "Logs what goarena does.",
		"sweeps logs each sweep, all also each release of memory and the end of each process.",
		&goarena_trace, TRACE_OFF, trace_options, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"goarena.on_fault", "Sets what becomes of a process that touches freed memory.",
		"terminate ends that process alone where this is safe; crash lets the server restart.",
		&goarena_on_fault, FAULT_TERMINATE, on_fault_options, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"goarena.free_stacks", "Keeps the call stack of each free in a quarantined arena.",
		"A report of an access to freed memory then says who freed it.", &goarena_free_stacks, true,
		PGC_SUSET, 0, NULL, setting_assign_bool, NULL);
	DefineCustomIntVariable(
		"goarena.free_history", "Sets how many frees in quarantined arenas a session remembers.",
		"A report of an access to freed memory says more if its free is among them.",
		&goarena_free_history, 8192, 0, 262144, PGC_BACKEND, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"goarena.method_id",
		"Sets which entry of the server's table of memory contexts arenas take.",
		"auto takes the highest one that is unused.  PostgreSQL 15 has no such table.",
		&goarena_method_id, METHOD_ID_AUTO, method_id_options,
		process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SUSET, 0, NULL, NULL,
		NULL);
	define_statement_settings();
	define_test_settings();
	define_profile_settings();
	define_debug_settings();
	define_history_settings();
	MarkGUCPrefixReserved("goarena");
}

/*
 * loaded_on_purpose
 *		Not when a query calls one of our functions, or creates one.
 */
static bool
loaded_on_purpose(void)
{
	return process_shared_preload_libraries_in_progress || ActivePortal == NULL ||
		   ActivePortal->commandTag == CMDTAG_LOAD;
}

/*
 * log_start
 *		What goarena does in this server, in one line of its log.
 */
static void
log_start(void)
{
	static const char *const names[] = {
		"enabled",
		"quarantine",
		"quarantine_sample_rate",
		"on_fault",
		"memory_limit",
		"session_memory_limit",
		"user_memory_limit",
		"database_memory_limit",
		"total_memory_limit",
		"on_total_limit",
	};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(names); i++)
	{
		char name[64];
		char *value;

		snprintf(name, sizeof(name), "goarena.%s", names[i]);
		value = GetConfigOptionByName(name, NULL, false);
		appendStringInfo(&text, "%s%s = %s", i == 0 ? "" : ", ", names[i], value);
		pfree(value);
	}
	ereport(LOG, (errmsg("goarena %s starts: %s", GOARENA_VERSION, text.data)));
	pfree(text.data);
}

void
_PG_init(void)
{
	const char *wrong;

	define_settings();
	if (!loaded_on_purpose())
	{
		LimitSettingIdle("The library was loaded only to run its functions.");
		return;
	}

	process_heap_callbacks = &heap_callbacks;
	wrong = AdoptStart(process_shared_preload_libraries_in_progress);
	if (wrong != NULL)
	{
		ereport(WARNING, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						  errmsg("goarena cannot adopt memory contexts of this server"),
						  errdetail("%s", wrong), errhint("The server runs on without it.")));
		LimitSettingIdle("The library cannot adopt memory contexts of this server.");
		return;
	}
	PlainContextsFind();
	if (goarena_profile_rate > 0)
		PlainContextsWatchGrowth();
	ProcessInit();
	FaultInit();
	LimitsInit();
	ExecutorHooksInit();
	TransactionInit();
	LimitSettingInit(process_shared_preload_libraries_in_progress);
	if (process_shared_preload_libraries_in_progress)
	{
		SharedMemoryInit();
		RecorderInit();
		log_start();
	}
	*find_rendezvous_variable("goarena_api") = (void *) &api;
}
