/*-------------------------------------------------------------------------
 *
 * retain.c
 *	  Which pages are kept for chunks that are not in use.
 *
 * The heap keeps up to config.retain bytes of pages of READY chunks, those used last for the
 * longest.  While some work is under way that is likely to want more of them again, it can keep
 * more (ga_heap_keep_excess).
 *
 * A slot whose pages are all given back leaves the heap, so that it costs no mapping.  It is free
 * like a slot that was swept.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>

#include "annotate.h"
#include "heap.h"

void
ga_chunk_make_ready(ga_heap *heap, ga_chunk *chunk)
{
	assert(ga_state_is_owned(chunk->state) && chunk->slot == NULL);
	GA_MAKE_NOACCESS(chunk->base, chunk->accessible);
	chunk->arena = NULL;
	chunk->large = false;
	ga_chunk_set_state(heap, chunk, GA_READY);

	/* The chunk used last comes first, since its pages are likely to be in a cache. */
	ga_list_push_head(ga_chunk_free_list(heap, chunk), &chunk->link);
	ga_heap_trim_excess(heap);
}

/* A chunk that can keep at least this many bytes gives only its end back. */
#define TRIM_KEEPS ((size_t) 1 << 20)

/*
 * retain_give_back
 *		Give the pages between two addresses back.  If *closes, give access back with them, or the
 *		whole mapping if slots is true, as far as that does not cost too many mappings: memory that
 *		can be written counts against limits of the process even without pages.  Sets *closes to
 *		what was done.
 */
static bool
retain_give_back(ga_heap *heap, uintptr_t from, uintptr_t to, bool slots, bool *closes)
{
	int (*call)(void *, size_t) = heap->os->unuse;

	/* A slot that leaves costs no mapping any more. */
	if (*closes && (slots || ga_heap_may_isolate(heap)))
	{
		call = slots ? heap->os->leave : heap->os->drop;
		heap->counters.drop_calls++;
	}
	else
		*closes = false;
	if (call((void *) from, to - from) == 0)
	{
		heap->release_failure_told = false;
		return true;
	}
	ga_heap_tell_failure(heap, GA_EVENT_RELEASE_FAILED, &heap->release_failure_told);
	return false;
}

/*
 * retain_gave_back
 *		Record that all pages of a READY chunk were given back.
 */
static void
retain_gave_back(ga_heap *heap, ga_chunk *chunk, bool closes)
{
	uintptr_t base = chunk->base;
	size_t size = chunk->size;

	ga_chunk_touch(heap, chunk, 0);
	if (!closes)
		return;
	if (size < GA_SLOT_SIZE)
	{
		ga_chunk_note_access(heap, chunk, 0);
		return;
	}
	ga_list_remove(ga_chunk_free_list(heap, chunk), &chunk->link);
	ga_chunk_set_state(heap, chunk, GA_FRESH);
	ga_chunk_forget(heap, chunk);
	ga_map_leave(heap, base, size, false);
}

/*
 * retain_held_to
 *		Where the memory of a chunk ends that can be given back: slots leave as a whole.
 */
static uintptr_t
retain_held_to(const ga_chunk *chunk)
{
	if (chunk->size >= GA_SLOT_SIZE)
		return chunk->base + chunk->size;
	return chunk->base + ga_max_size(chunk->touched, chunk->accessible);
}

/*
 * retain_trim_run
 *		Give back the pages of the chunk that was used longest ago, and those of its neighbours that
 *		follow it in the list: as much as excess says, in bytes, or a little more.
 */
static bool
retain_trim_run(ga_heap *heap, size_t excess)
{
	ga_link *link = ga_list_first(&heap->retained_lru);
	ga_chunk *chunk = ga_container(ga_chunk, retained, link);
	uintptr_t from = chunk->base;
	size_t bytes = chunk->touched;
	bool slots = chunk->size >= GA_SLOT_SIZE;
	uintptr_t to = retain_held_to(chunk);
	size_t count = 1;
	bool closes = bytes < excess + TRIM_KEEPS;

	if (!closes)
	{
		size_t kept = ga_align_down(bytes - excess, GA_GRANULE_SIZE);

		if (!retain_give_back(heap, from + kept, from + bytes, slots, &closes))
			return false;
		ga_chunk_touch(heap, chunk, kept);
		return true;
	}

	while (chunk->base + chunk->size == to && bytes < excess &&
		   (link = ga_list_next(&heap->retained_lru, link)) != NULL)
	{
		chunk = ga_container(ga_chunk, retained, link);
		if (chunk->base != to || (chunk->size >= GA_SLOT_SIZE) != slots)
			break;
		bytes += chunk->touched;
		to = retain_held_to(chunk);
		count++;
	}
	if (!retain_give_back(heap, from, to, slots, &closes))
		return false;
	for (; count > 0; count--)
		retain_gave_back(heap, ga_container(ga_chunk, retained, ga_list_first(&heap->retained_lru)),
						 closes);
	return true;
}

/*
 * retain_trim_to
 *		Give pages back until target bytes are left.  A run of neighbours takes one system call.
 */
static void
retain_trim_to(ga_heap *heap, size_t target)
{
	while (heap->retained > target && !ga_list_empty(&heap->retained_lru))
		if (!retain_trim_run(heap, heap->retained - target))
			break;
}

/*
 * ga_heap_trim
 *		Goes an eighth below the aim, so that the next chunk does not make another call necessary.
 */
void
ga_heap_trim(ga_heap *heap, size_t retain)
{
	retain_trim_to(heap, retain - retain / 8);
}

void
ga_heap_trim_excess(ga_heap *heap)
{
	if (heap->retained > heap->config.retain && !heap->keeps_excess)
		ga_heap_trim(heap, heap->config.retain);
}

void
ga_heap_keep_excess(ga_heap *heap, bool keep)
{
	heap->keeps_excess = keep;
	heap->to_trim = 0;
	ga_heap_trim_excess(heap);
}

void
ga_heap_trim_step(ga_heap *heap)
{
	size_t excess = heap->retained - ga_min_size(heap->retained, heap->to_trim);

	if (heap->retained > heap->config.retain)
		retain_trim_to(heap, ga_max_size(heap->config.retain, excess));
	heap->to_trim = 0;
}
