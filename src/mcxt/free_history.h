/*-------------------------------------------------------------------------
 *
 * free_history.h
 *	  What was freed, when, and where in the code.
 *
 * Each reset, delete, pfree or repalloc that gives memory of a quarantined arena
 * up has a number; the engine's history leads from an address to it.  What is
 * known of the last goarena.free_history of them is kept here, outside of all
 * chunks.  Most are like another one before but for when they happened and for
 * the query, so these are apart from the rest, of which less is kept.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FREE_HISTORY_H
#define GOARENA_FREE_HISTORY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "engine/arena.h"
#include "mcxt/arena_set.h"

/* So many kinds of frees, and queries, are kept: a few hundred bytes each. */
#define FREE_KINDS		  512
#define FREE_QUERIES	  512
#define FREE_IDENT_LENGTH 64
#define FREE_QUERY_LENGTH 128

/* By whom and from where. */
typedef struct FreeKind
{
	uint64 serial; /* from 1 on; 0 in one never used */
	ga_freed_by how;
	uint32 stack;						/* see stack_store.h; 0 if none was kept */
	const char *name;					/* of the context; see ForeignNameKeep */
	const char *parents[ARENA_PARENTS]; /* names likewise, up to NULL */
	char ident[FREE_IDENT_LENGTH];		/* cut off, may be empty */
} FreeKind;

typedef struct FreeRecord
{
	uint64 number; /* from 1 on; 0 in a record never used */
	uint64 arena_id;
	uint64 serial; /* of its kind */
	uint64 query;  /* serial of the query */
	TimestampTz at;
	uint64 sweeps;		 /* of this process until then */
	uint64 transactions; /* likewise */
} FreeRecord;

/* Transactions that ended in this process; counted by the backend layer. */
extern uint64 free_history_transactions;

/* ga_heap.note_free */
extern uint64_t FreeHistoryNote(ga_arena *arena, ga_freed_by how);

/*
 * The record of a number, or NULL if it is no longer known.  So is its kind: then
 * nothing but when it happened is.  Async-signal-safe.
 */
extern const FreeRecord *FreeHistoryFind(uint64 number);
extern const FreeKind *FreeHistoryKind(const FreeRecord *record);

/*
 * The query then, cut off; empty if there was none, NULL if it is no longer known.  It stays
 * until this is called again.
 */
extern const char *FreeHistoryQuery(const FreeRecord *record);

/* The newest record of an arena, or NULL if none is known. */
extern const FreeRecord *FreeHistoryOfArena(uint64 arena_id);

/* The set of an arena that has not ended, or NULL.  Async-signal-safe. */
extern ArenaSet *FreeHistoryLiveSet(uint64 arena_id);

/*
 * The name of an arena's context, also of one that is gone; NULL if unknown.  Read it
 * with care.  Async-signal-safe.
 */
extern const char *FreeHistoryContextName(uint64 arena_id);

/* "reset", "delete", "pfree" or "repalloc" */
extern const char *FreedByName(ga_freed_by how);

#endif /* GOARENA_FREE_HISTORY_H */
