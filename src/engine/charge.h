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
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CHARGE_H
#define GA_CHARGE_H

#include "arena.h"

/* The step in which soft_end moves, in bytes. */
#define GA_CHARGE_STEP ((size_t) 4096)

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
 * Move the soft end of the active chunk to at least the given address, and not
 * beyond the chunk, whose size is a multiple of the step, nor to the sample point of
 * a profiled arena, which the address lies before.
 */
GA_INLINE void
ga_charge_to(ga_arena *arena, uintptr_t addr)
{
	uintptr_t to = ga_align_up(addr, GA_CHARGE_STEP);

	if (GA_UNLIKELY(arena->sample_at != 0 && to >= arena->sample_at))
		to = arena->sample_at - 1;
	ga_charge(arena, arena->active, (ptrdiff_t) (to - arena->soft_end));
	arena->soft_end = to;
	ga_charge_touch(arena, arena->active);
}

/*
 * Does the limit allow the soft end to be moved to the given address?  All pages below it count.
 */
GA_INLINE bool
ga_charge_has_room(const ga_arena *arena, uintptr_t addr)
{
	const ga_chunk *chunk = arena->active;
	size_t end = ga_align_up(addr, GA_CHARGE_STEP) - chunk->base;

	return end <= chunk->touched ||
		   ga_heap_has_room(arena->heap,
							ga_align_up(end, arena->heap->os->page_size) - chunk->touched);
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
