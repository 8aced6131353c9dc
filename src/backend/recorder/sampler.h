/*-------------------------------------------------------------------------
 *
 * sampler.h
 *	  One sample: what each process and the machine hold at a moment.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SAMPLER_H
#define GOARENA_SAMPLER_H

#include "postgres.h"

#include "backend/recorder/history_file.h"

/* Allocate what samples need, once. */
extern void SamplerPrepare(void);

/* Read what the kernel says of the machine, for the samples that follow. */
extern void SamplerReadMachine(void);

/*
 * Write a sample of what processes have shown, and commit it.  False if the file cannot be
 * written.  Async-signal-safe, allocates nothing, takes no lock.  What another process left
 * in shared memory may be damaged.
 */
extern bool SamplerTake(HistoryRing *ring);

#endif /* GOARENA_SAMPLER_H */
