/*-------------------------------------------------------------------------
 *
 * history_file.h
 *	  The files of the history: making, opening and mapping them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_HISTORY_FILE_H
#define GOARENA_HISTORY_FILE_H

#include "postgres.h"

#include "backend/recorder/history_format.h"

/* The history, and what it said of the minute before the last unclean end. */
#define HISTORY_FILE	"pg_stat/pgsql_tmp.goarena_history"
#define LAST_CRASH_FILE "pg_stat/pgsql_tmp.goarena_last_crash"

/*
 * Open a file to read it, or to write as well, and read its head.  -1 if there is none
 * that can be used: reason says why, or is NULL if there is no file at all.  To be closed
 * with CloseTransientFile().
 */
extern int HistoryFileOpen(const char *path, bool to_write, HistoryHead *head, const char **reason);

/* How many places for records a file of this many bytes has. */
extern uint64 HistoryPlaces(uint64 file_size);

/* A file that is mapped, to write to it. */
typedef struct HistoryRing
{
	char *map; /* NULL: none */
	Size size;
	ino_t inode;
	uint64 places;
	uint64 next;	/* number of the next record that is to stay */
	uint64 written; /* number of the next record; more than next within a sample */
} HistoryRing;

/*
 * Map a file that HistoryFileOpen found in order, to go on with record number next; or make a new
 * file with room for places records, which takes the name of the old one only with
 * HistoryRingInstall.  Both return false after a WARNING if they fail.
 */
extern bool HistoryRingMap(HistoryRing *ring, int file, const HistoryHead *head, uint64 next);
extern bool HistoryRingCreate(HistoryRing *ring, const char *path, uint64 places);
extern bool HistoryRingInstall(HistoryRing *ring, const char *path);
extern void HistoryRingUnmap(HistoryRing *ring);

/*
 * Write a record, whose kind and data are filled in.  It stays only once it is committed.  False if
 * the file can no longer be written, because it was made shorter.  Both functions are
 * async-signal-safe and allocate nothing.
 */
extern bool HistoryRingPut(HistoryRing *ring, HistoryRecord *record);
extern void HistoryRingCommit(HistoryRing *ring);

/* Forget records that were put and not committed.  Async-signal-safe. */
extern void HistoryRingForget(HistoryRing *ring);

/* Is the file that is mapped still there under its name, in its full length? */
extern bool HistoryRingIsThere(const HistoryRing *ring, const char *path);

#endif /* GOARENA_HISTORY_FILE_H */
