/*-------------------------------------------------------------------------
 *
 * recorder.h
 *	  A background worker that keeps a history of who held memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_RECORDER_H
#define GOARENA_RECORDER_H

#include "postgres.h"

#include "utils/guc.h"

/* goarena.history_interval, in milliseconds, 0 is off; goarena.history_size, in kB */
extern int goarena_history_interval;
extern int goarena_history_size_kb;

#define HISTORY_LEAST_INTERVAL 100
#define HISTORY_LEAST_SIZE	   1024
#define HISTORY_MOST_SIZE	   (1024 * 1024)

extern bool CheckHistoryInterval(int *newval, void **extra, GucSource source);

/* Register the worker; once, from _PG_init under shared_preload_libraries. */
extern void RecorderInit(void);

/* For shared_memory.c. */
extern Size RecorderSize(void);
extern void RecorderAttach(void *memory, bool anew);

#endif /* GOARENA_RECORDER_H */
