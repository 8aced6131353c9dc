/*-------------------------------------------------------------------------
 *
 * typed_context.h
 *	  Typed objects, and memory without pointers, in memory contexts.
 *
 * This is behind what goarena.h offers other extensions.  Types are engine/type.h's, or were made
 * by an extension before goarena was loaded.  The latter have the number 0, and only the size of
 * their objects is known.
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
 * Find or make a type, see ga_type_get. pointers has a bit for each whole word, or is NULL.  Raises
 * ERRCODE_INVALID_PARAMETER_VALUE if it makes no sense, ERRCODE_PROGRAM_LIMIT_EXCEEDED if there are
 * too many types, ERRCODE_OUT_OF_MEMORY.
 */
extern const ga_type *TypedContextType(const char *name, Size size, Size align,
									   const uint64 *pointers);

/*
 * Allocate a zeroed array of count objects in any context.  In a context that is no arena, it is
 * palloc'd.  Raises ERRCODE_PROGRAM_LIMIT_EXCEEDED if that is more than MaxAllocHugeSize,
 * ERRCODE_OUT_OF_MEMORY.
 */
extern void *TypedContextAlloc(MemoryContext context, const ga_type *type, Size count);

/*
 * Change an array of the context, which has old_count objects, to count objects; NULL makes a new
 * one.  New objects are zeroed.  Raises the same errors, and the array is then as it was.
 */
extern void *TypedContextResize(MemoryContext context, void *pointer, const ga_type *type,
								Size old_count, Size count);

/*
 * As pfree, for any object of any context.  If the object has no header, raises an error that says
 * so.
 */
extern void TypedContextFree(void *pointer);

/* Can an object be freed by itself? */
extern bool TypedContextCanFree(const void *pointer);

/*
 * Allocate size bytes without pointers, which are zeroed if the context is an arena.  Raises errors
 * as above.
 */
extern void *TypedContextAllocNoscan(MemoryContext context, Size size);

#endif /* GOARENA_TYPED_CONTEXT_H */
