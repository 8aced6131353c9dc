/*-------------------------------------------------------------------------
 *
 * find.c
 *	  Finding the live object that an address lies in.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "find.h"
#include "type_map.h"

/*
 * find_typed
 *		Find an object that has a header and a type.
 */
static bool
find_typed(const ga_heap *heap, uintptr_t address, ga_found *found)
{
	const ga_chunk *chunk = found->chunk;
	uintptr_t start = ga_type_map_start(heap, address, chunk->start, false);

	if (start == 0 || ga_arena_check_object(found->arena, (void *) start) != GA_FREE_OK ||
		address - start >= ga_object_size((void *) start))
		return false;
	found->start = start;
	found->size = ga_object_requested((void *) start);
	found->type = ga_type_map_type(heap, start);
	return true;
}

/*
 * find_noscan
 *		Find an object that has neither a header nor pointers.
 */
static bool
find_noscan(const ga_heap *heap, uintptr_t address, ga_found *found)
{
	uintptr_t start = ga_type_map_start(heap, address, found->chunk->back, true);

	if (start == 0)
		return false;
	found->start = start;
	found->size = ga_type_map_end(heap, found->chunk, start) - start;
	found->noscan = true;
	return address - start < found->size;
}

/*
 * find_span
 *		Find the object of a span.
 */
static bool
find_span(uintptr_t address, ga_found *found)
{
	const ga_chunk *chunk = found->chunk;

	found->start = chunk->start + GA_HEADER_SIZE;
	found->size = chunk->used - found->start - chunk->freed;
	found->type = chunk->type;
	return address - found->start < found->size;
}

bool
ga_object_find(const ga_heap *heap, uintptr_t address, ga_found *found)
{
	const ga_chunk *chunk = ga_heap_lookup(heap, address);

	if (chunk == NULL || (chunk->state != GA_ACTIVE && chunk->state != GA_FULL))
		return false;
	*found = (ga_found){.chunk = chunk, .arena = chunk->arena};
	if (chunk->large)
		return find_span(address, found);
	if (ga_chunk_in_back(chunk, address))
		return find_noscan(heap, address, found);
	if (address < chunk->start || address >= ga_bump_of(found->arena, chunk))
		return false;
	if (chunk->typed && find_typed(heap, address, found))
		return true;
	if (ga_arena_check_object(found->arena, (void *) address) != GA_FREE_OK)
		return false;
	found->start = address;
	found->size = ga_object_requested((void *) address);
	return true;
}
