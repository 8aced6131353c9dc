/*-------------------------------------------------------------------------
 *
 * free.c
 *	  Freeing objects one by one where the fast path cannot do it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "arena.h"
#include "careful.h"
#include "charge.h"
#include "delay.h"
#include "free_list.h"
#include "profile.h"
#include "span.h"
#include "special.h"
#include "type_map.h"

/*
 * free_widen_window
 *		Let the fast path also free objects in the full chunk of the arena that an address lies in.
 *		False if it lies in no such chunk.
 */
static bool
free_widen_window(ga_arena *arena, uintptr_t addr)
{
	ga_chunk *chunk = ga_heap_lookup(arena->heap, addr);

	if (chunk == NULL || chunk->arena != arena || chunk->state != GA_FULL || chunk->large ||
		chunk->typed)
		return false;
	ga_arena_leave_full_chunk(arena);
	arena->full_chunk = chunk;
	arena->full_freed = chunk->freed;
	arena->full_first = chunk->start + GA_HEADER_SIZE;
	arena->full_size = chunk->used - arena->full_first;
	return true;
}

GA_NOINLINE void
ga_arena_trim(ga_arena *arena)
{
	size_t vacant = 0;

	ga_arena_leave_full_chunk(arena);
	ga_list_foreach (link, &arena->full)
	{
		const ga_chunk *chunk = ga_container(ga_chunk, link, link);

		vacant += ga_chunk_is_vacant(chunk) ? chunk->freed : 0;
	}
	if (vacant > 0)
	{
		ga_arena_note_free(arena, GA_FREED_BY_PFREE);
		ga_free_list_drop_vacant(arena, vacant);
		ga_list_foreach_safe (link, &arena->full)
		{
			ga_chunk *chunk = ga_container(ga_chunk, link, link);

			if (!ga_chunk_is_vacant(chunk))
				continue;
			ga_charge(arena, chunk, -(ptrdiff_t) chunk->charged);
			ga_list_remove(&arena->full, link);
			ga_chunk_leave(arena, chunk);
		}
		if (arena->slot != NULL)
			ga_slot_punch(arena->heap, arena->slot);
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
 * free_find_object
 *		Is this an object of the arena that can be freed?  Finds its chunk and, unless that is a
 *		span, its size.
 */
GA_INLINE ga_free_result
free_find_object(const ga_arena *arena, const void *object, ga_chunk **found, size_t *found_size)
{
	uintptr_t addr = (uintptr_t) object;
	uintptr_t bump = arena->ptr;
	ga_chunk *chunk = arena->active;
	uint64_t header;
	size_t size;

	/* Most lie in the active chunk, below the bump pointer. */
	if (GA_UNLIKELY(chunk == NULL || addr - chunk->start >= bump - chunk->start))
	{
		chunk = ga_heap_lookup(arena->heap, addr);
		if (chunk == NULL)
			return ga_segment_of(arena->heap, addr) != NULL ? GA_FREE_WILD : GA_FREE_FOREIGN;
		if (chunk->arena != arena)
			return GA_FREE_WILD;
		*found = chunk;

		/* The rest of a span's chunk may fault. */
		if (chunk->large)
			return addr == chunk->start + GA_HEADER_SIZE ? GA_FREE_OK : GA_FREE_WILD;
		if (ga_chunk_in_back(chunk, addr))
			return GA_FREE_NOSCAN;
		if (addr > chunk->base + chunk->touched)
			return GA_FREE_WILD;
		bump = ga_bump_of(arena, chunk);
	}
	*found = chunk;
	if (addr % GA_ALIGN != 0 || addr < chunk->start + GA_HEADER_SIZE)
		return GA_FREE_WILD;
	header = ga_word_before(object);
	if (GA_UNLIKELY((header & GA_HDR_STATE_MASK) != GA_HDR_LIVE))
		return (header & GA_HDR_STATE_MASK) == 0 ? GA_FREE_WILD : GA_FREE_DOUBLE;

	/* A pointer into an object rarely has a word before it that looks like a header. */
	size = ga_header_size(header);
	if (addr > bump || size - 1 >= bump - addr ||
		(size > GA_LINEAR_MAX && size != ga_class_round(size)))
		return GA_FREE_WILD;
	*found_size = size;
	return GA_FREE_OK;
}

ga_free_result
ga_arena_check_object(const ga_arena *arena, const void *object)
{
	ga_chunk *chunk;
	size_t size;
	ga_free_result result = free_find_object(arena, object, &chunk, &size);

	return result == GA_FREE_OK && ga_special_runs(arena, object) ? GA_FREE_DOUBLE : result;
}

/*
 * free_end_specials
 *		End the specials of an object that is to be freed.  A special that runs must not free its
 *		own object once more: that is GA_FREE_DOUBLE.
 */
static GA_NOINLINE ga_free_result
free_end_specials(ga_arena *arena, void *object)
{
	if (ga_special_runs(arena, object))
		return GA_FREE_DOUBLE;
	ga_special_end_object(arena, object, GA_FREED_BY_PFREE);
	return GA_FREE_OK;
}

/*
 * free_release_object
 *		Put an object on its free list.  Where there is no memory for the lists, it stays DELAYED,
 *		and its memory is lost until the reset.
 */
static GA_NOINLINE void
free_release_object(ga_arena *arena, void *object)
{
	size_t size = ga_object_size(object);

	*ga_object_header(object) |= GA_HDR_DEAD;
	GA_MAKE_NOACCESS(object, size);
	if (!ga_free_list_push(arena, object, ga_class_of(size)))
		arena->lost_bytes += size + GA_HEADER_SIZE;
	else if (arena->free_bytes >= arena->trim_at)
		ga_arena_trim(arena);
}

/*
 * free_delay_object
 *		Let an object of a quarantined arena wait in the delay queue.
 */
GA_INLINE void
free_delay_object(ga_arena *arena, void *object, size_t size)
{
	if (GA_UNLIKELY(!ga_delay_push(arena, object, size)))
	{
		free_release_object(arena, object);
		return;
	}
	while (GA_UNLIKELY(ga_delay_is_full(arena)))
		free_release_object(arena, ga_delay_take_oldest(arena));
}

/*
 * free_profiled
 *		The fast path for objects of the active chunk of a profiled arena.
 */
static bool
free_profiled(ga_arena *arena, void *object)
{
	uintptr_t bump = arena->ptr;
	bool done;

	if (arena->active == NULL)
		return false;
	arena->active_first = arena->active->start + GA_HEADER_SIZE;
	done = ga_arena_free_fast(arena, object);
	arena->active_first = UINTPTR_MAX;
	if (arena->ptr != bump)
		ga_profile_moved(arena, bump);
	return done;
}

/*
 * free_fast_elsewhere
 *		The fast path where it needs some preparation.
 */
static GA_NOINLINE bool
free_fast_elsewhere(ga_arena *arena, void *object)
{
	if (ga_profile_watches(arena) && free_profiled(arena, object))
		return true;
	return free_widen_window(arena, (uintptr_t) object) && ga_arena_free_fast(arena, object);
}

ga_free_result
ga_arena_free_slow(ga_arena *arena, void *object)
{
	ga_chunk *chunk = NULL;
	ga_free_result result;
	size_t size = 0;

	if (ga_arena_frees_fast(arena) && free_fast_elsewhere(arena, object))
		return GA_FREE_OK;
	result = free_find_object(arena, object, &chunk, &size);
	if (GA_UNLIKELY(arena->specials != NULL) && result == GA_FREE_OK)
		result = free_end_specials(arena, object);
	if (GA_UNLIKELY(result != GA_FREE_OK))
		return result;

	ga_profile_freed(arena, object);
	if (GA_UNLIKELY((arena->careful & GA_CAREFUL_CLOBBER) != 0) &&
		(chunk->large || arena->mode == GA_QUARANTINE_OFF))
		ga_object_clobber(arena, object);
	if (chunk->large)
	{
		ga_span_free(arena, chunk);
		return GA_FREE_OK;
	}

	if (GA_UNLIKELY(chunk->typed))
		ga_type_map_unset(arena->heap, object, size);
	arena->heap->counters.classes[ga_class_of(size)].frees++;
	if (arena->mode == GA_QUARANTINE_OFF && ga_arena_is_last(arena, object, size))
	{
		/* What was allocated last is freed in place. */
		*ga_object_header(object) |= GA_HDR_DEAD;
		GA_MAKE_NOACCESS(object, size);
		arena->ptr = (uintptr_t) object - GA_HEADER_SIZE;
		ga_profile_moved(arena, (uintptr_t) object + size);
		if (size > GA_SMALL_MAX)
			ga_charge_back(arena);
	}
	else
	{
		/* Uncharge it now, and not when it leaves the delay queue: the server counts on that. */
		if (GA_UNLIKELY(size > GA_SMALL_MAX))
			ga_charge(arena, chunk, -(ptrdiff_t) (size + GA_HEADER_SIZE));
		if (arena->mode == GA_QUARANTINE_OFF)
			free_release_object(arena, object);
		else
			free_delay_object(arena, object, size);
	}
	return GA_FREE_OK;
}

ga_free_result
ga_arena_free(ga_arena *arena, void *object)
{
	return ga_arena_free_fast(arena, object) ? GA_FREE_OK : ga_arena_free_slow(arena, object);
}
