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

extern void *ga_span_alloc(ga_arena *arena, size_t size);

/* For an object that was smaller before, which the profile knows. */
extern void *ga_span_alloc_growing(ga_arena *arena, size_t size);

extern void ga_span_free(ga_arena *arena, ga_chunk *chunk);
extern void *ga_span_realloc(ga_arena *arena, void *object, size_t size);

#endif /* GA_SPAN_H */
