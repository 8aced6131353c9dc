/*-------------------------------------------------------------------------
 *
 * kernel_file.h
 *	  Reading the small files of /proc and /sys.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_KERNEL_FILE_H
#define GOARENA_KERNEL_FILE_H

#include "postgres.h"

/*
 * Read the beginning of a file as a string of less than size bytes; false if it cannot
 * be read.  Allocates nothing and is async-signal-safe.
 */
extern bool KernelFileRead(const char *path, char *text, size_t size);

#endif /* GOARENA_KERNEL_FILE_H */
