/*-------------------------------------------------------------------------
 *
 * events.c
 *	  Events: what happened where the engine could not report it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>

#include "heap.h"

void
ga_heap_add_event(ga_heap *heap, const ga_event *event)
{
	if (heap->num_events < GA_MAX_EVENTS)
		heap->events[heap->num_events++] = *event;
	else
		heap->lost_events++;
}

void
ga_heap_tell_failure(ga_heap *heap, ga_event_kind kind, bool *told)
{
	ga_event event = {.kind = kind, .error = errno};

	if (!*told)
		ga_heap_add_event(heap, &event);
	*told = true;
}

/*
 * ga_heap_may_isolate
 *		The next chunk with access of its own can add two mappings.  Once the limit was reached, a
 *		sixteenth of the room must be free before there are more.
 */
bool
ga_heap_may_isolate(ga_heap *heap)
{
	size_t limit = heap->config.max_mappings;
	size_t mappings = ga_heap_mappings(heap);

	if (heap->isolation_stopped)
		limit -= limit / 16;
	if (mappings + 2 <= limit)
	{
		heap->isolation_stopped = false;
		return true;
	}
	if (!heap->isolation_stopped)
	{
		ga_event event = {.kind = GA_EVENT_MAPPING_LIMIT, .size = mappings};

		ga_heap_add_event(heap, &event);
		heap->isolation_stopped = true;
	}
	return false;
}
