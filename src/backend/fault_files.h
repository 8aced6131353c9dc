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

/* The oldest report makes room when there are so many. */
#define FAULT_FILES 64

/* No report is longer than this, in bytes. */
#define FAULT_REPORT_SIZE (64 * 1024)

/*
 * Keep a report.  Async-signal-safe.  False if it cannot be kept; then there
 * is no trace of it.
 */
extern bool FaultFileWrite(const char *report, size_t length);

/* The path of the i-th file, 0 to FAULT_FILES - 1, whether it exists or not. */
extern void FaultFilePath(char *path, size_t size, int i);

#endif /* GOARENA_FAULT_FILES_H */
