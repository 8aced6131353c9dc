/*-------------------------------------------------------------------------
 *
 * contexts.h
 *	  The contexts of this process that are arenas, packed for another one.
 *
 * Rows are packed into memory of a given size.  Where there is no room for
 * all, the largest contexts get a row each and the last row is the sum of the
 * others.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXTS_H
#define GOARENA_CONTEXTS_H

#include "postgres.h"

#include "engine/arena.h"

/* As pg_backend_memory_contexts shows identifiers. */
#define IDENT_LENGTH 1024

/* What others see of a context. */
typedef struct ContextRow
{
	uint64 id; /* 0: a sum over so many others as level says */
	int level;
	ga_quarantine mode;
	uint64 chunks;
	uint64 used_bytes;
	uint64 free_bytes;
	uint64 dead_bytes;
	uint64 allocs;
	uint64 resets;
	const char *name;
	const char *ident;	/* or NULL */
	const char *parent; /* its name, or NULL */
} ContextRow;

/*
 * What a context of this process that is an arena looks like now.  The strings are
 * its own.
 */
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
