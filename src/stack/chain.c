/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  See chain.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "chain.h"

bool
ga_chain_proves(const ga_view *stack, const ga_code *code, const ga_place *place,
				const uintptr_t *frames, int depth, int room)
{
	uintptr_t last = stack->high - sizeof(ga_chain_frame);
	uintptr_t fp = place->fp;

	if (depth == 0 || frames[0] != place->pc)
		return false;
	for (int i = 1; i < depth; i++)
	{
		ga_chain_frame frame = ga_chain_frame_at(stack, fp);

		if (frames[i] != frame.ra || !ga_walk_keeps_frame(code, frames[i - 1]))
			return false;
		if (fp == last)
			return true;
		fp = frame.next;
	}
	return depth == room;
}
