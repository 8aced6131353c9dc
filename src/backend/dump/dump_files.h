/*-------------------------------------------------------------------------
 *
 * dump_files.h
 *	  Where heap dumps are kept.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_FILES_H
#define GOARENA_DUMP_FILES_H

#include "postgres.h"

/* Below the data directory. */
#define DUMP_DIRECTORY "goarena_dumps"

/* Room for a name of a file there. */
#define DUMP_FILE_NAME 64

/* The name of a dump of a process; number tells its dumps from each other. */
extern void DumpFileName(char *name, int pid, int64 number);

/*
 * Make the directory, if need be, and a new file in it, for the owner alone.  Returns a file descriptor, or
 * -1 with errno.  Allocates nothing.
 */
extern int DumpFileCreate(const char *name);

/* Remove a file of that name. */
extern void DumpFileRemove(const char *name);

/*
 * Open a file to read it, as the transaction's: see OpenTransientFile.  Raises an error if the name is none
 * of a file in the directory, or if it is not a regular file or longer than any dump.
 */
extern int DumpFileOpen(const char *name);

#endif /* GOARENA_DUMP_FILES_H */
