/*-------------------------------------------------------------------------
 *
 * chunk_format.h
 *	  How the server gets from a pointer to the methods of its context.
 *
 * That is what chunk headers are for, and it differs between majors.  There
 * is one file for each format:
 *
 *	chunk_format_owner.c	15: the word before a chunk is its context's address
 *	chunk_format_id.c		16 and later: the low four bits of the word before a
 *							chunk are an index into the server's table of methods
 *
 * Each has the methods of arenas in the form that its servers want, and calls
 * on arena_context.c for what they do.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CHUNK_FORMAT_H
#define GOARENA_CHUNK_FORMAT_H

#include "compat.h"

#include "nodes/memnodes.h"

/*
 * Let arenas have their methods, and make the server find these from objects.  Returns
 * NULL, or, with the server left as it was, why not (a sentence for
 * errdetail).
 */
extern const char *ChunkFormatStart(void);

/* Change what has to be in the methods of TopMemoryContext, a table of its own. */
extern void ChunkFormatTopMethods(MemoryContextMethods *methods);

/* Undo ChunkFormatStart, while no arena exists. */
extern void ChunkFormatStop(void);

/* Types of contexts that are no arenas. */
typedef enum ContextType
{
	OTHER_ALLOCSET,
	OTHER_GENERATION,
	OTHER_SLAB,
	OTHER_BUMP, /* 17 and later */
	CONTEXT_TYPES
} ContextType;

/*
 * The table of the server by which the methods of a type are found; NULL if there
 * is none but our own.
 */
extern MemoryContextMethods *ChunkFormatTable(ContextType type);

/* What an alloc or realloc method does, and returns, when there is no memory. */
#if GA_OWNER_WORD
extern void *ChunkFormatFailure(MemoryContext context, Size size);
#else
extern void *ChunkFormatFailure(MemoryContext context, Size size, int flags);
#endif

#endif /* GOARENA_CHUNK_FORMAT_H */
