/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  Recognizing stacks by their frame pointers.
 *
 * In code that keeps frame pointers they are a chain through the stack, with a return
 * address beside each.  To go along it and to hash the addresses takes a few instructions a
 * frame.  Whether it is all of the stack depends on the rules of just these
 * addresses: so once that was proved of a hash, it holds for every stack with the same
 * one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CHAIN_H
#define GA_CHAIN_H

#include "walk.h"

/* What the frame pointer leads to. */
typedef struct ga_chain_frame
{
	uintptr_t next;
	uintptr_t ra;
} ga_chain_frame;

static inline ga_chain_frame
ga_chain_frame_at(const ga_view *stack, uintptr_t fp)
{
	ga_chain_frame frame;

	memcpy(&frame, stack->data + (fp - stack->low), sizeof(frame));
	return frame;
}

/*
 * A hash of the return addresses from a place on, room of them or up to the last frame;
 * 0 if the chain leads elsewhere.  The last frame is that at the end of the view, from where
 * on the stack never changes, and the frame pointer in it is no address of code.  The place, whose
 * pc is behind a call, may be anything.  The upper bits are the better ones.
 *
 * Nobody checks that frames do not overlap.  If two did, the return address of one would be the
 * frame pointer in the other, which is on the stack or in the last frame, where no code is.
 */
static inline uint64_t
ga_chain_hash(const ga_view *stack, const ga_place *place, int room)
{
	const uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15);
	uintptr_t data = (uintptr_t) stack->data - stack->low;
	uintptr_t last = stack->high - sizeof(ga_chain_frame);
	uintptr_t fp = place->fp;
	uintptr_t left = last - fp;
	uintptr_t unaligned = last | left;
	uint64_t hash = (place->pc ^ (uint64_t) room << 56) * multiplier;

	if (last - place->sp > last - stack->low || left > last - place->sp)
		return 0;
#pragma GCC unroll 12
	for (int i = 1; i < room; i++)
	{
		ga_chain_frame frame;

		memcpy(&frame, (const void *) (data + fp), sizeof(frame));
		hash = (hash ^ frame.ra) * multiplier;
		if (last - frame.next >= left)
		{
			/* The chain ends here.  Elsewhere it leads not further up, or beyond the last frame. */
			if (left != 0)
				return 0;
			break;
		}
		fp = frame.next;
		left = last - fp;
		unaligned |= left;
	}
	return unaligned % sizeof(uintptr_t) == 0 ? hash : 0;
}

/*
 * Does the chain from a place lead to what a walk has found, and only through code that
 * keeps frame pointers?  It has a hash.
 */
extern bool ga_chain_proves(const ga_view *stack, const ga_code *code, const ga_place *place,
							const uintptr_t *frames, int depth, int room);

#endif /* GA_CHAIN_H */
