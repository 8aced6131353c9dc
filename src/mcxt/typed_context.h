/*-------------------------------------------------------------------------
 *
 * typed_context.h
 *	  Typed objects, and memory without pointers, in memory contexts.
 *
 * What goarena.h offers other extensions.  Types are engine/type.h's, or those that an
 * extension made before goarena was loaded: these have the number 0, and nothing but a
 * size is known of their objects.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TYPED_CONTEXT_H
#define GOARENA_TYPED_CONTEXT_H

#include "postgres.h"

#include "engine/type.h"

/*
 * The type of that description, see ga_type_get; pointers has a bit for each whole word, or is
 * NULL.  Raises ERRCODE_INVALID_PARAMETER_VALUE if it makes no sense,
 * ERRCODE_PROGRAM_LIMIT_EXCEEDED if there are too many types, ERRCODE_OUT_OF_MEMORY.
 */
extern const ga_type *TypedContextType(const char *name, Size size, Size align,
									   const uint64 *pointers);

/*
 * A zeroed array of so many objects in any context.  Where that is no arena, it is palloc'd.
 * Raises ERRCODE_PROGRAM_LIMIT_EXCEEDED if that is more than MaxAllocHugeSize,
 * ERRCODE_OUT_OF_MEMORY.
 */
extern void *TypedContextAlloc(MemoryContext context, const ga_type *type, Size count);

/*
 * Give an array of that context, or NULL, another number of objects.  What is new is zeroed.
 * Raises the same errors; the array is then as it was.
 */
extern void *TypedContextResize(MemoryContext context, void *pointer, const ga_type *type,
								Size old_count, Size count);

/* As pfree, for any object of any context: one without header is an error that says so. */
extern void TypedContextFree(void *pointer);

/* Can it be freed by itself? */
extern bool TypedContextCanFree(const void *pointer);

/* So many bytes without pointers, zeroed if the context is an arena. */
extern void *TypedContextAllocNoscan(MemoryContext context, Size size);

#endif /* GOARENA_TYPED_CONTEXT_H */
