/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Reporting the events that the engine has kept.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/faults/fault.h"
#include "backend/maintenance/events.h"
#include "mcxt/foreign_text.h"
#include "mcxt/free_history.h"
#include "mcxt/process_heap.h"

/*
 * event_context_name
 *		The name of an arena's context, for people.  It lasts until the next call.
 */
static const char *
event_context_name(uint64 arena_id)
{
	static char copy[CONTEXT_NAME_LENGTH];
	const char *name = FreeHistoryContextName(arena_id);

	return name == NULL ? "unknown" : ForeignNameCopy(copy, name, sizeof(copy));
}

/*
 * event_report
 *		Report one event.  Only the log gets addresses and contents of memory.
 */
static void
event_report(const ga_event *event)
{
	errno = event->error;
	switch (event->kind)
	{
		case GA_EVENT_MAPPING_LIMIT:
			ereport(LOG,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("goarena no longer sets all freed memory to fault in this process"),
					 errdetail("It has about %zu memory mappings, and this may take %zu.",
							   event->size, process_heap.config.max_mappings),
					 errhint("Raise vm.max_map_count, or lower "
							 "goarena.quarantine_sample_rate.")));
			break;
		case GA_EVENT_FENCE_LIMIT:
			ereport(
				LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("goarena no longer gives all objects pages of their own in this process"),
				 errdetail("%zu objects have some.", event->size),
				 errhint("Raise vm.max_map_count, or name fewer contexts in "
						 "goarena.debug_contexts.")));
			break;
		case GA_EVENT_MOVE_FAILED:
			ereport(LOG, (errcode(ERRCODE_SYSTEM_ERROR),
						  errmsg("goarena could not move pages of freed memory: %m"),
						  errdetail("They are given back to the system instead, which takes "
									"longer."),
						  errhint("Kernels from Linux 5.1 on move page tables; a filter of system "
								  "calls must let mremap pass.")));
			break;
		case GA_EVENT_FAULT_FAILED:
			ereport(LOG, (errcode(ERRCODE_SYSTEM_ERROR),
						  errmsg("goarena could not set freed memory to fault: %m"),
						  errdetail(
							  "The memory is not used again before a sweep, and does not fault.")));
			break;
		case GA_EVENT_RELEASE_FAILED:
			ereport(LOG,
					(errcode(ERRCODE_SYSTEM_ERROR), errmsg("goarena could not release memory: %m"),
					 errdetail("The memory stays resident.")));
			break;
		case GA_EVENT_USE_AFTER_DELETE:
			FaultReportWrite(event);
			ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED),
							  errmsg("memory context \"%s\" was written to after it was deleted",
									 event_context_name(event->arena_id)),
							  errhint("Code registered a callback, or kept a pointer to it.")));
			break;
		case GA_EVENT_WRITE_AFTER_FREE:
			FaultReportWrite(event);
			ereport(WARNING,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("memory was written after pfree in memory context \"%s\"",
							event_context_name(event->arena_id)),
					 errdetail("An object of %zu bytes was changed at offset %zu.", event->size,
							   event->offset),
					 errdetail_log("Object %p of %zu bytes was changed at offset %zu to 0x%016llx.",
								   (void *) event->object, event->size, event->offset,
								   (unsigned long long) event->value)));
			break;
	}
}

void
ReportEvents(void)
{
	ga_event events[GA_MAX_EVENTS];
	int count = process_heap.num_events;
	uint64 lost = process_heap.lost_events;

	/* Reporting can itself leave new ones. */
	memcpy(events, process_heap.events, sizeof(ga_event) * (size_t) count);
	process_heap.num_events = 0;
	process_heap.lost_events = 0;

	for (int i = 0; i < count; i++)
		event_report(&events[i]);
	if (lost > 0)
		ereport(LOG, (errmsg("goarena lost " UINT64_FORMAT " further reports", lost)));
}
