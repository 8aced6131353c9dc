/*-------------------------------------------------------------------------
 *
 * visit.h
 *	  Visiting all chunks and objects of a heap, in order of address.
 *
 * A walk goes from header to header, so a header that was overwritten ends the walk through its
 * chunk.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_VISIT_H
#define GA_VISIT_H

#include "arena.h"
#include "type.h"

typedef enum ga_object_state
{
	GA_OBJECT_LIVE,
	GA_OBJECT_FREE,	  /* on a free list */
	GA_OBJECT_DELAYED /* in the delay queue */
} ga_object_state;

typedef struct ga_visited_chunk
{
	uintptr_t base;
	size_t size;	/* bytes of address space */
	uintptr_t from; /* its objects lie between these, if an arena owns it */
	uintptr_t to;
	uint64_t arena_id;	  /* its owner or the last one; 0 if that is not known */
	ga_chunk_state state; /* QUARANTINED: a slot that is spent */
	bool large;
} ga_visited_chunk;

typedef struct ga_visited_object
{
	uintptr_t address;
	size_t size; /* bytes asked for; as rounded up unless it is live and has a header */
	uint64_t arena_id;
	const ga_type *type; /* NULL: not known */
	ga_object_state state;
	bool noscan; /* it has neither header nor pointers */
} ga_visited_object;

/* What to call.  The functions must not use the heap. */
typedef struct ga_visitor
{
	void (*chunk)(struct ga_visitor *visitor, const ga_visited_chunk *chunk);

	/* Called for the objects of a chunk after this one was. */
	void (*object)(struct ga_visitor *visitor, const ga_visited_object *object);

	/* Called after each chunk, and now and then within one: true if the rest is not wanted. */
	bool (*stopped)(struct ga_visitor *visitor);

	size_t damaged; /* counts chunks in which a header was overwritten */
} ga_visitor;

/* Visit all chunks and objects.  Allocates nothing, and can be used with a damaged heap. */
extern void ga_heap_visit(const ga_heap *heap, ga_visitor *visitor);

#endif /* GA_VISIT_H */
