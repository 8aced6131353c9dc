/*-------------------------------------------------------------------------
 *
 * alloc.c
 *	  Allocation where the fast path cannot do it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>

#include "arena.h"
#include "charge.h"
#include "free_list.h"
#include "profile.h"
#include "span.h"

/* Pages that are had in one call, in bytes: worth a call, and no burden. */
#define POPULATE_MIN ((size_t) 16 << 10)
#define POPULATE_MAX ((size_t) 128 << 10)

/*
 * alloc_take_handed_on
 *		Take a chunk that an earlier arena handed on and that has enough room.  Those without are
 *		given up.
 */
static ga_chunk *
alloc_take_handed_on(ga_arena *arena, int order, size_t need)
{
	ga_heap *heap = arena->heap;
	ga_list *list = &heap->reuse[order];
	ga_link *link;

	while ((link = ga_list_first(list)) != NULL)
	{
		ga_chunk *chunk = ga_container(ga_chunk, link, link);

		ga_list_remove(list, link);
		if (chunk->base + chunk->size - chunk->used >= need)
		{
			ga_chunk_set_state(heap, chunk, GA_ACTIVE);
			return chunk;
		}
		ga_chunk_quarantine(heap, chunk);
	}
	return NULL;
}

/*
 * alloc_take_new
 *		Take a new chunk of the given order: in quarantined arenas from a slot, else from the heap.
 */
static ga_chunk *
alloc_take_new(ga_arena *arena, int order)
{
	ga_heap *heap = arena->heap;
	size_t size = (size_t) 1 << order;
	ga_chunk *chunk;

	if (arena->mode != GA_QUARANTINE_OFF && order < GA_SLOT_ORDER)
	{
		/* Where slots become too many, strict arenas share one, too. */
		bool own = size > GA_NURSERY_MAX || (arena->mode == GA_QUARANTINE_STRICT &&
											 (arena->slot != NULL || ga_heap_may_isolate(heap)));

		return own ? ga_slot_cut(heap, &arena->slot, size, GA_SLOT_SIZE)
				   : ga_slot_cut(heap, &heap->nursery, size, GA_NURSERY_SIZE);
	}
	chunk = ga_chunk_take(heap, order);
	if (chunk != NULL && arena->mode != GA_QUARANTINE_OFF && !ga_slot_wrap(heap, chunk))
	{
		ga_chunk_make_ready(heap, chunk);
		return NULL;
	}
	return chunk;
}

GA_NOINLINE bool
ga_arena_refill(ga_arena *arena, size_t need)
{
	ga_heap *heap = arena->heap;
	int least = (int) ga_max_size((size_t) ga_order_of(need), (size_t) heap->min_order);
	int order = least > arena->next_order ? least : arena->next_order;
	uintptr_t bump = arena->ptr;
	ga_chunk *chunk = NULL;

	if (order > heap->max_order)
		order = least > heap->max_order ? least : heap->max_order;
	if (arena->mode == GA_QUARANTINE_ON && order <= GA_HANDON_ORDER)
		chunk = alloc_take_handed_on(arena, order, need);
	if (chunk == NULL)
		chunk = alloc_take_new(arena, order);
	if (chunk == NULL && order > least)
		chunk = alloc_take_new(arena, least);
	if (chunk == NULL)
		return false;

	if (arena->active != NULL)
	{
		ga_chunk *old;

		ga_charge_back(arena);
		old = ga_arena_detach_active(arena);
		ga_chunk_set_state(heap, old, GA_FULL);
		ga_list_push_head(&arena->full, &old->link);
	}
	chunk->arena = arena;
	chunk->arena_id = arena->id;
	chunk->start = chunk->used;
	arena->active = chunk;
	arena->ptr = arena->soft_end = chunk->start;
	arena->end = chunk->base + chunk->size;
	arena->next_order = chunk->order < heap->max_order ? chunk->order + 1 : chunk->order;
	ga_arena_set_window(arena);
	ga_profile_moved(arena, bump);
	return true;
}

/*
 * alloc_has_room
 *		Does the limit leave room for need bytes behind the bump pointer?  If they need another
 *		chunk, that counts as never touched, since nobody knows yet which one it will be.
 */
static bool
alloc_has_room(const ga_arena *arena, size_t need)
{
	if (need <= arena->end - arena->ptr)
		return ga_charge_has_room(arena, arena->ptr + need);
	return ga_heap_has_room(arena->heap,
							ga_align_up(need + GA_CHARGE_STEP, arena->heap->os->page_size));
}

/*
 * alloc_place
 *		Count a new object and write its header.
 */
static void *
alloc_place(ga_arena *arena, void *object, int size_class, size_t requested)
{
	ga_counters *counters = &arena->heap->counters;
	size_t size = ga_class_size(size_class);

	arena->allocs++;
	counters->classes[size_class].allocs++;
	if (size_class >= GA_SMALL_CLASSES)
	{
		counters->medium_allocs++;
		counters->medium_bytes += size;
	}
	GA_MAKE_UNDEFINED((uintptr_t) object - GA_HEADER_SIZE, GA_HEADER_SIZE + size);
	ga_object_set_header(arena, object, GA_HDR_LIVE, size, requested);
#if GA_OWNER_WORD
	((uint64_t *) object)[-1] = arena->owner;
#endif
	return object;
}

GA_HOT GA_NOINLINE void *
ga_arena_recycle(ga_arena *arena, size_t size, size_t size_class, size_t rounded)
{
	void *object = ga_free_list_pop_fast(arena, &arena->small_free, rounded, (int) size_class);

	object =
		ga_arena_begin_small(arena, (uintptr_t) object - GA_HEADER_SIZE, size, size_class, rounded);
	if (ga_profile_watches(arena))
		ga_profile_count(arena, object, rounded + GA_HEADER_SIZE);
	return object;
}

/*
 * alloc_recycle_large
 *		Take a free object of a class above GA_SMALL_MAX, or return NULL.
 */
static void *
alloc_recycle_large(ga_arena *arena, int size_class, size_t requested)
{
	void *object = ga_free_list_pop(arena, size_class);

	if (object == NULL)
		return NULL;
	ga_charge(arena, ga_heap_lookup(arena->heap, (uintptr_t) object),
			  (ptrdiff_t) (ga_class_size(size_class) + GA_HEADER_SIZE));
	object = alloc_place(arena, object, size_class, requested);
	if (ga_profile_watches(arena))
		ga_profile_count(arena, object, ga_class_size(size_class) + GA_HEADER_SIZE);
	return object;
}

/*
 * alloc_populate
 *		An arena that has grown far goes on to grow: have the next pages of its chunk in one
 *		system call instead of a page fault each.  They are a 32nd part of the chunk, and
 *		so less than that of what the arena has, its smaller chunks included.  They count
 *		as touched, not as charged.  A system that refuses them once is not asked again.
 */
static void
alloc_populate(ga_arena *arena)
{
	ga_heap *heap = arena->heap;
	ga_chunk *chunk = arena->active;
	size_t batch = ga_align_down(ga_min_size(chunk->size / 32, POPULATE_MAX), heap->os->page_size);
	size_t from = chunk->touched;
	int saved_errno = errno;

	if (batch < POPULATE_MIN || chunk->typed || heap->populate_refused ||
		arena->ptr - chunk->base > from + batch || from + batch > chunk->size ||
		!ga_heap_may_hold(heap, batch))
		return;
	if (heap->os->populate((void *) (chunk->base + from), batch) != 0)
		heap->populate_refused = true;
	ga_chunk_touch(heap, chunk, from + batch);
	errno = saved_errno;
}

GA_NOINLINE void *
ga_arena_alloc_slow(ga_arena *arena, size_t size)
{
	int size_class;
	size_t need;
	bool sampled = false;
	uintptr_t header;
	void *object;

	if (size > arena->heap->large_threshold)
		return ga_span_alloc(arena, size);

	size_class = ga_class_of(size);
	if (size > GA_SMALL_MAX)
	{
		object = alloc_recycle_large(arena, size_class, size);
		if (object != NULL)
			return object;
	}
	need = ga_class_size(size_class) + GA_HEADER_SIZE;
	if (!alloc_has_room(arena, need) ||
		(need > arena->end - arena->ptr && !ga_arena_refill(arena, need)))
		return NULL;
	header = arena->ptr;
	arena->ptr += need;
	if (arena->ptr > arena->soft_end)
	{
		sampled = ga_profile_passed(arena);
		if (arena->ptr > arena->active->base + arena->active->touched)
			alloc_populate(arena);
		ga_charge_to(arena, arena->ptr);
		ga_heap_touched(arena->heap);
	}
	object = alloc_place(arena, (void *) (header + GA_HEADER_SIZE), size_class, size);
	if (GA_UNLIKELY(sampled))
		ga_profile_add(arena, object, need);
	return object;
}
