/*-------------------------------------------------------------------------
 *
 * charge.h
 *	  What an arena is charged for: the memory that counts as used by it.
 *
 * The server decides by a context's mem_allocated when to spill to disk, so that figure must follow
 * what is used, and never jump by a whole chunk.  An arena is charged for its active chunk up to
 * soft_end, a few kilobytes ahead of the bump pointer, for full chunks and spans as far as they are
 * used, and not for large freed objects.
 *
 * Each move of soft_end leaves the fast path.  So an arena that grows goes in steps of an eighth of
 * its chunk, between a page and four, where the limit has room for that.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CHARGE_H
#define GA_CHARGE_H

#include "arena.h"

/* The least and the largest step in which soft_end moves, in bytes. */
#define GA_CHARGE_STEP	   ((size_t) 4096)
#define GA_CHARGE_STEP_MAX (4 * GA_CHARGE_STEP)

/* Set what an arena is charged in all, in bytes. */
GA_INLINE void
ga_charge_all(ga_arena *arena, size_t bytes)
{
	ga_heap *heap = arena->heap;

	if (arena->meter != NULL && (arena->charged > arena->credit || bytes > arena->credit))
	{
		*arena->meter -= arena->charged > arena->credit ? arena->charged - arena->credit : 0;
		*arena->meter += bytes > arena->credit ? bytes - arena->credit : 0;
	}
	heap->in_use += bytes - arena->charged;
	if (heap->in_use > heap->peak)
		heap->peak = heap->in_use;
	arena->charged = bytes;
}

/* Charge an arena for bytes more, or less if negative, of one of its chunks. */
GA_INLINE void
ga_charge(ga_arena *arena, ga_chunk *chunk, ptrdiff_t bytes)
{
	chunk->charged += (size_t) bytes;
	ga_charge_all(arena, arena->charged + (size_t) bytes);
}

/* Count the pages below the soft end as touched, since they may be written now. */
GA_INLINE void
ga_charge_touch(ga_arena *arena, ga_chunk *chunk)
{
	size_t end = arena->soft_end - chunk->base;

	if (end > chunk->touched)
	{
		end = ga_align_up(end, arena->heap->os->page_size);
		ga_heap_note_touched(arena->heap, end - chunk->touched);
		if (GA_UNLIKELY(chunk->back_touched > chunk->size - end))
		{
			/* Front and back meet in a page that is larger than the step of either. */
			arena->heap->touched -= chunk->back_touched - (chunk->size - end);
			chunk->back_touched = chunk->size - end;
		}
		chunk->touched = end;
	}
}

/*
 * Where the soft end lies after a move of at least the given address in steps of this size, which is
 * a power of two.  Not beyond the chunk's front.
 */
GA_INLINE uintptr_t
ga_charge_end(const ga_arena *arena, uintptr_t addr, size_t step)
{
	uintptr_t base = arena->active->base;

	return ga_min_size(base + ga_align_up(addr - base, step), arena->end);
}

/* The bytes of pages that count as touched then, and do not now. */
GA_INLINE size_t
ga_charge_new_pages(const ga_arena *arena, uintptr_t addr, size_t step)
{
	const ga_chunk *chunk = arena->active;
	size_t end =
		ga_align_up(ga_charge_end(arena, addr, step) - chunk->base, arena->heap->os->page_size);

	return end - ga_min_size(end, chunk->touched);
}

/* Does the limit allow the soft end to be moved to the given address, by the least step? */
GA_INLINE bool
ga_charge_has_room(const ga_arena *arena, uintptr_t addr)
{
	size_t pages = ga_charge_new_pages(arena, addr, GA_CHARGE_STEP);

	return pages == 0 || ga_heap_has_room(arena->heap, pages);
}

/*
 * Move the soft end of the active chunk to at least the given address, for which ga_charge_has_room
 * is true, but not to the sample point of a profiled arena, which the address lies before.  The
 * back of a typed chunk gets what the front leaves, so there the step is the least.
 */
GA_INLINE void
ga_charge_to(ga_arena *arena, uintptr_t addr)
{
	size_t step = ga_min_size(arena->active->size / 8, GA_CHARGE_STEP_MAX);
	uintptr_t to;

	if (step < GA_CHARGE_STEP || arena->active->typed ||
		!ga_heap_may_hold(arena->heap, ga_charge_new_pages(arena, addr, step)))
		step = GA_CHARGE_STEP;
	to = ga_charge_end(arena, addr, step);
	if (GA_UNLIKELY(arena->sample_at != 0 && to >= arena->sample_at))
		to = arena->sample_at - 1;
	ga_charge(arena, arena->active, (ptrdiff_t) (to - arena->soft_end));
	arena->soft_end = to;
	ga_charge_touch(arena, arena->active);
}

/* Take the soft end back to the next step above the bump pointer, and uncharge the rest. */
GA_INLINE void
ga_charge_back(ga_arena *arena)
{
	uintptr_t to = ga_align_up(arena->ptr, GA_CHARGE_STEP);

	if (to < arena->soft_end)
	{
		ga_charge(arena, arena->active, -(ptrdiff_t) (arena->soft_end - to));
		arena->soft_end = to;
	}
}

#endif /* GA_CHARGE_H */
