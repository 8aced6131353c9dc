/*-------------------------------------------------------------------------
 *
 * last_crash.h
 *	  What was known of the minute before the last unclean end of the server.
 *
 * As the history goes on, it overwrites that minute at some time.  So a file of its own keeps it
 * until the next unclean end.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LAST_CRASH_H
#define GOARENA_LAST_CRASH_H

#include "postgres.h"

#include "backend/recorder/history_format.h"
#include "backend/recorder/history_reader.h"

/* A process in that minute. */
typedef struct CrashProcess
{
	HistoryProcess last; /* as it was seen last */
	TimestampTz seen;	 /* when that was */
	int64 grown;		 /* bytes, since it was first seen in that minute; all if that was once */
	char context[HISTORY_NAME]; /* the name of the contexts that grew most, or empty */
	int64 context_grown;		/* bytes by which they did */
} CrashProcess;

typedef struct Crash
{
	TimestampTz at; /* of the last sample */
	HistoryEnding ending;
	HistoryMachine machine; /* in the last sample */
	int count;
	CrashProcess *processes; /* the largest first */
} Crash;

/*
 * Copy the last minute before the end of the newest run in a history into the file of the last
 * crash.  False if there is nothing to keep, or it cannot be written.
 */
extern bool LastCrashKeep(HistoryReader *history, HistoryEnding ending);

/* Read it; NULL if there was none.  reason is as for HistoryFileOpen. */
extern Crash *LastCrashRead(const char **reason);

/* Name the statements that ran and held most in the server's log. */
extern void LastCrashLog(const Crash *crash);

/* How a run ended, in words. */
extern const char *EndingName(HistoryEnding ending);

/* The largest contexts of a process as a palloc'd text. */
extern char *HistoryContextsText(const HistoryProcess *process);

#endif /* GOARENA_LAST_CRASH_H */
