/*-------------------------------------------------------------------------
 *
 * chunk.c
 *	  Reserving address space and cutting chunks from it.
 *
 * A heap arena begins as one FRESH chunk of 64 MB.  A request is served by
 * the ready list of its order; else by splitting the smallest larger chunk
 * that is free; else, after neighbours that are free were merged again, from
 * a new heap arena.  Merging waits until it is needed: workloads ask for the
 * same sizes over and over.
 *
 * Access is given in batches: ready chunks are handed out in order of
 * address, so those that come next on the list are usually the neighbours,
 * and one system call opens them all.
 *
 * Spans above 64 MB take as many heap arenas in a row as they need.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "annotate.h"
#include "heap.h"

/* Huge pages are worth asking for from this chunk size on. */
#define HUGE_PAGE_SIZE ((size_t) 2 << 20)

/*
 * free_list_of
 *		The list on which a FRESH or READY chunk stands.
 */
static ga_list *
free_list_of(ga_heap *heap, const ga_chunk *chunk)
{
	bool huge = chunk->size > GA_HEAP_ARENA_SIZE;

	if (chunk->state == GA_FRESH)
		return huge ? &heap->fresh_huge : &heap->fresh[chunk->order];
	return huge ? &heap->ready_huge : &heap->ready[chunk->order];
}

/*
 * ga_chunk_set_state
 *		Keeps the sums by state, and what is retained and released.
 */
void
ga_chunk_set_state(ga_heap *heap, ga_chunk *chunk, ga_chunk_state state)
{
	bool was_idle = ga_state_is_idle(chunk->state);
	bool is_idle = ga_state_is_idle(state);
	int candidates = (int) ga_state_is_candidate(state) - (int) ga_state_is_candidate(chunk->state);

	heap->state_bytes[chunk->state] -= chunk->size;
	heap->state_chunks[chunk->state]--;
	heap->state_bytes[state] += chunk->size;
	heap->state_chunks[state]++;

	if (is_idle && !was_idle)
	{
		heap->retained += chunk->touched;
		heap->released += chunk->size - chunk->touched;
		if (chunk->touched > 0)
			ga_list_push_tail(&heap->retained_lru, &chunk->retained);
	}
	else if (was_idle && !is_idle)
	{
		heap->retained -= chunk->touched;
		heap->released -= chunk->size - chunk->touched;
		if (chunk->touched > 0)
			ga_list_remove(&heap->retained_lru, &chunk->retained);
	}
	if (candidates != 0)
		ga_heap_arena_of(heap, chunk->base)->candidates += (size_t) candidates;
	chunk->state = (uint8_t) state;
}

void
ga_chunk_touch(ga_heap *heap, ga_chunk *chunk, size_t touched)
{
	assert(touched <= chunk->size);
	if (ga_state_is_idle(chunk->state))
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
 * granule_access
 *		Can the granule be accessed?  Granules of other heaps and of nobody
 *		count as not: a new heap arena adds to them.
 */
static bool
granule_access(const ga_heap *heap, uintptr_t addr)
{
	ga_heap_arena *heap_arena = ga_heap_arena_of(heap, addr);
	int granule = ga_granule_of(addr);

	return heap_arena != NULL && (heap_arena->access[granule / 64] >> (granule % 64) & 1) != 0;
}

/*
 * note_range
 *		Change the access bits of a range that had them all alike, and count
 *		how many boundaries between accessible and not come or go.
 */
static void
note_range(ga_heap *heap, uintptr_t from, uintptr_t to, bool access)
{
	if (from == to)
		return;

	heap->mappings += granule_access(heap, from - 1) == access ? (size_t) -1 : 1;
	heap->mappings += granule_access(heap, to) == access ? (size_t) -1 : 1;
	while (from < to)
	{
		ga_heap_arena *heap_arena = ga_heap_arena_of(heap, from);
		int granule = ga_granule_of(from);
		uint64_t *word = &heap_arena->access[granule / 64];

		if (granule % 64 == 0 && to - from >= 64 * GA_GRANULE_SIZE)
		{
			*word = access ? UINT64_MAX : 0;
			from += 64 * GA_GRANULE_SIZE;
			continue;
		}
		if (access)
			*word |= UINT64_C(1) << (granule % 64);
		else
			*word &= ~(UINT64_C(1) << (granule % 64));
		from += GA_GRANULE_SIZE;
	}
}

void
ga_chunk_note_access(ga_heap *heap, ga_chunk *chunk, size_t accessible)
{
	uintptr_t before = chunk->base + ga_align_up(chunk->accessible, GA_GRANULE_SIZE);
	uintptr_t after = chunk->base + ga_align_up(accessible, GA_GRANULE_SIZE);

	if (after > before)
		note_range(heap, before, after, true);
	else
		note_range(heap, after, before, false);
	heap->mapped += accessible - chunk->accessible;
	chunk->accessible = accessible;
}

/*
 * map_heap_arena
 *		Enter a heap arena into the two-level map and the ordered list.
 */
static bool
map_heap_arena(ga_heap *heap, ga_heap_arena *heap_arena)
{
	uintptr_t index = heap_arena->base >> GA_HEAP_ARENA_SHIFT;
	ga_map_leaf **leaf = &heap->map[index >> GA_MAP_L2_BITS];
	ga_heap_arena **at = &heap->heap_arenas;

	if (*leaf == NULL)
		*leaf = ga_persistent_alloc(&heap->metadata, sizeof(ga_map_leaf));
	if (*leaf == NULL)
		return false;
	(*leaf)->heap_arenas[index & ((1 << GA_MAP_L2_BITS) - 1)] = heap_arena;

	while (*at != NULL && (*at)->base < heap_arena->base)
		at = &(*at)->next;
	heap_arena->next = *at;
	*at = heap_arena;
	return true;
}

/*
 * unmap_heap_arenas
 *		Take back map_heap_arena for every heap arena in a range.
 */
static void
unmap_heap_arenas(ga_heap *heap, uintptr_t base, size_t size)
{
	ga_heap_arena **at = &heap->heap_arenas;

	while (*at != NULL)
	{
		ga_heap_arena *heap_arena = *at;
		uintptr_t index = heap_arena->base >> GA_HEAP_ARENA_SHIFT;

		if (heap_arena->base - base < size)
		{
			*at = heap_arena->next;
			heap->map[index >> GA_MAP_L2_BITS]->heap_arenas[index & ((1 << GA_MAP_L2_BITS) - 1)] =
				NULL;
			ga_fixed_free(&heap->heap_arena_structs, heap_arena);
		}
		else
			at = &heap_arena->next;
	}
}

/*
 * reserve_aligned
 *		Reserve heap arenas at the hint, or wherever there is room.
 */
static uintptr_t
reserve_aligned(ga_heap *heap, size_t size)
{
	const ga_os *os = heap->os;
	uintptr_t addr = (uintptr_t) os->reserve((void *) heap->hint, size);
	uintptr_t aligned;

	if (addr != 0 && addr % GA_HEAP_ARENA_SIZE == 0 && (addr + size) >> GA_ADDRESS_BITS == 0)
	{
		heap->hint = addr + size;
		return addr;
	}
	if (addr != 0)
		os->free((void *) addr, size);

	/* Ask for more than is needed and give back both ends. */
	addr = (uintptr_t) os->reserve(NULL, size + GA_HEAP_ARENA_SIZE);
	if (addr == 0)
		return 0;
	aligned = ga_align_up(addr, GA_HEAP_ARENA_SIZE);
	if ((aligned + size) >> GA_ADDRESS_BITS != 0)
	{
		os->free((void *) addr, size + GA_HEAP_ARENA_SIZE);
		return 0;
	}
	if (aligned > addr)
		os->free((void *) addr, aligned - addr);
	if (addr + GA_HEAP_ARENA_SIZE > aligned)
		os->free((void *) (aligned + size), addr + GA_HEAP_ARENA_SIZE - aligned);
	heap->hint = aligned + size;
	return aligned;
}

/*
 * grow
 *		Reserve heap arenas in a row, as one FRESH chunk.  NULL if address space
 *		or memory for metadata is used up.
 */
static ga_chunk *
grow(ga_heap *heap, size_t size)
{
	ga_chunk *chunk = ga_fixed_alloc(&heap->chunk_structs);
	uintptr_t base;
	uintptr_t at;

	if (chunk == NULL)
		return NULL;
	base = reserve_aligned(heap, size);
	if (base == 0)
	{
		ga_fixed_free(&heap->chunk_structs, chunk);
		return NULL;
	}

	for (at = base; at < base + size; at += GA_HEAP_ARENA_SIZE)
	{
		ga_heap_arena *heap_arena = ga_fixed_alloc(&heap->heap_arena_structs);

		if (heap_arena != NULL)
		{
			heap_arena->base = at;
			heap_arena->huge = size > GA_HEAP_ARENA_SIZE ? chunk : NULL;
		}
		if (heap_arena == NULL || !map_heap_arena(heap, heap_arena))
		{
			if (heap_arena != NULL)
				ga_fixed_free(&heap->heap_arena_structs, heap_arena);
			unmap_heap_arenas(heap, base, size);
			heap->os->free((void *) base, size);
			heap->hint = base;
			ga_fixed_free(&heap->chunk_structs, chunk);
			return NULL;
		}
	}

	memset(chunk, 0, sizeof(*chunk));
	chunk->base = base;
	chunk->size = size;
	chunk->order = GA_MAX_ORDER;
	chunk->state = GA_FRESH;
	if (size == GA_HEAP_ARENA_SIZE)
		ga_heap_arena_of(heap, base)->chunks[0] = chunk;

	heap->reserved += size;
	heap->state_bytes[GA_FRESH] += size;
	heap->state_chunks[GA_FRESH]++;
	ga_list_push_tail(free_list_of(heap, chunk), &chunk->link);
	return chunk;
}

/*
 * split
 *		Halve a free chunk; the upper half goes to the free list of its order.
 *		False if there is no memory for its metadata.
 */
static bool
split(ga_heap *heap, ga_chunk *chunk)
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

	chunk->size = half;
	chunk->order--;
	chunk->accessible = ga_min_size(chunk->accessible, half);
	chunk->touched = ga_min_size(chunk->touched, half);
	if (upper->touched > 0)
		ga_list_push_tail(&heap->retained_lru, &upper->retained);

	heap->state_chunks[chunk->state]++;
	ga_heap_arena_of(heap, upper->base)->chunks[ga_granule_of(upper->base)] = upper;
	ga_list_push_head(free_list_of(heap, upper), &upper->link);
	return true;
}

/*
 * merge
 *		Undo split: the upper half is dissolved into the lower one.  False, with
 *		nothing changed, if access rights differ and cannot be made equal.
 */
static bool
merge(ga_heap *heap, ga_chunk *lower, ga_chunk *upper)
{
	ga_chunk_state state = lower->state == GA_READY ? GA_READY : upper->state;

	if (upper->accessible > 0 && lower->accessible < lower->size)
	{
		if (heap->os->fault((void *) upper->base, upper->accessible) != 0)
			return false;
		ga_chunk_note_access(heap, upper, 0);
	}

	ga_list_remove(free_list_of(heap, lower), &lower->link);
	ga_list_remove(free_list_of(heap, upper), &upper->link);
	ga_chunk_set_state(heap, lower, state);
	ga_chunk_set_state(heap, upper, state);

	if (upper->touched > 0)
	{
		/* One number says how far pages are held, so count those between. */
		ga_chunk_touch(heap, lower, lower->size);
		ga_list_remove(&heap->retained_lru, &upper->retained);
		lower->touched += upper->touched;
	}
	lower->accessible += upper->accessible;
	lower->size *= 2;
	lower->order++;
	lower->huge_advised = lower->huge_advised && upper->huge_advised;
	heap->state_chunks[state]--;
	ga_list_push_tail(free_list_of(heap, lower), &lower->link);

	/* Map entries that still name the upper half must not match any address. */
	upper->size = 0;
	ga_fixed_free(&heap->chunk_structs, upper);
	return true;
}

ga_chunk *
ga_chunk_merge_ready(ga_heap *heap, ga_chunk *chunk)
{
	const ga_heap_arena *heap_arena = ga_heap_arena_of(heap, chunk->base);

	while (chunk->state == GA_READY && chunk->size < heap->config.window &&
		   (chunk->base & chunk->size) != 0)
	{
		ga_chunk *buddy = heap_arena->chunks[ga_granule_of(chunk->base - chunk->size)];
		bool open = buddy->accessible == buddy->size;

		if (buddy->base + buddy->size != chunk->base || buddy->size != chunk->size ||
			buddy->state != GA_READY || chunk->accessible != (open ? chunk->size : 0) ||
			!merge(heap, buddy, chunk))
			break;
		chunk = buddy;
	}
	return chunk;
}

static bool
is_free(const ga_chunk *chunk)
{
	return chunk->state == GA_READY || chunk->state == GA_FRESH;
}

/*
 * merge_free
 *		Merge all free buddies.  True if a chunk of the wanted order came out.
 */
static bool
merge_free(ga_heap *heap, int wanted)
{
	bool found = false;

	for (ga_heap_arena *heap_arena = heap->heap_arenas; heap_arena != NULL;
		 heap_arena = heap_arena->next)
	{
		uintptr_t at = heap_arena->base;

		if (heap_arena->huge != NULL)
			continue;
		while (at < heap_arena->base + GA_HEAP_ARENA_SIZE)
		{
			ga_chunk *chunk = heap_arena->chunks[ga_granule_of(at)];
			ga_chunk *lower = chunk;

			/* As long as the last chunk is an upper half, try to merge it. */
			while (is_free(lower) && lower->size < GA_HEAP_ARENA_SIZE &&
				   (lower->base & lower->size) != 0)
			{
				ga_chunk *buddy = heap_arena->chunks[ga_granule_of(lower->base - lower->size)];

				if (buddy->base + buddy->size != lower->base || buddy->size != lower->size ||
					!is_free(buddy) || !merge(heap, buddy, lower))
					break;
				lower = buddy;
			}
			if (is_free(lower) && lower->order >= wanted)
				found = true;
			at = lower->base + lower->size;
		}
	}
	return found;
}

/*
 * first_of
 */
static ga_chunk *
first_of(const ga_list *list)
{
	return ga_list_empty(list) ? NULL : ga_container(ga_chunk, link, ga_list_first(list));
}

/*
 * find_free
 *		A free chunk of at least the given order: the smallest there is, but
 *		fresh ones before large ready ones, which are wanted in their own size.
 */
static ga_chunk *
find_free(ga_heap *heap, int order)
{
	ga_chunk *chunk = first_of(&heap->ready[order]);

	for (int o = order + 1; chunk == NULL && (size_t) 1 << o <= heap->config.window; o++)
		chunk = first_of(&heap->ready[o]);
	for (int o = order; chunk == NULL && o <= GA_MAX_ORDER; o++)
		chunk = first_of(&heap->fresh[o]);
	for (int o = order + 1; chunk == NULL && o <= GA_MAX_ORDER; o++)
		chunk = first_of(&heap->ready[o]);
	return chunk;
}

/*
 * give_access
 *		Make a free chunk accessible, and the ready chunks that lie behind it:
 *		they will be asked for next.
 */
static bool
give_access(ga_heap *heap, ga_chunk *chunk)
{
	const ga_heap_arena *heap_arena = ga_heap_arena_of(heap, chunk->base);
	uintptr_t from = chunk->base + chunk->accessible;
	uintptr_t to = chunk->base + chunk->size;
	uintptr_t end = to;
	int (*call)(void *, size_t) = chunk->state == GA_FRESH ? heap->os->map : heap->os->use;

	if (chunk->accessible == chunk->size)
		return true;

	while (chunk->state == GA_READY && to < heap_arena->base + GA_HEAP_ARENA_SIZE)
	{
		const ga_chunk *next = heap_arena->chunks[ga_granule_of(to)];

		if (next->state != GA_READY || next->accessible != 0 ||
			to + next->size - from > heap->config.window)
			break;
		to += next->size;
	}
	if (call((void *) from, to - from) != 0)
	{
		/* There may be memory for one where there is none for all. */
		if (to == end || call((void *) from, end - from) != 0)
			return false;
		to = end;
	}
	heap->counters.use_calls++;
	ga_chunk_note_access(heap, chunk, chunk->size);
	while (end < to)
	{
		ga_chunk *next = heap_arena->chunks[ga_granule_of(end)];

		ga_chunk_note_access(heap, next, next->size);
		end += next->size;
	}
	return true;
}

/*
 * open_window
 *		Give access to a free chunk that is to be cut up, so that its parts need
 *		no call each.  If that fails, it may work for them.
 */
static void
open_window(ga_heap *heap, ga_chunk *chunk)
{
	if (!give_access(heap, chunk) || chunk->state != GA_FRESH)
		return;
	ga_list_remove(free_list_of(heap, chunk), &chunk->link);
	ga_chunk_set_state(heap, chunk, GA_READY);
	ga_list_push_head(free_list_of(heap, chunk), &chunk->link);
}

/*
 * find_chunk
 *		A free chunk of exactly the given order, still on its list.  What it is
 *		cut from is made accessible if it is no larger than the window.
 */
static ga_chunk *
find_chunk(ga_heap *heap, int order, size_t window)
{
	ga_chunk *chunk = find_free(heap, order);

	if (chunk == NULL && merge_free(heap, order))
		chunk = find_free(heap, order);
	if (chunk == NULL)
		chunk = grow(heap, GA_HEAP_ARENA_SIZE);
	if (chunk == NULL)
		return NULL;

	while (chunk->order > order)
	{
		ga_list *list;

		if (chunk->size <= window)
			open_window(heap, chunk);
		list = free_list_of(heap, chunk);
		if (!split(heap, chunk))
			return NULL;
		ga_list_remove(list, &chunk->link);
		ga_list_push_head(free_list_of(heap, chunk), &chunk->link);
	}
	return chunk;
}

/*
 * own
 *		Take a free chunk off its list and enter it into the map throughout.
 */
static ga_chunk *
own(ga_heap *heap, ga_chunk *chunk)
{
	ga_heap_arena *heap_arena = ga_heap_arena_of(heap, chunk->base);

	ga_list_remove(free_list_of(heap, chunk), &chunk->link);
	ga_chunk_set_state(heap, chunk, GA_ACTIVE);
	if (heap_arena->huge == NULL)
	{
		int first = ga_granule_of(chunk->base);
		int count = (int) (chunk->size >> GA_GRANULE_SHIFT);

		for (int i = first; i < first + count; i++)
			heap_arena->chunks[i] = chunk;
	}
	chunk->arena = NULL;
	chunk->arena_id = 0;
	chunk->start = chunk->used = chunk->base;
	chunk->freed = chunk->charged = 0;
	chunk->pinned_by = 0;
	chunk->large = false;
	GA_MAKE_NOACCESS(chunk->base, chunk->accessible);
	if (heap->config.huge_pages && !chunk->huge_advised && chunk->size >= HUGE_PAGE_SIZE)
		chunk->huge_advised = heap->os->huge((void *) chunk->base, chunk->size) == 0;
	return chunk;
}

ga_chunk *
ga_chunk_take(ga_heap *heap, int order)
{
	ga_chunk *chunk = find_chunk(heap, order, heap->config.window);

	if (chunk == NULL || !give_access(heap, chunk))
		return NULL;
	return own(heap, chunk);
}

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
		void *from = (void *) (chunk->base + bytes);
		size_t size = chunk->accessible - bytes;

		if (heap->os->unuse(from, size) != 0)
			return false;
		ga_chunk_touch(heap, chunk, ga_min_size(chunk->touched, bytes));
		if (heap->os->fault(from, size) != 0)
			return false;
		heap->counters.fault_calls++;
		ga_chunk_note_access(heap, chunk, bytes);
	}
	return true;
}

/*
 * best_fit
 *		The smallest chunk of a list that holds the given bytes, or NULL.
 */
static ga_chunk *
best_fit(const ga_list *list, size_t bytes)
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
 * find_huge
 *		A free run of heap arenas that holds the given bytes.  A fresh one is
 *		left over where access to it was refused.
 */
static ga_chunk *
find_huge(ga_heap *heap, size_t bytes)
{
	ga_chunk *best = best_fit(&heap->ready_huge, bytes);

	if (best == NULL)
		best = best_fit(&heap->fresh_huge, bytes);
	if (best == NULL)
		best = grow(heap, ga_align_up(bytes, GA_HEAP_ARENA_SIZE));
	return best;
}

/*
 * find_span
 *		A free chunk for a span of so many bytes, still on its list.
 */
static ga_chunk *
find_span(ga_heap *heap, size_t bytes)
{
	if (bytes > GA_HEAP_ARENA_SIZE)
		return find_huge(heap, bytes);
	return find_chunk(heap,
					  (int) ga_max_size((size_t) ga_order_of(bytes), (size_t) heap->min_order), 0);
}

ga_chunk *
ga_chunk_take_span(ga_heap *heap, size_t bytes, size_t room)
{
	ga_chunk *chunk = find_span(heap, room);

	if (chunk == NULL && room > bytes)
		chunk = find_span(heap, bytes);
	if (chunk == NULL)
		return NULL;
	if (chunk->accessible < bytes && !ga_chunk_set_accessible(heap, chunk, bytes))
		return NULL;
	return own(heap, chunk);
}
