/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  Quarantine: slots are spent, and their frames go on to other slots.
 *
 * Freed memory must fault, and its addresses must not be used again while a pointer to it may
 * exist.  One system call does both: it moves the pages of a slot away with their page table, and
 * leaves nothing behind.  The pages arrive in a slot that is free, and are READY there for any
 * arena.  Where the system refuses to move them, they are given back instead.
 *
 * Arenas share the nursery, or have slots of their own.  A slot is closed when no more chunks are
 * cut from it.  As long as something lives in a closed slot, it cannot move, and the pages of what
 * is dead there are waste.  When there is much waste, it is given back and set to fault where it
 * lies.
 *
 * The kernel moves page tables since Linux 5.1 on x86-64 and 5.11 on arm64 (HAVE_MOVE_PMD).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "annotate.h"
#include "heap.h"
#include "probes.h"

/*
 * slot_next
 *		Return the next chunk of a slot, as ga_segment_next does for a segment.
 */
static ga_chunk *
slot_next(const ga_heap *heap, const ga_slot *slot, uintptr_t *at)
{
	ga_chunk *chunk;

	if (*at == slot->base + slot->size)
		return NULL;
	chunk = ga_heap_lookup(heap, *at);
	*at += chunk->size;
	return chunk;
}

/*
 * slot_extent
 *		How many bytes from the base of a slot may have pages.
 */
static size_t
slot_extent(const ga_heap *heap, const ga_slot *slot)
{
	uintptr_t at = slot->base;
	size_t extent = 0;
	const ga_chunk *chunk;

	while ((chunk = slot_next(heap, slot, &at)) != NULL)
		if (chunk->touched > 0)
			extent = chunk->base + chunk->touched - slot->base;
	return extent;
}

/*
 * slot_unlist
 *		Take a slot off the list of wasteful ones, if it is there.
 */
static void
slot_unlist(ga_heap *heap, ga_slot *slot)
{
	if (!slot->wasteful)
		return;
	ga_list_remove(&heap->wasteful, &slot->link);
	heap->waste -= slot->dead;
	slot->wasteful = false;
}

/*
 * slot_frames_cool
 *		Put frames that moved long enough ago on the list of READY chunks.  Only those that moved
 *		last still wait.
 */
static void
slot_frames_cool(ga_heap *heap)
{
	ga_link *link = heap->cooling.head.prev;
	size_t bytes = 0;
	int frames = heap->config.sample_rate >= 1 ? GA_COOLING_FRAMES : GA_COOLING_SAMPLE;

	for (int i = 0; i < frames && link != &heap->cooling.head; i++)
	{
		bytes += ga_container(ga_chunk, link, link)->touched;
		if (bytes > GA_COOLING_BYTES)
			break;
		link = link->prev;
	}
	while (link != &heap->cooling.head)
	{
		ga_link *next = link->prev;
		ga_chunk *chunk = ga_container(ga_chunk, link, link);

		ga_list_remove(&heap->cooling, link);
		chunk->cools = false;
		heap->unmerged += chunk->size;
		ga_list_push_head(ga_chunk_free_list(heap, chunk), link);
		link = next;
	}
}

/*
 * slot_move
 *		Move the frame of a slot to another slot.  False if that did not work, or is not worth it: a
 *		slot that was punched has several mappings, which the kernel does not move; pages beyond
 *		what may be kept would be given back at once; and where mappings are scarce, a frame that
 *		waits costs one.
 */
static bool
slot_move(ga_heap *heap, ga_slot *slot)
{
	size_t extent = slot_extent(heap, slot);
	ga_chunk *only = ga_heap_lookup(heap, slot->base);
	ga_chunk *target;

	if (slot->punched || slot->size > GA_SEGMENT_SIZE || heap->moves_refused || extent == 0 ||
		(extent > heap->config.retain && !heap->keeps_excess) ||
		ga_heap_mappings(heap) >= heap->config.max_mappings)
		return false;
	if (only->accessible < only->size && !ga_chunk_set_accessible(heap, only, only->size))
		return false;
	target = ga_chunk_take_target(heap, slot->size);
	if (target == NULL || !ga_chunk_move(heap, slot->base, slot->size, target))
		return false;
	ga_chunk_arrived(heap, target, extent);
	target->moved_from = slot->base;
	target->cools = target->order == GA_SLOT_ORDER && extent <= GA_COOLING_BYTES;
	if (target->cools)
	{
		ga_list_push_tail(&heap->cooling, &target->link);
		slot_frames_cool(heap);
	}
	else
		ga_list_push_head(ga_chunk_free_list(heap, target), &target->link);
	return true;
}

/*
 * slot_dissolve
 *		Free the structs of a slot and of its chunks.  All that is left is that its addresses are
 *		spent.
 */
static void
slot_dissolve(ga_heap *heap, ga_slot *slot)
{
	uintptr_t at = slot->base;
	ga_chunk *chunk;

	GA_PROBE2(slot__spent, slot->base, slot->size);
	while ((chunk = slot_next(heap, slot, &at)) != NULL)
		ga_chunk_forget(heap, chunk);
	ga_map_leave(heap, slot->base, slot->size, true);
	ga_fixed_free(&heap->slot_structs, slot);
	heap->slots--;
}

/*
 * slot_leave
 *		Move the frame of a slot, or give its pages back.  False if the system does neither: the
 *		slot is then stuck.
 */
static bool
slot_leave(ga_heap *heap, ga_slot *slot)
{
	if (!slot_move(heap, slot))
	{
		heap->counters.drop_calls++;
		if (heap->os->leave((void *) slot->base, slot->size) != 0)
		{
			ga_heap_tell_failure(heap, GA_EVENT_FAULT_FAILED, &heap->fault_failure_told);
			ga_list_push_tail(&heap->stuck, &slot->link);
			return false;
		}
		heap->fault_failure_told = false;
	}
	slot_dissolve(heap, slot);
	return true;
}

/*
 * slot_spend
 *		Spend a slot in which everything was given up.  If that works, also try a slot again that
 *		was stuck.
 */
static void
slot_spend(ga_heap *heap, ga_slot *slot)
{
	ga_link *stuck = ga_list_first(&heap->stuck);

	slot_unlist(heap, slot);
	if (slot_leave(heap, slot) && stuck != NULL)
	{
		ga_list_remove(&heap->stuck, stuck);
		(void) slot_leave(heap, ga_container(ga_slot, link, stuck));
	}
	ga_heap_trim_excess(heap);
}

/*
 * slot_punch_run
 *		Give back the pages of dead neighbours, and access to them unless that costs too many
 *		mappings.
 */
static bool
slot_punch_run(ga_heap *heap, ga_slot *slot, uintptr_t from, uintptr_t to)
{
	bool closes = ga_heap_may_isolate(heap);
	ga_chunk *chunk;

	if ((closes ? heap->os->drop : heap->os->unuse)((void *) from, to - from) != 0)
	{
		ga_heap_tell_failure(heap, GA_EVENT_RELEASE_FAILED, &heap->release_failure_told);
		return false;
	}
	heap->release_failure_told = false;
	heap->counters.drop_calls++;
	while (from < to && (chunk = slot_next(heap, slot, &from)) != NULL)
	{
		slot->dead -= chunk->touched;
		ga_chunk_touch(heap, chunk, 0);
		if (closes)
			ga_chunk_note_access(heap, chunk, 0);
	}
	slot->punched = true;
	return true;
}

void
ga_slot_punch(ga_heap *heap, ga_slot *slot)
{
	uintptr_t at = slot->base;
	uintptr_t from = at;
	bool dead = false;
	const ga_chunk *chunk;

	slot_unlist(heap, slot);
	while ((chunk = slot_next(heap, slot, &at)) != NULL)
	{
		bool dies = chunk->state == GA_FAULT && chunk->touched > 0;

		if (dead && !dies && !slot_punch_run(heap, slot, from, chunk->base))
			return;
		if (dies && !dead)
			from = chunk->base;
		dead = dies;
	}
	if (dead)
		(void) slot_punch_run(heap, slot, from, at);
}

/*
 * slot_punch_wasteful
 *		Punch the slots that were closed first, as long as there is too much waste, or waste that is
 *		too old.
 */
static void
slot_punch_wasteful(ga_heap *heap)
{
	ga_link *link;

	while ((link = ga_list_first(&heap->wasteful)) != NULL)
	{
		ga_slot *slot = ga_container(ga_slot, link, link);

		if (heap->waste <= GA_WASTE_MAX &&
			heap->nurseries_closed - slot->wasteful_at < GA_WASTE_AGE)
			break;
		ga_slot_punch(heap, slot);
	}
}

/*
 * slot_died
 *		Spend a closed slot if nothing lives there any more, else put it on the list of wasteful
 *		ones.
 */
static void
slot_died(ga_heap *heap, ga_slot *slot)
{
	if (slot->live == 0)
	{
		slot_spend(heap, slot);
		return;
	}
	if (!slot->wasteful && slot->dead > 0)
	{
		ga_list_push_tail(&heap->wasteful, &slot->link);
		heap->waste += slot->dead;
		slot->wasteful_at = heap->nurseries_closed;
		slot->wasteful = true;
	}
	slot_punch_wasteful(heap);
}

/*
 * slot_chunk_die
 *		Count a chunk in a slot as dead.
 */
static void
slot_chunk_die(ga_heap *heap, ga_chunk *chunk)
{
	ga_slot *slot = chunk->slot;

	GA_MAKE_NOACCESS(chunk->base, chunk->accessible);
	chunk->arena = NULL;
	heap->fenced -= chunk->fenced;
	chunk->large = chunk->fenced = false;
	ga_chunk_set_state(heap, chunk, GA_FAULT);
	slot->dead += chunk->touched;
	if (slot->wasteful)
		heap->waste += chunk->touched;
}

void
ga_chunk_quarantine(ga_heap *heap, ga_chunk *chunk)
{
	ga_slot *slot = chunk->slot;

	assert(ga_state_is_owned(chunk->state) && slot != NULL);

	/* A chunk that was handed on has its record in the history already. */
	if (chunk->state != GA_REUSE)
		ga_history_add_chunk(heap, chunk);
	slot->live--;
	slot_chunk_die(heap, chunk);
	if (!slot->open)
		slot_died(heap, slot);
}

void
ga_chunk_hand_on(ga_heap *heap, ga_chunk *chunk)
{
	assert(chunk->order <= GA_HANDON_ORDER && !chunk->large && chunk->slot == heap->nursery);
	ga_history_add_chunk(heap, chunk);
	chunk->arena = NULL;
	chunk->freed = chunk->charged = 0;
	ga_chunk_set_state(heap, chunk, GA_REUSE);
	ga_list_push_head(&heap->reuse[chunk->order], &chunk->link);
}

/*
 * slot_retire_reuse
 *		Give up all chunks that wait to be handed on, since they would keep their slot alive for
 *		long.  All of them lie in the nursery.
 */
static void
slot_retire_reuse(ga_heap *heap)
{
	for (int order = 0; order <= GA_HANDON_ORDER; order++)
		ga_list_foreach_safe (link, &heap->reuse[order])
		{
			ga_list_remove(&heap->reuse[order], link);
			ga_chunk_quarantine(heap, ga_container(ga_chunk, link, link));
		}
}

void
ga_slot_close(ga_heap *heap, ga_slot **from)
{
	ga_slot *slot = *from;

	if (slot == NULL)
		return;
	if (slot == heap->nursery)
	{
		slot_retire_reuse(heap);
		heap->nurseries_closed++;
	}
	*from = NULL;
	slot->open = false;
	if (slot->rest != NULL)
		slot_chunk_die(heap, slot->rest);
	slot->rest = NULL;
	slot_died(heap, slot);
	slot_punch_wasteful(heap);
}

/*
 * slot_new
 *		Make a struct of a slot for a chunk of whole slots that was just taken.
 */
static ga_slot *
slot_new(ga_heap *heap, ga_chunk *chunk)
{
	ga_slot *slot = ga_fixed_alloc(&heap->slot_structs);

	if (slot == NULL)
		return NULL;
	memset(slot, 0, sizeof(*slot));
	slot->base = chunk->base;
	slot->size = chunk->size;
	chunk->slot = slot;
	heap->slots++;
	return slot;
}

bool
ga_slot_wrap(ga_heap *heap, ga_chunk *chunk)
{
	ga_slot *slot = slot_new(heap, chunk);

	if (slot == NULL)
		return false;
	slot->live = 1;
	return true;
}

void
ga_slot_abandon(ga_heap *heap, ga_chunk *chunk)
{
	ga_slot *slot = chunk->slot;
	uintptr_t base = chunk->base;
	size_t size = chunk->size;

	if (slot == NULL)
	{
		ga_chunk_forget(heap, chunk);
		ga_map_leave(heap, base, size, false);
		return;
	}
	ga_history_add_chunk(heap, chunk);
	slot_dissolve(heap, slot);
}

/*
 * slot_begin
 *		Begin a slot of which chunks can take limit bytes.
 */
static ga_slot *
slot_begin(ga_heap *heap, size_t limit)
{
	ga_chunk *chunk = ga_chunk_take(heap, GA_SLOT_ORDER);
	ga_slot *slot;

	if (chunk == NULL)
		return NULL;
	slot = slot_new(heap, chunk);
	if (slot == NULL)
	{
		ga_chunk_make_ready(heap, chunk);
		return NULL;
	}
	ga_chunk_set_state(heap, chunk, GA_NURSERY);
	slot->rest = chunk;
	slot->limit = limit;
	slot->open = true;
	return slot;
}

/*
 * slot_rest_cut
 *		Cut a chunk off the rest of a slot, with a struct that the caller has.
 */
static ga_chunk *
slot_rest_cut(ga_heap *heap, ga_chunk *rest, ga_chunk *chunk, size_t size)
{
	ga_granules *granules = ga_segment_of(heap, rest->base)->granules;
	int first = ga_granule_of(rest->base);

	*chunk = *rest;
	chunk->size = size;
	chunk->accessible = ga_min_size(rest->accessible, size);
	chunk->touched = ga_min_size(rest->touched, size);
	chunk->order = (uint8_t) ga_order_of(size);
	chunk->start = chunk->used = chunk->base;

	rest->base += size;
	rest->size -= size;
	rest->accessible -= chunk->accessible;
	rest->touched -= chunk->touched;
	heap->state_chunks[GA_NURSERY]++;
	for (int i = first; i < first + (int) (size >> GA_GRANULE_SHIFT); i++)
		granules->chunks[i] = chunk;
	return chunk;
}

/*
 * slot_has_room
 *		Can a chunk of size bytes be cut from the slot?
 */
static bool
slot_has_room(const ga_slot *slot, size_t size)
{
	return slot != NULL && slot->rest != NULL &&
		   slot->rest->base + size <= slot->base + slot->limit && size < slot->rest->size;
}

ga_chunk *
ga_slot_cut(ga_heap *heap, ga_slot **from, size_t size, size_t limit)
{
	ga_chunk *chunk = ga_fixed_alloc(&heap->chunk_structs);
	ga_slot *slot = *from;

	if (chunk == NULL)
		return NULL;
	if (!slot_has_room(slot, size))
	{
		slot = slot_begin(heap, limit);
		if (slot == NULL)
		{
			ga_fixed_free(&heap->chunk_structs, chunk);
			return NULL;
		}
		ga_slot_close(heap, from);
		*from = slot;
	}
	slot_rest_cut(heap, slot->rest, chunk, size);
	ga_chunk_set_state(heap, chunk, GA_ACTIVE);
	slot->live++;
	return chunk;
}

void
ga_heap_flush_faults(ga_heap *heap)
{
	ga_list_foreach_safe (link, &heap->stuck)
	{
		ga_list_remove(&heap->stuck, link);
		if (!slot_leave(heap, ga_container(ga_slot, link, link)))
			break;
	}
	if (heap->nursery != NULL && (heap->nursery->dead > 0 || heap->state_chunks[GA_REUSE] > 0))
		ga_slot_close(heap, &heap->nursery);
	ga_list_foreach_safe (link, &heap->wasteful)
		ga_slot_punch(heap, ga_container(ga_slot, link, link));
}

size_t
ga_heap_release(ga_heap *heap)
{
	size_t before = heap->touched;

	ga_heap_flush_faults(heap);
	ga_heap_trim(heap, 0);
	ga_heap_trim_metadata(heap);
	return before - heap->touched;
}
