/*-------------------------------------------------------------------------
 *
 * clobber.c
 *	  Filling with poison all that is freed.
 *
 * Headers and numbers of stacks stay as they are, so that reports can say what was there.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "careful.h"
#include "poison.h"

void
ga_object_clobber(const ga_arena *arena, void *object)
{
	size_t size = ga_object_size(object);
	bool stacked = (arena->careful & GA_CAREFUL_STACK) != 0 &&
				   !ga_heap_lookup(arena->heap, (uintptr_t) object)->large;
	uint32_t stack = stacked ? ga_object_stack(object) : 0;

	ga_poison_fill(object, size);
	if (stacked)
		ga_object_put_stack(object, stack);
}

static void
clobber_visited(void *object, void *context)
{
	ga_object_clobber(context, object);
}

/*
 * clobber_back
 *		Fill the memory without pointers of a chunk as a whole, since it has no headers.
 */
static void
clobber_back(const ga_chunk *chunk)
{
	uintptr_t from = ga_align_up(chunk->back, sizeof(uint64_t));

	if (chunk->back != 0 && from < chunk->base + chunk->size)
		ga_poison_fill((void *) from, chunk->base + chunk->size - from);
}

/*
 * ga_arena_clobber
 *		Only live objects need it: those in the delay queue or on free lists are poison already.
 */
void
ga_arena_clobber(ga_arena *arena)
{
	ga_arena_walk(arena, clobber_visited, arena);
	if (arena->active != NULL)
		clobber_back(arena->active);
	ga_list_foreach (link, &arena->full)
		clobber_back(ga_container(ga_chunk, link, link));
}
