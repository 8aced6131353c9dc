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

/* Make the name of a dump of a process. number distinguishes the dumps of one process. */
extern void DumpFileName(char *name, int pid, int64 number);

/*
 * Make the directory, if need be, and a new file in it, for the owner alone.  Returns a file descriptor, or
 * -1 with errno.  Allocates nothing.
 */
extern int DumpFileCreate(const char *name);

/* Remove a file of that name. */
extern void DumpFileRemove(const char *name);

/*
 * Open a file for reading, by OpenTransientFile.  Raises an error if the name contains a directory,
 * or the file does not exist, is not a regular one, or is longer than any dump.
 */
extern int DumpFileOpen(const char *name);

#endif /* GOARENA_DUMP_FILES_H */
