/*-------------------------------------------------------------------------
 *
 * chunk.c
 *	  Cutting chunks from address space, buddy fashion.
 *
 * A request takes a chunk of its order that is READY. Without one, it splits the smallest larger
 * chunk that is free.  Without that, it first merges neighbours that are free, and then takes new
 * address space.  Merging waits until it is needed: workloads ask for the same sizes over and over.
 * Access is given to a slot at a time.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "annotate.h"
#include "heap.h"
#include "poison.h"

/*
 * chunk_is_closed
 *		Is the chunk smaller than a slot, and without access?  Then it costs mappings, as a gap
 *		between what can be accessed.
 */
static bool
chunk_is_closed(const ga_chunk *chunk)
{
	return chunk->size < GA_SLOT_SIZE && chunk->accessible == 0;
}

void
ga_chunk_note_access(ga_heap *heap, ga_chunk *chunk, size_t accessible)
{
	heap->closed -= chunk_is_closed(chunk);
	heap->mapped += accessible - chunk->accessible;
	chunk->accessible = accessible;
	heap->closed += chunk_is_closed(chunk);
}

/*
 * ga_chunk_set_state
 *		Keeps the sums by state right, and those of retained and released bytes.
 */
void
ga_chunk_set_state(ga_heap *heap, ga_chunk *chunk, ga_chunk_state state)
{
	heap->state_bytes[chunk->state] -= chunk->size;
	heap->state_chunks[chunk->state]--;
	heap->state_bytes[state] += chunk->size;
	heap->state_chunks[state]++;

	if (state == GA_READY && chunk->state != GA_READY)
	{
		heap->unmerged += chunk->size;
		heap->retained += chunk->touched;
		heap->released += chunk->size - chunk->touched;
		if (chunk->touched > 0)
			ga_list_push_tail(&heap->retained_lru, &chunk->retained);
	}
	else if (chunk->state == GA_READY && state != GA_READY)
	{
		heap->retained -= chunk->touched;
		heap->released -= chunk->size - chunk->touched;
		if (chunk->touched > 0)
			ga_list_remove(&heap->retained_lru, &chunk->retained);
	}
	chunk->state = (uint8_t) state;
}

void
ga_chunk_touch(ga_heap *heap, ga_chunk *chunk, size_t touched)
{
	assert(touched <= chunk->size);
	if (chunk->state == GA_READY)
	{
		heap->retained += touched - chunk->touched;
		heap->released -= touched - chunk->touched;
		if (chunk->touched == 0 && touched > 0)
			ga_list_push_tail(&heap->retained_lru, &chunk->retained);
		else if (chunk->touched > 0 && touched == 0)
			ga_list_remove(&heap->retained_lru, &chunk->retained);
		heap->touched += touched - chunk->touched;
	}
	else if (touched > chunk->touched)
		ga_heap_note_touched(heap, touched - chunk->touched);
	else
		heap->touched -= chunk->touched - touched;
	chunk->touched = touched;
}

/*
 * chunk_split
 *		Halve a free chunk; the upper half goes to the free list of its order.
 *		False if there is no memory for its metadata.
 */
static bool
chunk_split(ga_heap *heap, ga_chunk *chunk)
{
	size_t half = chunk->size / 2;
	ga_chunk *upper = ga_fixed_alloc(&heap->chunk_structs);

	if (upper == NULL)
		return false;

	memset(upper, 0, sizeof(*upper));
	upper->base = chunk->base + half;
	upper->size = half;
	upper->order = chunk->order - 1;
	upper->state = chunk->state;
	upper->huge_advised = chunk->huge_advised;
	upper->accessible = chunk->accessible > half ? chunk->accessible - half : 0;
	upper->touched = chunk->touched > half ? chunk->touched - half : 0;

	heap->closed -= chunk_is_closed(chunk);
	chunk->moved_from = 0;
	chunk->cools = false;
	chunk->size = half;
	chunk->order--;
	chunk->accessible = ga_min_size(chunk->accessible, half);
	chunk->touched = ga_min_size(chunk->touched, half);
	heap->closed += (size_t) chunk_is_closed(chunk) + chunk_is_closed(upper);
	if (upper->touched > 0)
		ga_list_push_tail(&heap->retained_lru, &upper->retained);

	heap->state_chunks[chunk->state]++;
	ga_segment_of(heap, upper->base)->granules->chunks[ga_granule_of(upper->base)] = upper;
	ga_list_push_head(ga_chunk_free_list(heap, upper), &upper->link);
	return true;
}

/*
 * chunk_merge
 *		Undo a split: the lower half takes in the upper one, whose struct goes.  False, with nothing
 *		changed, if their access rights differ and cannot be made equal.
 */
static bool
chunk_merge(ga_heap *heap, ga_chunk *lower, ga_chunk *upper)
{
	ga_chunk_state state = lower->state == GA_READY ? GA_READY : upper->state;

	if (upper->accessible > 0 && lower->accessible < lower->size)
	{
		if (heap->os->use((void *) (lower->base + lower->accessible),
						  lower->size - lower->accessible) != 0)
			return false;
		heap->counters.use_calls++;
		ga_chunk_note_access(heap, lower, lower->size);
	}

	ga_list_remove(ga_chunk_free_list(heap, lower), &lower->link);
	ga_list_remove(ga_chunk_free_list(heap, upper), &upper->link);
	ga_chunk_set_state(heap, lower, state);
	ga_chunk_set_state(heap, upper, state);

	if (upper->touched > 0)
	{
		/* One number says how far a chunk has pages, so those between the halves count, too. */
		ga_chunk_touch(heap, lower, lower->size);
		ga_list_remove(&heap->retained_lru, &upper->retained);
		lower->touched += upper->touched;
	}
	heap->closed -= (size_t) chunk_is_closed(lower) + chunk_is_closed(upper);
	lower->accessible += upper->accessible;
	lower->size *= 2;
	lower->order++;
	heap->closed += chunk_is_closed(lower);
	lower->moved_from = 0;
	lower->cools = false;
	lower->huge_advised = lower->huge_advised && upper->huge_advised;
	heap->state_chunks[state]--;
	ga_list_push_tail(ga_chunk_free_list(heap, lower), &lower->link);

	/* Map entries that still name the upper half must not match any address. */
	upper->size = 0;
	ga_fixed_free(&heap->chunk_structs, upper);
	return true;
}

static bool
chunk_is_free(const ga_chunk *chunk)
{
	return (chunk->state == GA_READY && !chunk->cools) || chunk->state == GA_FRESH;
}

/*
 * chunk_buddy_below
 *		Return the lower half of which the chunk is the upper one, if that is free; else NULL.
 */
static ga_chunk *
chunk_buddy_below(const ga_segment *segment, const ga_chunk *chunk)
{
	ga_chunk *buddy;

	if (!chunk_is_free(chunk) || chunk->size >= GA_SEGMENT_SIZE || (chunk->base & chunk->size) == 0)
		return NULL;
	buddy = segment->granules->chunks[ga_granule_of(chunk->base - chunk->size)];
	if (buddy == NULL || buddy->base + buddy->size != chunk->base || buddy->size != chunk->size ||
		!chunk_is_free(buddy))
		return NULL;
	return buddy;
}

/*
 * chunk_merge_free
 *		Merge all free buddies.  True if that made a chunk of the wanted order.
 */
static bool
chunk_merge_free(ga_heap *heap, int wanted)
{
	bool found = false;

	for (ga_segment *segment = heap->segments; segment != NULL; segment = segment->next)
	{
		uintptr_t at = segment->base;
		ga_chunk *chunk;

		if (segment->huge != NULL)
			continue;
		while ((chunk = ga_segment_next(segment, &at)) != NULL)
		{
			ga_chunk *buddy;

			/* While the chunk is an upper half, try to merge it. */
			while ((buddy = chunk_buddy_below(segment, chunk)) != NULL &&
				   chunk_merge(heap, buddy, chunk))
				chunk = buddy;
			if (chunk_is_free(chunk) && chunk->order >= wanted)
				found = true;
		}
	}
	heap->unmerged = 0;
	return found;
}

static ga_chunk *
chunk_first_of(const ga_list *list)
{
	return ga_list_empty(list) ? NULL : ga_container(ga_chunk, link, ga_list_first(list));
}

/*
 * chunk_find_fresh
 *		Find the smallest FRESH chunk of at least the given order, or NULL.
 */
static ga_chunk *
chunk_find_fresh(ga_heap *heap, int order)
{
	ga_chunk *chunk = NULL;

	for (; chunk == NULL && order <= GA_MAX_ORDER; order++)
		chunk = chunk_first_of(&heap->fresh[order]);
	return chunk;
}

/*
 * chunk_find_free
 *		Find the smallest free chunk of at least the given order.  FRESH ones come before READY ones
 *		above a slot, since these will be wanted in their own size.
 */
static ga_chunk *
chunk_find_free(ga_heap *heap, int order)
{
	ga_chunk *chunk = chunk_first_of(&heap->ready[order]);

	for (int o = order + 1; chunk == NULL && o <= GA_SLOT_ORDER; o++)
		chunk = chunk_first_of(&heap->ready[o]);
	if (chunk == NULL)
		chunk = chunk_find_fresh(heap, order);
	for (int o = order + 1; chunk == NULL && o <= GA_MAX_ORDER; o++)
		chunk = chunk_first_of(&heap->ready[o]);
	return chunk;
}

/*
 * chunk_give_access
 *		Make the first bytes of a free chunk accessible.
 */
static bool
chunk_give_access(ga_heap *heap, ga_chunk *chunk, size_t bytes)
{
	bool first = chunk->state == GA_FRESH && bytes == chunk->size;
	int (*call)(void *, size_t) = first ? heap->os->map : heap->os->use;

	if (chunk->accessible >= bytes)
		return true;
	if (call((void *) (chunk->base + chunk->accessible), bytes - chunk->accessible) != 0)
		return false;
	heap->counters.use_calls++;

	/* Where the system prefers huge pages, the first touch would take 2 MB. */
	if (chunk->accessible == 0 && chunk->size >= GA_SLOT_SIZE && !heap->config.huge_pages)
		(void) heap->os->small((void *) chunk->base, chunk->size);
	ga_chunk_note_access(heap, chunk, bytes);
	return true;
}

/*
 * chunk_open_slot
 *		Give access to a free slot before it is cut up, so that its parts need no system call each.
 *		If that fails, the parts try for themselves.
 */
static void
chunk_open_slot(ga_heap *heap, ga_chunk *chunk)
{
	if (!chunk_give_access(heap, chunk, chunk->size) || chunk->state != GA_FRESH)
		return;
	ga_list_remove(ga_chunk_free_list(heap, chunk), &chunk->link);
	ga_chunk_set_state(heap, chunk, GA_READY);
	ga_list_push_head(ga_chunk_free_list(heap, chunk), &chunk->link);
}

/*
 * chunk_split_down
 *		Split a free chunk until it has the given order.  False if there is no
 *		memory for metadata.
 */
static bool
chunk_split_down(ga_heap *heap, ga_chunk *chunk, int order)
{
	while (chunk->order > order)
	{
		ga_list *list;

		if (chunk->order == GA_SLOT_ORDER)
			chunk_open_slot(heap, chunk);
		list = ga_chunk_free_list(heap, chunk);
		if (!chunk_split(heap, chunk))
			return false;
		ga_list_remove(list, &chunk->link);
		ga_list_push_head(ga_chunk_free_list(heap, chunk), &chunk->link);
	}
	return true;
}

/*
 * find_chunk
 *		Find or make a free chunk of exactly the given order.  It is still on its list.
 */
static ga_chunk *
find_chunk(ga_heap *heap, int order)
{
	ga_chunk *chunk = chunk_find_free(heap, order);

	/* Merging looks at every chunk: not worth it while the heap only grows. */
	if (chunk == NULL && heap->unmerged > 0 && chunk_merge_free(heap, order))
		chunk = chunk_find_free(heap, order);

	/* The slots that were swept may be too small, so it can take several. */
	while (chunk == NULL && ga_map_grow(heap))
		chunk = chunk_find_free(heap, order);
	if (chunk == NULL && order <= GA_SLOT_ORDER)
		chunk = chunk_first_of(&heap->cooling);
	if (chunk == NULL || !chunk_split_down(heap, chunk, order))
		return NULL;
	return chunk;
}

ga_chunk *
ga_chunk_own(ga_heap *heap, ga_chunk *chunk)
{
	ga_segment *segment = ga_segment_of(heap, chunk->base);

	ga_chunk_set_state(heap, chunk, GA_ACTIVE);
	if (segment->huge == NULL)
	{
		size_t count = chunk->size >> GA_GRANULE_SHIFT;

		/* A slot has 256 granules, whose entries are not in a cache. */
		ga_fill(&segment->granules->chunks[ga_granule_of(chunk->base)], count * sizeof(chunk),
				(uintptr_t) chunk);
	}
	chunk->slot = NULL;
	chunk->arena = NULL;
	chunk->arena_id = 0;
	chunk->start = chunk->used = chunk->base;
	chunk->freed = chunk->charged = 0;
	chunk->moved_from = 0;
	chunk->cools = false;
	chunk->large = chunk->fenced = false;
	chunk->stack = 0;
	GA_MAKE_NOACCESS(chunk->base, chunk->accessible);
	if (heap->config.huge_pages && !chunk->huge_advised && chunk->size >= GA_SLOT_SIZE)
		chunk->huge_advised = heap->os->huge((void *) chunk->base, chunk->size) == 0;
	return chunk;
}

ga_chunk *
ga_chunk_take(ga_heap *heap, int order)
{
	ga_chunk *chunk = find_chunk(heap, order);

	if (chunk == NULL || !chunk_give_access(heap, chunk, chunk->size))
		return NULL;
	ga_list_remove(ga_chunk_free_list(heap, chunk), &chunk->link);
	return ga_chunk_own(heap, chunk);
}

ga_chunk *
ga_chunk_take_target(ga_heap *heap, size_t size)
{
	int order = ga_order_of(size);
	ga_chunk *chunk;

	if (size > GA_SEGMENT_SIZE)
		chunk = ga_map_grow_huge(heap, ga_align_up(size, GA_SEGMENT_SIZE));
	else
	{
		chunk = chunk_find_fresh(heap, order);
		while (chunk == NULL && ga_map_grow(heap))
			chunk = chunk_find_fresh(heap, order);
		if (chunk != NULL && !chunk_split_down(heap, chunk, order))
			return NULL;
	}
	if (chunk == NULL)
		return NULL;
	ga_list_remove(ga_chunk_free_list(heap, chunk), &chunk->link);
	return chunk;
}

void
ga_chunk_reserve_ahead(ga_heap *heap)
{
	if (heap->swept_slots > 0 && chunk_find_fresh(heap, GA_SLOT_ORDER) == NULL)
		(void) ga_map_grow(heap);
}

void
ga_chunk_arrived(ga_heap *heap, ga_chunk *chunk, size_t touched)
{
	ga_chunk_note_access(heap, chunk, chunk->size);
	chunk->touched = touched;
	heap->touched += touched;
	ga_chunk_set_state(heap, chunk, GA_READY);
}

void
ga_chunk_forget(ga_heap *heap, ga_chunk *chunk)
{
	heap->closed -= chunk_is_closed(chunk);
	heap->mapped -= chunk->accessible;
	heap->touched -= chunk->touched;
	heap->state_bytes[chunk->state] -= chunk->size;
	heap->state_chunks[chunk->state]--;

	/* Map entries that still name it must not match any address. */
	chunk->size = 0;
	ga_fixed_free(&heap->chunk_structs, chunk);
}

/*
 * ga_chunk_move
 *		EFAULT means that the pages lie in several mappings, and ENOMEM that the process has too
 *		many: both can go away.  After any other error, the heap does not try again.
 */
bool
ga_chunk_move(ga_heap *heap, uintptr_t from, size_t size, ga_chunk *target)
{
	int result = heap->os->move((void *) from, size, (void *) target->base, target->size);
	uintptr_t base = target->base;
	size_t target_size = target->size;

	heap->counters.move_calls++;
	if (result == 0)
		return true;
	if (errno != EFAULT && errno != ENOMEM)
	{
		heap->moves_refused = true;
		ga_heap_tell_failure(heap, GA_EVENT_MOVE_FAILED, &heap->move_failure_told);
	}
	if (result == GA_MOVE_LOST)
	{
		ga_chunk_forget(heap, target);
		ga_map_leave(heap, base, target_size, false);
	}
	else
		ga_list_push_head(ga_chunk_free_list(heap, target), &target->link);
	return false;
}

/*
 * ga_chunk_set_accessible
 *		Access is given up by one system call, so that it works as a whole or not at all.
 */
bool
ga_chunk_set_accessible(ga_heap *heap, ga_chunk *chunk, size_t bytes)
{
	if (bytes > chunk->accessible)
	{
		void *from = (void *) (chunk->base + chunk->accessible);

		if (heap->os->use(from, bytes - chunk->accessible) != 0)
			return false;
		heap->counters.use_calls++;
		ga_chunk_note_access(heap, chunk, bytes);
	}
	else if (bytes < chunk->accessible)
	{
		if (heap->os->drop((void *) (chunk->base + bytes), chunk->accessible - bytes) != 0)
			return false;
		heap->counters.drop_calls++;
		ga_chunk_touch(heap, chunk, ga_min_size(chunk->touched, bytes));
		ga_chunk_note_access(heap, chunk, bytes);
	}
	return true;
}

/*
 * chunk_best_fit
 *		Find the smallest chunk on a list that has room for bytes, or NULL.
 */
static ga_chunk *
chunk_best_fit(const ga_list *list, size_t bytes)
{
	ga_chunk *best = NULL;

	ga_list_foreach (link, list)
	{
		ga_chunk *chunk = ga_container(ga_chunk, link, link);

		if (chunk->size >= bytes && (best == NULL || chunk->size < best->size))
			best = chunk;
	}
	return best;
}

/*
 * chunk_find_huge
 *		Find a free chunk of whole segments that has room for bytes.  A FRESH one is there only if
 *		the system refused access to it before.
 */
static ga_chunk *
chunk_find_huge(ga_heap *heap, size_t bytes)
{
	ga_chunk *best = chunk_best_fit(&heap->ready_huge, bytes);

	if (best == NULL)
		best = chunk_best_fit(&heap->fresh_huge, bytes);
	if (best == NULL)
		best = ga_map_grow_huge(heap, ga_align_up(bytes, GA_SEGMENT_SIZE));
	return best;
}

/*
 * chunk_find_span
 *		Find or make a free chunk for a span of bytes.  It is still on its list.
 */
static ga_chunk *
chunk_find_span(ga_heap *heap, size_t bytes)
{
	if (bytes > GA_SEGMENT_SIZE)
		return chunk_find_huge(heap, bytes);
	return find_chunk(heap,
					  (int) ga_max_size((size_t) ga_order_of(bytes), (size_t) heap->min_order));
}

ga_chunk *
ga_chunk_take_span(ga_heap *heap, size_t bytes, size_t room)
{
	ga_chunk *chunk = chunk_find_span(heap, room);

	if (chunk == NULL && room > bytes)
		chunk = chunk_find_span(heap, bytes);
	if (chunk == NULL || !chunk_give_access(heap, chunk, bytes))
		return NULL;
	ga_list_remove(ga_chunk_free_list(heap, chunk), &chunk->link);
	return ga_chunk_own(heap, chunk);
}
