/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  What an arena uses, and walking over its live objects.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "arena.h"
#include "free_list.h"

/*
 * add_usage
 *		Add a chunk to the usage.  Only pages that it was given count, not what it has room for.
 */
static void
add_usage(const ga_arena *arena, const ga_chunk *chunk, ga_arena_usage *usage)
{
	usage->chunks++;
	usage->chunk_bytes +=
		chunk->large ? chunk->used - chunk->base : chunk->touched + chunk->back_touched;
	usage->used_bytes += ga_bump_of(arena, chunk) - chunk->start + ga_chunk_back_size(chunk);
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
		usage->free_bytes +=
			ga_min_size(arena->active->base + arena->active->touched, arena->end) - arena->ptr;
	usage->dead_bytes = usage->chunk_bytes - usage->used_bytes - usage->free_bytes;
	usage->free_objects = ga_free_list_objects(arena);
}

/*
 * usage_walk_chunk
 *		Call a function for each live object of a chunk.
 */
static void
usage_walk_chunk(const ga_arena *arena, const ga_chunk *chunk, void (*visit)(void *, void *),
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
		usage_walk_chunk(arena, arena->active, visit, context);
	ga_list_foreach (link, &arena->full)
		usage_walk_chunk(arena, ga_container(ga_chunk, link, link), visit, context);
	ga_list_foreach (link, &arena->large)
		usage_walk_chunk(arena, ga_container(ga_chunk, link, link), visit, context);
}
