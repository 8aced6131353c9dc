/*-------------------------------------------------------------------------
 *
 * contexts.h
 *	  The memory contexts of this process, arenas or not, packed for another one.
 *
 * Rows are packed into memory of a given size.  Where there is no room for all,
 * the largest contexts get a row each, and the others one for each name, with
 * their sum: what leaks is often a hundred thousand small contexts.
 *
 * The rows of single contexts come first, in the order of the tree, and each knows the
 * nearest context above it that has a row, too.  What has no row of its own is also
 * counted there, so that the rows make a tree whose sums are right.  TopMemoryContext always
 * has a row.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXTS_H
#define GOARENA_CONTEXTS_H

#include "postgres.h"

#include "nodes/memnodes.h"

#include "engine/arena.h"

/* As pg_backend_memory_contexts shows identifiers. */
#define IDENT_LENGTH 1024

typedef enum ContextType
{
	CONTEXT_UNKNOWN, /* or several of different types */
	CONTEXT_ARENA,
	CONTEXT_ALLOCSET,
	CONTEXT_GENERATION,
	CONTEXT_SLAB,
	CONTEXT_BUMP
} ContextType;

/* What others see of a context, or of several of one name. */
typedef struct ContextRow
{
	uint64 contexts; /* how many the row tells of */
	uint64 id;		 /* of the arena; 0 if it is none, or a sum */
	int level;
	ContextType type;
	ga_quarantine mode;
	uint64 chunks;	   /* of an arena, with its spans; else blocks */
	uint64 held_bytes; /* the sum of the next three */
	uint64 used_bytes;
	uint64 free_bytes;
	uint64 dead_bytes;
	uint64 allocs;		/* 0 if it is no arena */
	uint64 resets;		/* likewise */
	const char *name;	/* NULL: contexts of several names */
	const char *ident;	/* or NULL */
	const char *parent; /* its name, or NULL */

	int above;			   /* number of the row above in the tree, counted from 0, or see below */
	uint64 below_contexts; /* below it, with no row of their own and no other row between */
	uint64 below_bytes;	   /* that they hold */
} ContextRow;

/* Of a row that has none above it in the tree; and of one that is no part of it. */
#define CONTEXT_TOP			(-1)
#define CONTEXT_NOT_IN_TREE (-2)

/* NULL if it is unknown. */
extern const char *ContextTypeName(ContextType type);

/* What a context of this process looks like now.  The strings are its own. */
extern void ContextRowOf(MemoryContext context, int level, ContextRow *row);

/*
 * Pack all contexts of this process into memory of a given size, which is
 * aligned.  Allocates nothing.
 */
extern void ContextsPack(void *memory, Size size);

/* Pack nothing. */
extern void ContextsPackNone(void *memory);

/* Has anything been packed there? */
extern bool ContextsPacked(const void *memory);

/* Has each context a row of its own there? */
extern bool ContextsAreAll(const void *memory);

/*
 * Unpack the next row, or return false.  offset is 0 before the first.  The
 * strings lie in the memory.
 */
extern bool ContextsNext(const void *memory, Size *offset, ContextRow *row);

#endif /* GOARENA_CONTEXTS_H */
