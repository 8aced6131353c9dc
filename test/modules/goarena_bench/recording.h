/*-------------------------------------------------------------------------
 *
 * recording.h
 *	  The file that the recorder writes and the replay reads.
 *
 * A sequence of structs of the recording machine.  Contexts and objects are
 * named by their addresses, which at any time belong to one of them at most.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_BENCH_RECORDING_H
#define GOARENA_BENCH_RECORDING_H

#include "postgres.h"

typedef enum RecordedKind
{
	RECORDED_ALLOC,
	RECORDED_FREE,
	RECORDED_REALLOC,
	RECORDED_RESET,
	RECORDED_DELETE
} RecordedKind;

typedef struct RecordedOp
{
	uint64 kind;
	uint64 context;
	uint64 object; /* alloc: the new one; free, realloc: the old one */
	uint64 target; /* realloc: the new one; alloc: what the context was charged before */
	uint64 size;   /* alloc, realloc: asked for */
} RecordedOp;

#endif /* GOARENA_BENCH_RECORDING_H */
