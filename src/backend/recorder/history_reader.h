/*-------------------------------------------------------------------------
 *
 * history_reader.h
 *	  Reading the records of a history in order.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_HISTORY_READER_H
#define GOARENA_HISTORY_READER_H

#include "postgres.h"

#include "backend/recorder/history_format.h"

typedef struct HistoryReader HistoryReader;

/*
 * Open a file and look which of its records are whole.  NULL if there is none that can be
 * used, as with HistoryFileOpen.  Everything is palloc'd.  May raise errors.
 */
extern HistoryReader *HistoryReaderOpen(const char *path, const char **reason);
extern void HistoryReaderClose(HistoryReader *reader);

/*
 * Read the next record.  Of a sample that of the machine comes first, and then those of
 * processes, the largest first.  Samples that are not whole are passed over.
 */
extern bool HistoryReaderNext(HistoryReader *reader, HistoryRecord *record);

/* Begin again from the first record. */
extern void HistoryReaderRewind(HistoryReader *reader);

/* The number that follows that of the newest record; 0 if there is none. */
extern uint64 HistoryReaderNextNumber(const HistoryReader *reader);

#endif /* GOARENA_HISTORY_READER_H */
