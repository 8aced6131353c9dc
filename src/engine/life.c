/*-------------------------------------------------------------------------
 *
 * life.c
 *	  The lives of an arena: each begins with the first allocation, or a reset, and ends with the
 *	  next reset.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "arena.h"
#include "careful.h"
#include "charge.h"
#include "delay.h"
#include "free_list.h"
#include "profile.h"
#include "type_map.h"

/* A chunk is handed on only if at least this share of it is left, 1/8. */
#define HANDON_SHARE_LOG2 3

/*
 * life_sampled_mode
 *		The mode of arenas in the sample.  Unless all arenas are quarantined, it is strict: a few
 *		arenas would take long to use up a nursery, and what they freed would stay readable until
 *		then.
 */
static ga_quarantine
life_sampled_mode(const ga_heap *heap)
{
	if (heap->config.quarantine == GA_QUARANTINE_OFF || heap->config.sample_rate >= 1)
		return heap->config.quarantine;
	return GA_QUARANTINE_STRICT;
}

ga_quarantine
ga_heap_draw_mode(ga_heap *heap)
{
	if (heap->config.quarantine == GA_QUARANTINE_OFF || !ga_sampler_draw(heap->sampler))
		return GA_QUARANTINE_OFF;
	return life_sampled_mode(heap);
}

/*
 * life_init
 *		As ga_arena_init, with the mode of the first life.
 */
static void
life_init(ga_arena *arena, ga_heap *heap, uint64_t owner, unsigned tag, size_t *meter,
		  size_t credit, ga_quarantine mode)
{
	memset(arena, 0, sizeof(*arena));
	arena->heap = heap;
	arena->owner = owner;
	arena->tag = tag & GA_HDR_TAG_MASK;
	arena->meter = meter;
	arena->credit = credit;
	arena->mode = mode;
	arena->next_order = heap->min_order;
	arena->active_first = UINTPTR_MAX;
	arena->trim_at = GA_TRIM_MIN;
	arena->id = ++heap->next_arena_id;
	ga_list_init(&arena->full);
	ga_list_init(&arena->large);
	ga_profile_begin(arena);
	ga_list_push_tail(&heap->arenas, &arena->link);
}

void
ga_arena_init(ga_arena *arena, ga_heap *heap, uint64_t owner, unsigned tag, size_t *meter,
			  size_t credit)
{
	life_init(arena, heap, owner, tag, meter, credit, ga_heap_draw_mode(heap));
}

void
ga_arena_init_sampled(ga_arena *arena, ga_heap *heap, uint64_t owner, unsigned tag, size_t *meter,
					  size_t credit)
{
	life_init(arena, heap, owner, tag, meter, credit, life_sampled_mode(heap));
}

/*
 * life_in_nursery
 *		Does a quarantined arena bump-allocate from the present nursery?
 */
GA_INLINE bool
life_in_nursery(const ga_arena *arena, const ga_chunk *chunk)
{
	return arena->mode == GA_QUARANTINE_ON && chunk->slot == arena->heap->nursery;
}

/*
 * life_give_up_active
 *		Give up the active chunk.  A small one of the nursery that has room left is handed on,
 *		unless enough of those wait.
 */
static void
life_give_up_active(ga_arena *arena)
{
	ga_heap *heap = arena->heap;
	ga_chunk *chunk = arena->active;
	size_t left = arena->end - arena->ptr;

	GA_MAKE_NOACCESS(chunk->start, arena->ptr - chunk->start);
	ga_arena_detach_active(arena);
	if (!chunk->typed && life_in_nursery(arena, chunk) && chunk->order <= GA_HANDON_ORDER &&
		left >= chunk->size >> HANDON_SHARE_LOG2 && heap->reuse[chunk->order].count < GA_HANDON_MAX)
		ga_chunk_hand_on(heap, chunk);
	else
		ga_chunk_leave(arena, chunk);
}

/*
 * life_give_up_rest
 *		Free everything but the active chunk.
 */
static void
life_give_up_rest(ga_arena *arena)
{
	ga_delay_clear(arena);
	ga_free_list_clear(arena);
	ga_arena_set_window(arena);
	ga_list_foreach_safe (link, &arena->full)
	{
		ga_list_remove(&arena->full, link);
		ga_chunk_leave(arena, ga_container(ga_chunk, link, link));
	}
	ga_list_foreach_safe (link, &arena->large)
	{
		ga_list_remove(&arena->large, link);
		ga_chunk_give_up(arena->heap, ga_container(ga_chunk, link, link));
	}
}

void
ga_arena_destroy(ga_arena *arena)
{
	ga_heap *heap = arena->heap;

	if (GA_UNLIKELY((arena->careful & GA_CAREFUL_CLOBBER) != 0))
		ga_arena_clobber(arena);
	ga_arena_note_free(arena, GA_FREED_BY_DELETE);
	if (ga_profile_watches(arena))
		ga_profile_drop_all(arena);
	ga_charge_all(arena, 0);
	life_give_up_rest(arena);
	ga_free_list_destroy(arena);
	if (arena->active != NULL)
		life_give_up_active(arena);
	ga_slot_close(heap, &arena->slot);
	ga_list_remove(&heap->arenas, &arena->link);
}

/*
 * life_rewind_active
 *		Set the bump pointer back to where the active chunk began.
 */
GA_INLINE void
life_rewind_active(ga_arena *arena, ga_chunk *chunk)
{
	GA_MAKE_NOACCESS(chunk->start, arena->ptr - chunk->start);
	arena->ptr = chunk->start;
}

/*
 * life_forget_types
 *		Drop what the type map knows of the active chunk, which is about to be used from its
 *		beginning again.
 */
static void
life_forget_types(ga_arena *arena, ga_chunk *chunk)
{
	if (chunk->typed)
		ga_type_map_clear(arena, chunk);
}

/*
 * life_charge_credit
 *		Charge as much in advance as the credit allows, which spares small arenas the slow path.
 */
GA_INLINE void
life_charge_credit(ga_arena *arena, ga_chunk *chunk)
{
	size_t advance = ga_min_size(arena->credit, arena->end - arena->ptr);

	arena->soft_end = arena->ptr + advance;
	ga_charge_all(arena, advance);
	chunk->charged = advance;
	ga_charge_touch(arena, chunk);
}

/*
 * begin_life
 *		Begin a life in the active chunk: where that began, or in quarantined arenas where the last
 *		life ended.
 */
static void
begin_life(ga_arena *arena)
{
	ga_chunk *chunk = arena->active;

	if (arena->mode == GA_QUARANTINE_OFF)
		life_rewind_active(arena, chunk);
	else
	{
		GA_MAKE_NOACCESS(chunk->start, arena->ptr - chunk->start);
		ga_history_add(arena, chunk->start, arena->ptr);
		chunk->start = arena->ptr;
	}
	life_charge_credit(arena, chunk);
}

bool
ga_arena_park(ga_arena *arena)
{
	ga_heap *heap = arena->heap;
	ga_chunk *chunk = arena->active;
	uintptr_t bump;

	if (arena->mode != GA_QUARANTINE_OFF || arena->careful != 0 || chunk == NULL ||
		chunk->order > GA_HANDON_ORDER || heap->parked.count >= GA_PARKED_MAX)
		return false;

	heap->freed_note = 0;
	ga_charge_all(arena, 0);
	if (arena->full.count + arena->large.count + arena->typed_chunks > 0)
	{
		life_give_up_rest(arena);
		life_forget_types(arena, chunk);
	}
	else
		ga_free_list_clear(arena);
	bump = arena->ptr;
	life_rewind_active(arena, chunk);
	arena->soft_end = arena->ptr;
	chunk->charged = 0;
	if (ga_profile_watches(arena))
	{
		ga_profile_drop_all(arena);
		ga_profile_moved(arena, bump);
	}
	ga_list_remove(&heap->arenas, &arena->link);
	ga_list_push_tail(&heap->parked, &arena->link);
	return true;
}

/*
 * life_take_parked
 *		Take the arena that was parked longest ago; NULL if none is parked.  Since they take turns,
 *		memory of a deleted context stays as it was for as long as with AllocSet, or longer: code
 *		that reads it by mistake works as before.
 */
static ga_arena *
life_take_parked(ga_heap *heap)
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
	ga_arena *arena = life_take_parked(heap);

	if (arena == NULL)
		return NULL;
	arena->owner = owner;
	arena->meter = meter;
	arena->credit = credit;
	arena->allocs = arena->resets = 0;
	arena->id = arena->active->arena_id = ++heap->next_arena_id;

	arena->mode = ga_heap_draw_mode(heap);
	if (GA_LIKELY(arena->mode == GA_QUARANTINE_OFF))
	{
		life_charge_credit(arena, arena->active);
		ga_profile_moved(arena, arena->ptr);
	}
	else
	{
		uintptr_t bump = arena->ptr;

		/* Otherwise the chunk would be lost to the next arena. */
		ga_chunk_make_ready(heap, ga_arena_detach_active(arena));
		ga_profile_moved(arena, bump);
		arena->next_order = heap->min_order;
	}
	return arena;
}

ga_arena *
ga_arena_unpark(ga_heap *heap)
{
	ga_arena *arena = life_take_parked(heap);

	if (arena != NULL)
		ga_arena_destroy(arena);
	return arena;
}

/*
 * life_keeps_active
 *		Does the next life go on in the active chunk?
 */
GA_INLINE bool
life_keeps_active(const ga_arena *arena, ga_quarantine mode)
{
	const ga_chunk *chunk = arena->active;

	return chunk != NULL && mode == arena->mode && chunk->order <= GA_HANDON_ORDER &&
		   (mode == GA_QUARANTINE_OFF || (life_in_nursery(arena, chunk) && !chunk->typed));
}

/*
 * life_reset_slow
 *		Reset an arena that has more than one small chunk, or changes its mode.
 */
static GA_NOINLINE void
life_reset_slow(ga_arena *arena, ga_quarantine mode)
{
	bool keep = life_keeps_active(arena, mode);
	uintptr_t bump = arena->ptr;

	if (ga_profile_watches(arena))
		ga_profile_drop_all(arena);
	ga_charge_all(arena, 0);
	life_give_up_rest(arena);
	if (arena->active != NULL && !keep)
		life_give_up_active(arena);
	ga_slot_close(arena->heap, &arena->slot);

	if (keep)
	{
		life_forget_types(arena, arena->active);
		begin_life(arena);
	}
	else if (mode != GA_QUARANTINE_ON)
		arena->next_order = arena->heap->min_order;
	if (arena->next_order > GA_HANDON_ORDER)
		arena->next_order = GA_HANDON_ORDER;
	arena->mode = mode;
	ga_profile_moved(arena, bump);
	ga_arena_set_window(arena);
}

/*
 * life_reset_to
 *		End a life, and begin one in the given mode.
 */
GA_INLINE void
life_reset_to(ga_arena *arena, ga_quarantine mode)
{
	ga_heap *heap = arena->heap;

	arena->resets++;
	heap->counters.resets++;
	ga_arena_note_free(arena, GA_FREED_BY_RESET);
	if (GA_LIKELY(life_keeps_active(arena, mode) &&
				  (arena->full.count | arena->large.count | arena->typed_chunks) == 0 &&
				  ((uintptr_t) arena->delay | (uintptr_t) arena->slot | arena->sample_at) == 0))
	{
		ga_free_list_clear(arena);
		begin_life(arena);
	}
	else
		life_reset_slow(arena, mode);
}

void
ga_arena_reset(ga_arena *arena)
{
	life_reset_to(arena, ga_heap_draw_mode(arena->heap));
}

void
ga_arena_reset_careful(ga_arena *arena, unsigned careful)
{
	ga_quarantine drawn = ga_heap_draw_mode(arena->heap);

	if ((arena->careful & GA_CAREFUL_CLOBBER) != 0)
		ga_arena_clobber(arena);
	arena->careful = (careful & ~GA_CAREFUL_STACK) | (arena->careful & GA_CAREFUL_STACK);
	life_reset_to(arena, (careful & GA_CAREFUL_FENCE) != 0 ? GA_QUARANTINE_STRICT : drawn);
	ga_arena_set_window(arena);
}
