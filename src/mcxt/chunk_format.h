/*-------------------------------------------------------------------------
 *
 * chunk_format.h
 *	  How the server gets from a pointer to the methods of its context.
 *
 * Chunk headers serve that purpose, and they differ between majors.  There is one file for each
 * format:
 *
 *	chunk_format_owner.c	15: the word before a chunk is its context's address
 *	chunk_format_id.c		16 and later: the low four bits of the word before a
 *							chunk are an index into the server's table of methods
 *
 * Each has the methods of arenas in the form that its servers want.  What the methods do is in
 * arena_context.c.
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
 * Set the methods of arenas, and make the server find them from objects.  Returns NULL, or, with
 * the server left as it was, why that cannot be done (a sentence for errdetail).
 */
extern const char *ChunkFormatStart(void);

/*
 * Put into the methods of TopMemoryContext, which has a table of its own, what this format needs
 * there.
 */
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
 * The server's table that has the methods of a type; NULL if contexts of the type have tables of
 * goarena's.
 */
extern MemoryContextMethods *ChunkFormatTable(ContextType type);

/*
 * For alloc and realloc methods when there is no memory: raises an error, or returns what they
 * return then.
 */
#if GA_OWNER_WORD
extern void *ChunkFormatFailure(MemoryContext context, Size size);
#else
extern void *ChunkFormatFailure(MemoryContext context, Size size, int flags);
#endif

#endif /* GOARENA_CHUNK_FORMAT_H */
