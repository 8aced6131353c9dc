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
 * Read the next record; NULL behind the last one.  Its kind exists, its length is that of the kind,
 * and its names end.  It is valid until the next call.  Checks for interrupts now and then.
 */
extern const DumpRecord *DumpReaderNext(DumpReader *reader);

/* Raise the error that the dump is damaged, with a sentence that says how. */
extern void DumpReaderFail(const DumpReader *reader, const char *detail) __attribute__((noreturn));

/* Close the file. */
extern void DumpReaderClose(DumpReader *reader);

#endif /* GOARENA_DUMP_READER_H */
