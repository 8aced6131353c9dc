/*-------------------------------------------------------------------------
 *
 * fault_report.c
 *	  What a report of an access to freed memory says.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "backend/faults/fault_advice.h"
#include "backend/faults/fault_files.h"
#include "backend/faults/fault_report.h"
#include "backend/faults/symbols.h"
#include "backend/process/names.h"
#include "engine/careful.h"
#include "engine/delay.h"
#include "mcxt/error_context.h"
#include "mcxt/foreign_text.h"
#include "mcxt/free_history.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"

/* Bytes of a query in a report. */
#define QUERY_LENGTH 1024

/* Bytes of a query in a message to the client, which knows the query. */
#define SUMMARY_QUERY_LENGTH 200

/*
 * FaultReportNow
 *		As GetCurrentTimestamp, which may not be called in signal handlers.
 */
TimestampTz
FaultReportNow(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ((TimestampTz) ts.tv_sec - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) *
			   USECS_PER_SEC +
		   ts.tv_nsec / 1000;
}

/*
 * report_process
 *		Report which process this is: its type, user and database, as far as they are known.
 */
static void
report_process(ReportText *text)
{
	int pid = (int) getpid();
	int thread = (int) syscall(SYS_gettid);

	ReportKeyNumber(text, "pid", pid);
	if (pid != MyProcPid)
		ReportKeyNumber(text, "forked by", MyProcPid);
	if (thread != pid)
		ReportKeyNumber(text, "thread", thread);
	ReportKeyString(text, "backend type",
					MyBackendType == B_BG_WORKER && MyBgworkerEntry != NULL
						? MyBgworkerEntry->bgw_type
						: GetBackendTypeDesc(MyBackendType));
	ReportKeyString(text, "user", process_user_name);
	ReportKeyString(text, "database", process_database_name);
}

/*
 * report_foreign
 *		Copy a text that may itself have been freed.  The copy lasts until the next call.
 */
static const char *
report_foreign(const char *value)
{
	static char copy[QUERY_LENGTH];

	(void) ForeignTextCopy(copy, value, sizeof(copy));
	return copy;
}

/*
 * report_foreign_name
 *		Copy the name of a context, which may have been freed.  The copy lasts until the next call.
 */
static const char *
report_foreign_name(const char *value)
{
	static char copy[CONTEXT_NAME_LENGTH];

	return ForeignNameCopy(copy, value, sizeof(copy));
}

static void
report_foreign_text(ReportText *text, const char *key, const char *value)
{
	ReportKeyString(text, key, report_foreign(value));
}

static void
report_query(ReportText *text)
{
	report_foreign_text(text, "query", debug_query_string);
}

/*
 * report_parents
 *		Report the names of parents, which end with NULL.
 */
static void
report_parents(ReportText *text, const char *const *parents)
{
	ReportKey(text, "parents");
	for (int i = 0; i < ARENA_PARENTS && parents[i] != NULL; i++)
	{
		if (i > 0)
			ReportString(text, " < ");
		ReportLine(text, report_foreign_name(parents[i]));
	}
	ReportString(text, "\n");
}

/*
 * report_parents_of
 *		Report the parents of a context that is alive.
 */
static void
report_parents_of(ReportText *text, MemoryContext context)
{
	const char *parents[ARENA_PARENTS] = {NULL};
	int count = 0;

	for (MemoryContext up = context->parent; up != NULL && count < ARENA_PARENTS; up = up->parent)
		parents[count++] = up->name;
	report_parents(text, parents);
}

/*
 * report_object_at
 *		Find the freed object that an address lies in, in pages that are still there, or where they
 *		have moved.
 */
static const void *
report_object_at(uintptr_t address, const ga_freed_place *place)
{
	return ga_object_at(place->freed->from + place->moved, place->freed->to + place->moved,
						address + place->moved);
}

/*
 * report_object
 *		Report size and offset of a freed object.  For a large one, the record itself has them.
 */
static void
report_object(ReportText *text, uintptr_t address, const ga_freed_place *place)
{
	const ga_freed *freed = place->freed;
	const void *object;

	if (freed != NULL && freed->large)
	{
		ReportKeyNumber(text, "object size",
						(int64) (freed->to - freed->from - GA_HEADER_SIZE - freed->slack));
		ReportKeyNumber(text, "object offset", (int64) (address - freed->from - GA_HEADER_SIZE));
		return;
	}
	if (freed == NULL || freed->noscan || !place->readable)
		return;
	object = report_object_at(address, place);
	if (object != NULL)
	{
		bool free = (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_FREE;

		ReportKeyNumber(text, "object size",
						(int64) (free ? ga_object_size_any(object) : ga_object_requested(object)));
		ReportKeyNumber(text, "object offset",
						(int64) (address + place->moved - (uintptr_t) object));
	}
}

/*
 * report_record_of
 *		Find the record of how memory was freed; NULL if it is not, or no longer, known.
 */
static const FreeRecord *
report_record_of(const FaultMemory *memory)
{
	if (!memory->freed || memory->place.freed == NULL)
		return NULL;
	return FreeHistoryFind(memory->place.freed->note);
}

/*
 * report_kind_of
 *		Find the kind of a free, which says where in the code it was; NULL if it is not, or no
 *		longer, known.
 */
static const FreeKind *
report_kind_of(const FreeRecord *record)
{
	return record == NULL ? NULL : FreeHistoryKind(record);
}

/*
 * report_free_context
 *		Report the context that freed memory belonged to.
 */
static void
report_free_context(ReportText *text, const FreeKind *kind)
{
	if (kind == NULL)
	{
		ReportKeyString(text, "context", "unknown");
		return;
	}
	ReportKeyString(text, "context", report_foreign_name(kind->name));
	ReportKeyString(text, "ident", kind->ident);
	report_parents(text, kind->parents);
}

static void
report_advice(ReportText *text, const char *context, ga_freed_by how)
{
	ReportKeyString(text, "advice", FaultAdvice(report_foreign_name(context), how));
}

static void
report_free(ReportText *text, const FreeRecord *record)
{
	const FreeKind *kind = report_kind_of(record);
	const char *query;

	report_free_context(text, kind);
	if (record == NULL)
		return;
	query = FreeHistoryQuery(record);
	if (kind != NULL)
		ReportKeyString(text, "freed by", FreedByName(kind->how));
	ReportKey(text, "freed at");
	ReportTime(text, record->at);
	ReportString(text, "\n");
	ReportKeyNumber(text, "sweeps since", (int64) (process_heap.counters.sweeps - record->sweeps));
	ReportKeyNumber(text, "transactions since",
					(int64) (free_history_transactions - record->transactions));
	if (query != NULL)
		ReportKeyString(text, "query then", query);
	if (kind != NULL)
		report_advice(text, kind->name, kind->how);
}

/*
 * report_owner
 *		Report the context of an arena, which may be gone now.
 */
static void
report_owner(ReportText *text, uint64 arena_id)
{
	ArenaSet *set = FreeHistoryLiveSet(arena_id);

	ReportKeyNumber(text, "arena", (int64) arena_id);
	if (set != NULL)
	{
		ReportKeyString(text, "context", report_foreign_name(set->context->name));
		report_foreign_text(text, "ident", set->context->ident);
		report_parents_of(text, set->context);
	}
	else
		report_free_context(text, report_kind_of(FreeHistoryOfArena(arena_id)));
}

static void
report_place(ReportText *text, const FaultMemory *memory)
{
	const ga_freed_place *place = &memory->place;

	ReportKeyString(text, "chunk", ga_state_name(place->state));
	if (place->freed != NULL)
		ReportKeyNumber(text, "arena", (int64) place->freed->arena_id);
	report_free(text, report_record_of(memory));
	report_object(text, memory->address, place);
}

/*
 * report_freed_object
 *		Report an object that was freed in a context that lived on.
 */
static void
report_freed_object(ReportText *text, const ga_event *object)
{
	report_owner(text, object->arena_id);
	ReportKeyString(text, "freed by",
					FreedByName(object->kind == GA_EVENT_USE_AFTER_DELETE ? GA_FREED_BY_DELETE
																		  : GA_FREED_BY_PFREE));
	ReportKeyNumber(text, "object size", (int64) object->size);
	report_advice(text, NULL, GA_FREED_BY_PFREE);
}

/*
 * report_error_context
 *		Report an object of ErrorContext, which is no arena.
 */
static void
report_error_context(ReportText *text, const ga_event *object)
{
	ReportKeyString(text, "context", ERROR_CONTEXT_NAME);
	ReportKeyString(text, "parents", "TopMemoryContext");
	ReportKeyString(text, "freed by", FreedByName(GA_FREED_BY_RESET));
	ReportKeyNumber(text, "object size", (int64) object->size);
	report_advice(text, ERROR_CONTEXT_NAME, GA_FREED_BY_RESET);
}

/*
 * report_overrun
 *		Report an object that was overrun: it is not freed, and ends before the address.
 */
static void
report_overrun(ReportText *text, const ga_event *object)
{
	report_owner(text, object->arena_id);
	ReportKeyNumber(text, "object size", (int64) object->size);
	ReportKeyNumber(text, "object offset", (int64) object->offset);
	ReportKeyString(text, "advice", FaultAdviceOverrun());
}

/*
 * report_kind
 *		Report what every report begins with.  The time serves as the report's number.
 */
static void
report_kind(ReportText *text, const char *kind, const char *outcome)
{
	TimestampTz now = FaultReportNow();

	ReportKeyNumber(text, "id", now);
	ReportKey(text, "at");
	ReportTime(text, now);
	ReportString(text, "\n");
	report_process(text);
	ReportKeyNumber(text, FAULT_INSTANCE, (int64) FaultFilesInstance());
	ReportKeyString(text, "kind", kind);
	ReportKeyString(text, "outcome", outcome);
}

static void
report_address(ReportText *text, const char *key, uintptr_t address)
{
	ReportKey(text, key);
	ReportHex(text, address);
	ReportString(text, "\n");
}

void
FaultReportHead(ReportText *text, FaultKind kind, const FaultAccess *access)
{
	static const char *const names[] = {
		[FAULT_FOREIGN] = "unknown",
		[FAULT_ACCESS] = "access",
		[FAULT_FOLLOWED] = "pointer from freed memory",
		[FAULT_NEARBY] = "pointer to freed memory",
		[FAULT_OVERRUN] = "overrun",
	};

	report_kind(text, names[kind], access->outcome);
	ReportKeyString(text, "access", access->kind);
	report_address(text, "address", access->address);
}

void
FaultReport(ReportText *text, FaultKind kind, const FaultAccess *access, const FaultMemory *memory)
{
	FaultReportHead(text, kind, access);
	if (kind == FAULT_FOLLOWED && !access->guessed)
		ReportKeyNumber(text, "offset from pointer", (int64) (access->address - GA_POISON));
	if (kind == FAULT_NEARBY)
		report_address(text, "freed memory", memory->address);
	if (memory->freed)
		report_place(text, memory);
	else if (memory->rewound != 0)
	{
		report_owner(text, memory->rewound);
		ReportKeyString(text, "freed by", FreedByName(GA_FREED_BY_RESET));
	}
	else if (kind == FAULT_OVERRUN)
		report_overrun(text, &memory->object);
	else if (memory->in_error_context)
		report_error_context(text, &memory->object);
	else if (memory->is_object)
		report_freed_object(text, &memory->object);
	else
		ReportKeyString(text, "context", "unknown");
	if (memory->found_in != NULL)
		ReportKeyString(text, "object known from", memory->found_in);
	report_query(text);
}

static void
report_free_stack(ReportText *text, uint32 number)
{
	int depth;
	const uintptr_t *frames = StackStoreGet(number, &depth);

	ReportString(text, "free stack:\n");
	if (depth == 0)
		ReportString(text, "  unknown\n");
	else
		SymbolsReport(text, frames, depth, false);
}

/*
 * report_allocation_stack
 *		Report the stack of an allocation, by its number in the store of stacks; nothing if there is
 *		none.
 */
static void
report_allocation_stack(ReportText *text, uint32 number)
{
	int depth;
	const uintptr_t *frames = StackStoreGet(number, &depth);

	if (depth == 0)
		return;
	ReportString(text, "allocation stack:\n");
	SymbolsReport(text, frames, depth, false);
}

/*
 * report_allocation_of
 *		Find the number of the stack by which memory was allocated, or 0.
 */
static uint32
report_allocation_of(const FaultMemory *memory)
{
	const ga_freed *freed = memory->freed ? memory->place.freed : NULL;
	const void *object;

	if (memory->is_object)
		return memory->object.allocated;
	if (freed == NULL || !freed->stacked || freed->noscan)
		return 0;
	if (freed->large)
		return freed->stack;
	object = memory->place.readable ? report_object_at(memory->address, &memory->place) : NULL;
	return object != NULL && (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_LIVE
			   ? ga_object_stack(object)
			   : 0;
}

void
FaultReportStacks(ReportText *text, FaultKind fault, const FaultAccess *access,
				  const FaultMemory *memory)
{
	const FreeKind *kind = report_kind_of(report_record_of(memory));

	ReportString(text, "access stack:\n");
	SymbolsReport(text, access->stack, access->depth, true);
	report_allocation_stack(text, report_allocation_of(memory));
	if (fault == FAULT_OVERRUN)
		return;
	if (kind != NULL)
		report_free_stack(text, kind->stack);
	else
		report_free_stack(text, memory->is_object ? memory->object.freed : 0);
}

static void
report_summarize_access(ReportText *text, const FreeRecord *record)
{
	const FreeKind *kind = report_kind_of(record);

	if (kind == NULL)
	{
		ReportString(text, "It belonged to a memory context that is no longer known.");
		return;
	}
	ReportString(text, "It belonged to memory context \"");
	ReportLine(text, report_foreign_name(kind->name));
	ReportString(text, "\" and was freed by ");
	ReportString(text, FreedByName(kind->how));
	ReportString(text, " at ");
	ReportTime(text, record->at);
	ReportString(text, ".");
}

void
FaultSummary(ReportText *text, FaultKind kind, const FaultMemory *memory)
{
	const char *name = memory->in_error_context ? ERROR_CONTEXT_NAME
					   : memory->is_object		? FreeHistoryContextName(memory->object.arena_id)
												: NULL;

	if (kind == FAULT_OVERRUN)
	{
		ReportString(text, "An object of ");
		ReportNumber(text, (int64) memory->object.size);
		ReportString(text, " bytes was overrun in memory context \"");
		ReportLine(text, name == NULL ? "unknown" : report_foreign_name(name));
		ReportString(text, "\".");
		return;
	}
	if (kind == FAULT_ACCESS)
	{
		report_summarize_access(text, report_record_of(memory));
		return;
	}
	if (memory->is_object && memory->object.kind == GA_EVENT_USE_AFTER_DELETE)
	{
		ReportString(text, "A memory context was used after it was deleted");
		if (name != NULL)
		{
			ReportString(text, ": \"");
			ReportLine(text, report_foreign(name));
			ReportString(text, "\"");
		}
		ReportString(text, ".");
		return;
	}
	ReportString(text, memory->in_error_context
						   ? "A pointer was followed that had been read from freed memory"
						   : "A pointer was followed that had been read from an object freed by "
							 "pfree");
	if (name != NULL)
	{
		ReportString(text, ", probably in memory context \"");
		ReportLine(text, report_foreign_name(name));
		ReportString(text, "\"");
	}
	ReportString(text, ".");
}

void
FaultSummaryStatement(ReportText *text)
{
	char statement[SUMMARY_QUERY_LENGTH];

	if (!ForeignTextCopy(statement, debug_query_string, sizeof(statement)))
		return;
	ReportString(text, "  The statement was: ");
	ReportLine(text, statement);
}

void
FaultReportEvent(ReportText *text, const ga_event *event)
{
	report_kind(text, "write after free", "warning");
	ReportKeyString(text, "access", "write");
	report_address(text, "address", event->object + event->offset);
	report_freed_object(text, event);
	ReportKeyNumber(text, "object offset", (int64) event->offset);
	report_query(text);
	report_allocation_stack(text, event->allocated);
	report_free_stack(text, event->freed);
}

/*
 * FaultReportBadPointer
 *		If an object is freed twice, the first free is known while the object waits in the delay
 *		queue.
 */
void
FaultReportBadPointer(ReportText *text, const BadPointer *bad, const uintptr_t *stack, int depth)
{
	ga_event object = {0};
	bool freed = bad->result == GA_FREE_DOUBLE &&
				 ga_delay_find(&process_heap, (uintptr_t) bad->pointer, &object);

	report_kind(text, bad->result == GA_FREE_DOUBLE ? "double pfree" : "wrong pfree",
				bad->is_error ? "error" : "warning");
	ReportKeyString(text, "access", "free");
	report_address(text, "address", (uintptr_t) bad->pointer);
	if (freed)
		report_freed_object(text, &object);
	else
		ReportKeyString(text, "context", bad->context == NULL ? "unknown" : bad->context);
	ReportKeyString(text, "detail", bad->detail);
	report_query(text);
	ReportString(text, "access stack:\n");
	SymbolsReport(text, stack, depth, false);
	report_allocation_stack(text, object.allocated);
	report_free_stack(text, object.freed);
}
