/*-------------------------------------------------------------------------
 *
 * arena.c
 *	  The life of an arena, and allocation where the hot path gives up.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "arena.h"
#include "charge.h"
#include "delay.h"
#include "free_list.h"
#include "span.h"

/* A chunk is handed on only if at least this share of it is left, 1/8. */
#define HANDON_SHARE_LOG2 3

void
ga_arena_init(ga_arena *arena, ga_heap *heap, uint64_t owner, unsigned tag, size_t *meter,
			  size_t credit)
{
	memset(arena, 0, sizeof(*arena));
	arena->heap = heap;
	arena->owner = owner;
	arena->tag = tag & GA_HDR_TAG_MASK;
	arena->meter = meter;
	arena->credit = credit;
	arena->mode = ga_heap_draw_mode(heap);
	arena->next_order = heap->min_order;
	arena->active_first = UINTPTR_MAX;
	arena->trim_at = GA_TRIM_MIN;
	arena->id = ++heap->next_arena_id;
	ga_list_init(&arena->full);
	ga_list_init(&arena->large);
	ga_list_push_tail(&heap->arenas, &arena->link);
}

void
ga_arena_quarantine(ga_arena *arena)
{
	assert(arena->active == NULL && arena->full.count == 0 && arena->large.count == 0);
	arena->mode = arena->heap->config.quarantine;
}

/*
 * set_window
 *		Say where the fast path may free objects: wherever the active chunk has
 *		some, and nowhere else for now.
 */
GA_INLINE void
set_window(ga_arena *arena)
{
	arena->active_first = arena->active != NULL && arena->mode == GA_QUARANTINE_OFF
							  ? arena->active->start + GA_HEADER_SIZE
							  : UINTPTR_MAX;
	arena->full_first = arena->full_size = 0;
}

/*
 * widen_window
 *		The fast path may also free objects in the full chunk of the arena that an
 *		address lies in.  False if it lies in none.
 */
static GA_NOINLINE bool
widen_window(ga_arena *arena, uintptr_t addr)
{
	const ga_chunk *chunk;

	if (arena->mode != GA_QUARANTINE_OFF)
		return false;
	chunk = ga_heap_lookup(arena->heap, addr);
	if (chunk == NULL || chunk->arena != arena || chunk->state != GA_FULL || chunk->large)
		return false;
	arena->full_first = chunk->start + GA_HEADER_SIZE;
	arena->full_size = chunk->used - arena->full_first;
	return true;
}

/*
 * detach_active
 *		Leave the arena without an active chunk.
 */
static ga_chunk *
detach_active(ga_arena *arena)
{
	ga_chunk *chunk = arena->active;

	chunk->used = arena->ptr;
	arena->active = NULL;
	arena->ptr = arena->soft_end = arena->end = 0;
	set_window(arena);
	return chunk;
}

/*
 * give_up_chunk
 *		A chunk all of whose objects are dead is free again if no life of a
 *		quarantined arena left anything in it.
 */
static void
give_up_chunk(ga_arena *arena, ga_chunk *chunk)
{
	if (arena->mode == GA_QUARANTINE_OFF && chunk->start == chunk->base)
		ga_chunk_make_ready(arena->heap, chunk);
	else
		ga_chunk_quarantine(arena->heap, chunk);
}

/*
 * give_up_active
 *		A small chunk with room left is handed on, unless there are enough of
 *		those, or no life of a quarantined arena left anything in it.
 */
static void
give_up_active(ga_arena *arena)
{
	ga_heap *heap = arena->heap;
	ga_chunk *chunk = arena->active;
	size_t left;

	GA_MAKE_NOACCESS(chunk->start, arena->ptr - chunk->start);
	if (arena->mode == GA_QUARANTINE_OFF)
		arena->ptr = chunk->start;
	left = arena->end - arena->ptr;
	detach_active(arena);

	if (arena->mode != GA_QUARANTINE_STRICT && chunk->used > chunk->base &&
		chunk->order <= GA_HANDON_ORDER && left >= chunk->size >> HANDON_SHARE_LOG2 &&
		heap->reuse[chunk->order].count < GA_HANDON_MAX)
		ga_chunk_hand_on(heap, chunk);
	else
		give_up_chunk(arena, chunk);
}

/*
 * give_up_rest
 *		Free everything but the active chunk.
 */
static void
give_up_rest(ga_arena *arena)
{
	ga_delay_clear(arena);
	ga_free_list_clear(arena);
	set_window(arena);
	ga_list_foreach_safe (link, &arena->full)
	{
		ga_list_remove(&arena->full, link);
		give_up_chunk(arena, ga_container(ga_chunk, link, link));
	}
	ga_list_foreach_safe (link, &arena->large)
	{
		ga_list_remove(&arena->large, link);
		give_up_chunk(arena, ga_container(ga_chunk, link, link));
	}
}

void
ga_arena_destroy(ga_arena *arena)
{
	ga_heap *heap = arena->heap;

	ga_arena_note_free(arena, GA_FREED_BY_DELETE);
	ga_charge_all(arena, 0);
	give_up_rest(arena);
	ga_free_list_destroy(arena);
	if (arena->active != NULL)
		give_up_active(arena);
	if (arena->mode == GA_QUARANTINE_STRICT)
		ga_heap_flush_faults(heap);
	ga_list_remove(&heap->arenas, &arena->link);
}

/*
 * rewind_active
 *		Start again where the active chunk began.
 */
GA_INLINE void
rewind_active(ga_arena *arena, ga_chunk *chunk)
{
	GA_MAKE_NOACCESS(chunk->start, arena->ptr - chunk->start);
	arena->ptr = chunk->start;
}

/*
 * charge_credit
 *		As much as the credit allows is charged in advance, which spares small
 *		arenas the slow path.
 */
GA_INLINE void
charge_credit(ga_arena *arena, ga_chunk *chunk)
{
	size_t advance = ga_min_size(arena->credit, arena->end - arena->ptr);

	arena->soft_end = arena->ptr + advance;
	ga_charge_all(arena, advance);
	chunk->charged = advance;
	ga_charge_touch(arena, chunk);
}

/*
 * begin_life
 *		Start again in the active chunk: where it began, or in quarantined
 *		arenas where the last life ended.
 */
static void
begin_life(ga_arena *arena)
{
	ga_chunk *chunk = arena->active;

	if (arena->mode == GA_QUARANTINE_OFF)
		rewind_active(arena, chunk);
	else
	{
		GA_MAKE_NOACCESS(chunk->start, arena->ptr - chunk->start);
		chunk->start = arena->ptr;
	}
	charge_credit(arena, chunk);
}

bool
ga_arena_park(ga_arena *arena)
{
	ga_heap *heap = arena->heap;
	ga_chunk *chunk = arena->active;

	if (arena->mode != GA_QUARANTINE_OFF || chunk == NULL || chunk->start != chunk->base ||
		chunk->order > GA_HANDON_ORDER || heap->parked.count >= GA_PARKED_MAX)
		return false;

	heap->freed_note = 0;
	ga_charge_all(arena, 0);
	if (arena->full.count + arena->large.count > 0)
		give_up_rest(arena);
	else
		ga_free_list_clear(arena);
	rewind_active(arena, chunk);
	arena->soft_end = arena->ptr;
	chunk->charged = 0;
	ga_list_remove(&heap->arenas, &arena->link);
	ga_list_push_head(&heap->parked, &arena->link);
	return true;
}

/*
 * take_parked
 *		An arena is parked no longer; NULL if none is.
 */
static ga_arena *
take_parked(ga_heap *heap)
{
	ga_link *link = ga_list_first(&heap->parked);

	if (link == NULL)
		return NULL;
	ga_list_remove(&heap->parked, link);
	ga_list_push_tail(&heap->arenas, link);
	return ga_container(ga_arena, link, link);
}

ga_arena *
ga_arena_revive(ga_heap *heap, uint64_t owner, size_t *meter, size_t credit)
{
	ga_arena *arena = take_parked(heap);

	if (arena == NULL)
		return NULL;
	arena->owner = owner;
	arena->meter = meter;
	arena->credit = credit;
	arena->allocs = arena->frees = arena->resets = 0;
	arena->id = arena->active->arena_id = ++heap->next_arena_id;

	arena->mode = ga_heap_draw_mode(heap);
	if (GA_LIKELY(arena->mode == GA_QUARANTINE_OFF))
		charge_credit(arena, arena->active);
	else
	{
		/* The chunk would be lost to the next arena. */
		ga_chunk_make_ready(heap, detach_active(arena));
		arena->next_order = heap->min_order;
	}
	return arena;
}

ga_arena *
ga_arena_unpark(ga_heap *heap)
{
	ga_arena *arena = take_parked(heap);

	if (arena != NULL)
		ga_arena_destroy(arena);
	return arena;
}

/*
 * reset_slow
 *		Reset an arena that has more than one small chunk, or changes its mode.
 */
static GA_NOINLINE void
reset_slow(ga_arena *arena, ga_quarantine mode)
{
	ga_chunk *chunk = arena->active;
	bool keep =
		chunk != NULL && chunk->order <= GA_HANDON_ORDER && arena->mode != GA_QUARANTINE_STRICT;

	/* There may be no more to it than objects that were delayed. */
	if (!keep || arena->full.count > 0 || arena->large.count > 0)
		ga_arena_note_free(arena, GA_FREED_BY_RESET);
	ga_charge_all(arena, 0);
	give_up_rest(arena);
	if (chunk != NULL && !keep)
		give_up_active(arena);
	if (arena->mode == GA_QUARANTINE_STRICT)
		ga_heap_flush_faults(arena->heap);

	if (keep)
		begin_life(arena);
	else if (mode != GA_QUARANTINE_ON)
		arena->next_order = arena->heap->min_order;
	if (arena->next_order > GA_HANDON_ORDER)
		arena->next_order = GA_HANDON_ORDER;
	arena->mode = mode;
	set_window(arena);
}

void
ga_arena_reset(ga_arena *arena)
{
	ga_heap *heap = arena->heap;
	ga_quarantine mode = ga_heap_draw_mode(heap);

	arena->resets++;
	heap->counters.resets++;
	if (GA_LIKELY(mode == arena->mode && mode != GA_QUARANTINE_STRICT && arena->active != NULL &&
				  arena->active->order <= GA_HANDON_ORDER && arena->full.count == 0 &&
				  arena->large.count == 0 && arena->delay == NULL))
	{
		ga_free_list_clear(arena);
		begin_life(arena);
	}
	else
		reset_slow(arena, mode);
}

/*
 * take_handed_on
 *		A partly used chunk with enough room.  Those without are used up.
 */
static ga_chunk *
take_handed_on(ga_arena *arena, int order, size_t need)
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

GA_NOINLINE void
ga_arena_trim(ga_arena *arena)
{
	size_t vacant = 0;

	ga_list_foreach (link, &arena->full)
		ga_container(ga_chunk, link, link)->freed = 0;
	ga_free_list_count(arena);
	ga_list_foreach (link, &arena->full)
		vacant += ga_chunk_is_vacant(ga_container(ga_chunk, link, link));
	if (vacant > 0)
	{
		ga_arena_note_free(arena, GA_FREED_BY_PFREE);
		ga_free_list_drop_vacant(arena);
		set_window(arena);
		ga_list_foreach_safe (link, &arena->full)
		{
			ga_chunk *chunk = ga_container(ga_chunk, link, link);

			if (!ga_chunk_is_vacant(chunk))
				continue;
			ga_charge(arena, chunk, -(ptrdiff_t) chunk->charged);
			ga_list_remove(&arena->full, link);
			give_up_chunk(arena, chunk);
		}
		if (arena->mode == GA_QUARANTINE_STRICT)
			ga_heap_flush_faults(arena->heap);
	}
	arena->trim_at = ga_max_size(ga_max_size(2 * arena->free_bytes, GA_TRIM_MIN),
								 arena->full.count * GA_TRIM_PER_CHUNK);
}

void
ga_heap_trim_arenas(ga_heap *heap)
{
	ga_list_foreach (link, &heap->arenas)
	{
		ga_arena *arena = ga_container(ga_arena, link, link);

		if (arena->free_bytes > 0 && arena->full.count > 0)
			ga_arena_trim(arena);
	}
}

/*
 * refill
 *		Make a chunk with room for the given bytes the active one.
 */
static GA_NOINLINE bool
refill(ga_arena *arena, size_t need)
{
	ga_heap *heap = arena->heap;
	int least = (int) ga_max_size((size_t) ga_order_of(need), (size_t) heap->min_order);
	int order = least > arena->next_order ? least : arena->next_order;
	ga_chunk *chunk = NULL;

	if (order > heap->max_order)
		order = least > heap->max_order ? least : heap->max_order;
	if (arena->mode == GA_QUARANTINE_ON && order <= GA_HANDON_ORDER)
		chunk = take_handed_on(arena, order, need);
	if (chunk == NULL)
		chunk = ga_chunk_take(heap, order);
	if (chunk == NULL && order > least)
		chunk = ga_chunk_take(heap, least);
	if (chunk == NULL)
		return false;

	if (arena->active != NULL)
	{
		ga_chunk *old = detach_active(arena);

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
	set_window(arena);
	return true;
}

/*
 * has_room
 *		Does the limit leave room for so many bytes behind the bump pointer?  Which
 *		chunk the next one will be is not known: it counts as never used.
 */
static bool
has_room(const ga_arena *arena, size_t need)
{
	if (need <= arena->end - arena->ptr)
		return ga_charge_has_room(arena, arena->ptr + need);
	return ga_heap_has_room(arena->heap,
							ga_align_up(need + GA_CHARGE_STEP, arena->heap->os->page_size));
}

/*
 * place
 *		Count a new object and write its header.
 */
static void *
place(ga_arena *arena, void *object, int size_class, size_t requested)
{
	ga_counters *counters = &arena->heap->counters;
	size_t size = ga_class_size(size_class);

	arena->allocs++;
	counters->class_allocs[size_class]++;
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

GA_NOINLINE void *
ga_arena_recycle(ga_arena *arena, size_t size, size_t size_class, size_t rounded)
{
	void *object = ga_free_list_pop_fast(arena, &arena->small_free, rounded, (int) size_class);

	return ga_arena_begin_small(arena, (uintptr_t) object - GA_HEADER_SIZE, size, size_class,
								rounded);
}

/*
 * recycle_large
 *		Take a free object of a class above GA_SMALL_MAX, or return NULL.
 */
static void *
recycle_large(ga_arena *arena, int size_class, size_t requested)
{
	void *object = ga_free_list_pop(arena, size_class);

	if (object == NULL)
		return NULL;
	ga_charge(arena, ga_heap_lookup(arena->heap, (uintptr_t) object),
			  (ptrdiff_t) (ga_class_size(size_class) + GA_HEADER_SIZE));
	return place(arena, object, size_class, requested);
}

GA_NOINLINE void *
ga_arena_alloc_slow(ga_arena *arena, size_t size)
{
	int size_class;
	size_t need;
	uintptr_t object;
	void *recycled;

	if (size > arena->heap->large_threshold)
		return ga_span_alloc(arena, size);

	size_class = ga_class_of(size);
	if (size > GA_SMALL_MAX)
	{
		recycled = recycle_large(arena, size_class, size);
		if (recycled != NULL)
			return recycled;
	}
	need = ga_class_size(size_class) + GA_HEADER_SIZE;
	if (!has_room(arena, need) || (need > arena->end - arena->ptr && !refill(arena, need)))
		return NULL;
	object = arena->ptr + GA_HEADER_SIZE;
	arena->ptr += need;
	if (arena->ptr > arena->soft_end)
		ga_charge_to(arena, arena->ptr);
	return place(arena, (void *) object, size_class, size);
}

/*
 * find_object
 *		Is this an object of the arena that may be freed?  Finds its chunk, and
 *		unless that is large, its size class.
 */
GA_INLINE ga_free_result
find_object(const ga_arena *arena, const void *object, ga_chunk **found, int *size_class)
{
	uintptr_t addr = (uintptr_t) object;
	ga_chunk *chunk = arena->active;
	uint64_t header;
	uint64_t state;
	size_t size;

	if (GA_UNLIKELY(chunk == NULL || addr - chunk->base >= chunk->size))
	{
		chunk = ga_heap_lookup(arena->heap, addr);
		if (chunk == NULL)
			return ga_heap_arena_of(arena->heap, addr) != NULL ? GA_FREE_WILD : GA_FREE_FOREIGN;
		if (chunk->arena != arena)
			return GA_FREE_WILD;
	}
	*found = chunk;

	/* The rest of a span's chunk may fault. */
	if (chunk->large)
		return addr == chunk->start + GA_HEADER_SIZE ? GA_FREE_OK : GA_FREE_WILD;
	if (addr % GA_ALIGN != 0 || addr < chunk->start + GA_HEADER_SIZE ||
		addr > chunk->base + chunk->touched)
		return GA_FREE_WILD;
	header = ga_word_before(object);
	state = header & GA_HDR_STATE_MASK;
	if (state == GA_HDR_FREE || state == GA_HDR_DELAYED)
		return GA_FREE_DOUBLE;
	if (state != GA_HDR_LIVE || addr > ga_bump_of(arena, chunk))
		return GA_FREE_WILD;

	/* An interior pointer rarely has what looks like a header before it. */
	size = ga_header_size(header);
	*size_class = ga_class_of(size);
	if (size == 0 || size > ga_bump_of(arena, chunk) - addr || size != ga_class_size(*size_class))
		return GA_FREE_WILD;
	return GA_FREE_OK;
}

ga_free_result
ga_arena_check_object(const ga_arena *arena, const void *object)
{
	ga_chunk *chunk;
	int size_class;

	return find_object(arena, object, &chunk, &size_class);
}

/*
 * release_object
 *		An object's memory may be used again.  An object for which there is no
 *		room on a free list is left DELAYED, that is, dead until the reset.
 */
static void
release_object(ga_arena *arena, void *object, int size_class)
{
	size_t size = ga_class_size(size_class);

	*ga_object_header(object) |= GA_HDR_DELAYED;
	GA_MAKE_NOACCESS(object, size);
	if (!ga_free_list_push(arena, object, size_class))
		arena->lost_bytes += size + GA_HEADER_SIZE;
	else if (arena->free_bytes >= arena->trim_at)
		ga_arena_trim(arena);
}

/*
 * delay_object
 *		In a quarantined arena an object waits first.  Inlined: each of our own
 *		functions takes one of the GA_DELAY_STACK frames that are kept.
 */
GA_INLINE void
delay_object(ga_arena *arena, void *object, int size_class)
{
	void *oldest;

	if (!ga_delay_push(arena, object))
	{
		release_object(arena, object, size_class);
		return;
	}
	while ((oldest = ga_delay_pop(arena)) != NULL)
		release_object(arena, oldest, ga_class_of(ga_object_size(oldest)));
}

/*
 * is_last
 *		Was the object allocated last?  It must lie in the active chunk: the last
 *		object of a full chunk can end where an empty active chunk begins.
 */
static bool
is_last(const ga_arena *arena, const void *object, size_t size)
{
	return (uintptr_t) object + size == arena->ptr && (uintptr_t) object > arena->active->start;
}

ga_free_result
ga_arena_free_slow(ga_arena *arena, void *object)
{
	ga_chunk *chunk = NULL;
	int size_class = 0;
	ga_free_result result;
	size_t size;

	if (widen_window(arena, (uintptr_t) object) && ga_arena_free_fast(arena, object))
		return GA_FREE_OK;
	result = find_object(arena, object, &chunk, &size_class);
	if (GA_UNLIKELY(result != GA_FREE_OK))
		return result;

	arena->frees++;
	if (chunk->large)
	{
		ga_span_free(arena, chunk);
		return GA_FREE_OK;
	}

	size = ga_class_size(size_class);
	arena->heap->counters.class_frees[size_class]++;
	if (is_last(arena, object, size) && arena->mode != GA_QUARANTINE_STRICT)
	{
		/* What was allocated last is freed in place. */
		*ga_object_header(object) |= GA_HDR_DELAYED;
		GA_MAKE_NOACCESS(object, size);
		arena->ptr = (uintptr_t) object - GA_HEADER_SIZE;
		if (size > GA_SMALL_MAX)
			ga_charge_back(arena);
	}
	else
	{
		/* Not only when it leaves the delay queue: its owner counts on it. */
		if (size > GA_SMALL_MAX)
			ga_charge(arena, chunk, -(ptrdiff_t) (size + GA_HEADER_SIZE));
		if (arena->mode == GA_QUARANTINE_OFF)
			release_object(arena, object, size_class);
		else
			delay_object(arena, object, size_class);
	}
	return GA_FREE_OK;
}

ga_free_result
ga_arena_free(ga_arena *arena, void *object)
{
	return ga_arena_free_fast(arena, object) ? GA_FREE_OK : ga_arena_free_slow(arena, object);
}

/*
 * realloc_last
 *		Let the last object of the active chunk grow or shrink in place.
 */
static bool
realloc_last(ga_arena *arena, void *object, size_t size, size_t rounded)
{
	uintptr_t end = (uintptr_t) object + rounded;

	if (!is_last(arena, object, ga_object_size(object)) || end > arena->end ||
		size > arena->heap->large_threshold || arena->mode == GA_QUARANTINE_STRICT)
		return false;
	if (end > arena->soft_end && !ga_charge_has_room(arena, end))
		return false;

	if (end > arena->ptr)
	{
		GA_MAKE_UNDEFINED(arena->ptr, end - arena->ptr);
		arena->heap->counters.grown_bytes += end - arena->ptr;
	}
	else
		GA_MAKE_NOACCESS(end, arena->ptr - end);
	arena->ptr = end;
	if (end > arena->soft_end)
		ga_charge_to(arena, end);
	else if (arena->soft_end - end > GA_SMALL_MAX)
		ga_charge_back(arena);
	ga_object_set_header(arena, object, GA_HDR_LIVE, rounded, size);
	return true;
}

/*
 * make_room
 *		What grew once is likely to grow again: should it need another chunk, that
 *		shall be one in which it can, but in quarantined arenas it shall move: that
 *		shows who still points to the old place.  A small chunk stays one that a
 *		reset keeps.
 */
static void
make_room(ga_arena *arena, size_t size)
{
	size_t need = size + GA_HEADER_SIZE;
	int largest = arena->heap->max_order;
	int order = ga_order_of(GA_GROWTH * size);

	if (size <= GA_SMALL_MAX || need <= arena->end - arena->ptr || arena->mode != GA_QUARANTINE_OFF)
		return;
	if (ga_order_of(need) <= GA_HANDON_ORDER && largest > GA_HANDON_ORDER)
		largest = GA_HANDON_ORDER;
	if (order > largest)
		order = largest;
	if (order > arena->next_order)
		arena->next_order = order;
}

void *
ga_arena_realloc(ga_arena *arena, void *object, size_t size)
{
	size_t old_size = ga_object_size(object);
	size_t rounded;
	void *copy;

	if (ga_heap_lookup(arena->heap, (uintptr_t) object)->large)
		return ga_span_realloc(arena, object, size);

	rounded = size > arena->heap->large_threshold ? size : ga_class_round(size);
	if (rounded != old_size && realloc_last(arena, object, size, rounded))
		return object;

	/* An object that is much too large is worth moving. */
	if (rounded <= old_size && (old_size <= GA_SMALL_MAX || rounded > old_size / 2))
	{
		ga_object_set_header(arena, object, GA_HDR_LIVE, old_size, size);
		return object;
	}

	if (rounded > old_size)
		make_room(arena, rounded);
	copy = size > arena->heap->large_threshold ? ga_span_alloc_growing(arena, size)
											   : ga_arena_alloc(arena, size);
	if (copy == NULL)
	{
		if (rounded > old_size)
			return NULL;
		ga_object_set_header(arena, object, GA_HDR_LIVE, old_size, size);
		return object;
	}
	memcpy(copy, object, ga_min_size(ga_object_requested(object), size));
	(void) ga_arena_free(arena, object);
	return copy;
}

/*
 * add_usage
 *		Only pages that were given count, not what a chunk or a span has room for.
 */
static void
add_usage(const ga_arena *arena, const ga_chunk *chunk, ga_arena_usage *usage)
{
	usage->chunks++;
	usage->chunk_bytes += chunk->large ? chunk->used - chunk->base : chunk->touched;
	usage->used_bytes += ga_bump_of(arena, chunk) - chunk->start;
}

void
ga_arena_get_usage(const ga_arena *arena, ga_arena_usage *usage)
{
	memset(usage, 0, sizeof(*usage));
	if (arena->active != NULL)
		add_usage(arena, arena->active, usage);
	ga_list_foreach (link, &arena->full)
		add_usage(arena, ga_container(ga_chunk, link, link), usage);
	ga_list_foreach (link, &arena->large)
		add_usage(arena, ga_container(ga_chunk, link, link), usage);

	usage->used_bytes -= arena->free_bytes + arena->delayed_bytes + arena->lost_bytes;
	usage->free_bytes = arena->free_bytes;
	if (arena->active != NULL)
		usage->free_bytes += arena->active->base + arena->active->touched - arena->ptr;
	usage->dead_bytes = usage->chunk_bytes - usage->used_bytes - usage->free_bytes;
	usage->free_objects = ga_free_list_objects(arena);
}

size_t
ga_object_size_any(const void *object)
{
	return (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_FREE
			   ? ga_free_object_size(object)
			   : ga_object_size(object);
}

void *
ga_object_at(uintptr_t start, uintptr_t end, uintptr_t address)
{
	while (end - start > GA_HEADER_SIZE && address - start < end - start)
	{
		void *object = (void *) (start + GA_HEADER_SIZE);
		size_t size = ga_object_size_any(object);

		if (size == 0 || size > end - (uintptr_t) object)
			return NULL;
		if (address - (uintptr_t) object < size)
			return object;
		start = (uintptr_t) object + size;
	}
	return NULL;
}

/*
 * walk_chunk
 */
static void
walk_chunk(const ga_arena *arena, const ga_chunk *chunk, void (*visit)(void *, void *),
		   void *context)
{
	uintptr_t end = ga_bump_of(arena, chunk);

	for (uintptr_t at = chunk->start; at < end;)
	{
		void *object = (void *) (at + GA_HEADER_SIZE);

		if ((*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_LIVE)
			visit(object, context);
		at = (uintptr_t) object + ga_object_size_any(object);
	}
}

void
ga_arena_walk(const ga_arena *arena, void (*visit)(void *object, void *context), void *context)
{
	if (arena->active != NULL)
		walk_chunk(arena, arena->active, visit, context);
	ga_list_foreach (link, &arena->full)
		walk_chunk(arena, ga_container(ga_chunk, link, link), visit, context);
	ga_list_foreach (link, &arena->large)
		walk_chunk(arena, ga_container(ga_chunk, link, link), visit, context);
}
