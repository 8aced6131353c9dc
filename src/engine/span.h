/*-------------------------------------------------------------------------
 *
 * span.h
 *	  Large objects: a chunk for each.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_SPAN_H
#define GA_SPAN_H

#include "arena.h"

/*
 * Allocate an object of size bytes, up to 1 TB, in a chunk of its own.  NULL, with the arena as it
 * was, if memory is used up or the heap's limit would be crossed.
 */
extern void *ga_span_alloc(ga_arena *arena, size_t size);

/*
 * The same for an object that grows into a span: unless the arena is quarantined, it gets address
 * space to grow further.  The heap profile does not count it, since it knows the smaller object.
 */
extern void *ga_span_alloc_growing(ga_arena *arena, size_t size);

/* Free the object of a span of the arena, and give its chunk up. */
extern void ga_span_free(ga_arena *arena, ga_chunk *chunk);

/*
 * Change the size of a span's object to size bytes.  Returns where it is then; NULL, with the
 * object as it was, if memory is used up or the heap's limit would be crossed.
 */
extern void *ga_span_realloc(ga_arena *arena, void *object, size_t size);

/*
 * Make a chunk that was just taken a span of the arena.  Its object, with the header, lies between
 * start and used, and the arena is charged from the chunk's base up to used.
 */
extern void ga_span_adopt(ga_arena *arena, ga_chunk *chunk, uintptr_t start, uintptr_t used);

/*
 * Begin the object of a span that was just adopted: write its header and count it.  Its payload
 * has payload bytes, and size of these were asked for.
 */
extern void ga_span_begin(ga_arena *arena, ga_chunk *chunk, void *object, size_t payload,
						  size_t size);

#endif /* GA_SPAN_H */
