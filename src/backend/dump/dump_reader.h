/*-------------------------------------------------------------------------
 *
 * dump_reader.h
 *	  Reading the records of a heap dump, none of which is trusted.
 *
 * All functions raise errors: ERRCODE_DATA_CORRUPTED if the file is not what DumpWrite writes.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_READER_H
#define GOARENA_DUMP_READER_H

#include "postgres.h"

#include "backend/dump/dump_format.h"

typedef struct DumpReader DumpReader;

/* Open a file of the directory, and check its head.  palloc'd. */
extern DumpReader *DumpReaderOpen(const char *name);

/*
 * The next record, of a kind that there is and as long as these are, with names that end; NULL behind the
 * last one.  It is there until the next call.  Checks for interrupts now and then.
 */
extern const DumpRecord *DumpReaderNext(DumpReader *reader);

/* Say that what was read makes no sense. */
extern void DumpReaderFail(const DumpReader *reader, const char *detail) __attribute__((noreturn));

/* Close the file. */
extern void DumpReaderClose(DumpReader *reader);

#endif /* GOARENA_DUMP_READER_H */
