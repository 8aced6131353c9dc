/*-------------------------------------------------------------------------
 *
 * fault_files.h
 *	  Where fault reports are kept.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_FILES_H
#define GOARENA_FAULT_FILES_H

#include "postgres.h"

/* Below the data directory. */
#define FAULT_DIRECTORY "goarena_faults"

/*
 * At most this many reports are kept, and then a new one takes the place of the oldest.  Warnings
 * have places of their own, since there may be very many.
 */
#define FAULT_FILES_FAULTS	 64
#define FAULT_FILES_WARNINGS 16
#define FAULT_FILES			 (FAULT_FILES_FAULTS + FAULT_FILES_WARNINGS)

/* No report is longer than this, in bytes. */
#define FAULT_REPORT_SIZE (64 * 1024)

/* The key of a report whose value is that of FaultFilesInstance. */
#define FAULT_INSTANCE "directory inode"

/*
 * A number that distinguishes the directory from its copies in standbys and restored backups; 0 if
 * there is no directory, and none can be made.  Async-signal-safe.
 */
extern uint64 FaultFilesInstance(void);

/*
 * Keep a report.  False if that cannot be done; then no file is left.  Async-signal-safe.
 */
extern bool FaultFileWrite(const char *report, bool warning);

/* The path of the i-th file, 0 to FAULT_FILES - 1, whether it exists or not. */
extern void FaultFilePath(char *path, size_t size, int i);

#endif /* GOARENA_FAULT_FILES_H */
