/*-------------------------------------------------------------------------
 *
 * free_history.h
 *	  What was freed, when, and where in the code.
 *
 * Each reset, delete, pfree or repalloc that gives up memory of a quarantined arena has a number,
 * and the engine's history leads from an address to that number.  Here is kept what is known of the
 * last goarena.free_history of these frees, outside of all chunks.  Most frees differ from an
 * earlier one only in their time and query.  So each free has a small record of its own, and frees
 * that are otherwise alike share a larger one, their kind.
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
#include "mcxt/hot.h"

/* This many kinds of frees, and queries, are kept; each takes a few hundred bytes. */
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
HOT_EXTERN uint64 free_history_transactions;

/* ga_heap.note_free */
extern uint64_t FreeHistoryNote(ga_arena *arena, ga_freed_by how);

/*
 * Find the record of a number, and the kind of a record.  NULL if it is no longer known.  Without
 * its kind, only the time of a free is known.  Async-signal-safe.
 */
extern const FreeRecord *FreeHistoryFind(uint64 number);
extern const FreeKind *FreeHistoryKind(const FreeRecord *record);

/*
 * The query that ran at a free, cut off.  Empty if none ran, NULL if it is no longer known.  It is
 * valid until the next call.
 */
extern const char *FreeHistoryQuery(const FreeRecord *record);

/* The newest record of an arena, or NULL if none is known. */
extern const FreeRecord *FreeHistoryOfArena(uint64 arena_id);

/* The set of an arena that has not ended, or NULL.  Async-signal-safe. */
extern ArenaSet *FreeHistoryLiveSet(uint64 arena_id);

/*
 * The name of an arena's context, also after that is gone; NULL if unknown.  The text may not be
 * readable, see foreign_text.h.  Async-signal-safe.
 */
extern const char *FreeHistoryContextName(uint64 arena_id);

/* "reset", "delete", "pfree" or "repalloc" */
extern const char *FreedByName(ga_freed_by how);

#endif /* GOARENA_FREE_HISTORY_H */
