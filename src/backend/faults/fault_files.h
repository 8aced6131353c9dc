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
 * So many reports are kept, and the oldest one makes room; warnings only for
 * warnings, of which there may be very many.
 */
#define FAULT_FILES_FAULTS	 64
#define FAULT_FILES_WARNINGS 16
#define FAULT_FILES			 (FAULT_FILES_FAULTS + FAULT_FILES_WARNINGS)

/* No report is longer than this, in bytes. */
#define FAULT_REPORT_SIZE (64 * 1024)

/* The key of a report for what the next function says. */
#define FAULT_INSTANCE "directory inode"

/*
 * What tells the directory from its copies, in standbys and in restored backups;
 * 0 if there is none.  Makes it if need be.  Async-signal-safe.
 */
extern uint64 FaultFilesInstance(void);

/*
 * Keep a report.  Async-signal-safe.  False if it cannot be kept; then there
 * is no trace of it.
 */
extern bool FaultFileWrite(const char *report, bool warning);

/* The path of the i-th file, 0 to FAULT_FILES - 1, whether it exists or not. */
extern void FaultFilePath(char *path, size_t size, int i);

#endif /* GOARENA_FAULT_FILES_H */
