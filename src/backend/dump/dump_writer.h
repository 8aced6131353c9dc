/*-------------------------------------------------------------------------
 *
 * dump_writer.h
 *	  Writing the records of a heap dump.
 *
 * Allocates nothing and raises no errors.  The first error, an errno, is kept, and after it nothing is
 * written any more.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_WRITER_H
#define GOARENA_DUMP_WRITER_H

#include "postgres.h"

#include "backend/dump/dump_format.h"

/* Begin a file of which the head is given, without its checksum. */
extern void DumpWriterBegin(int fd, const DumpHead *head);

/* Write a record of this kind and length; the kind and the length need not be there yet. */
extern void DumpWriterPut(DumpKind kind, void *record, size_t size);

/* How many records were written? */
extern uint64 DumpWriterRecords(void);

/* Let an error be the first one, unless there was one. */
extern void DumpWriterFail(int error);
extern int DumpWriterError(void);

/* Write what is left.  Returns the first error, or 0. */
extern int DumpWriterEnd(void);

/* Does an address lie in the memory of this writer, where there are copies of pointers? */
extern bool DumpWriterHas(uintptr_t address);

#endif /* GOARENA_DUMP_WRITER_H */
