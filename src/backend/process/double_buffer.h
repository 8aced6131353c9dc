/*-------------------------------------------------------------------------
 *
 * double_buffer.h
 *	  Memory that one process writes and others read, and nobody waits.
 *
 * There are two halves of one size, and a version: halves[version % 2] is whole.
 * The writer writes into the other half and then turns the version.  A reader
 * copies the half that the version names, and does so again if the version has
 * changed meanwhile.  So it gets what was true at one moment, also of a writer
 * that was stopped in the midst of writing.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DOUBLE_BUFFER_H
#define GOARENA_DOUBLE_BUFFER_H

#include "postgres.h"

#include "port/atomics.h"

/*
 * The number of the half that nobody reads.  Nothing is written into it before it
 * has ceased to be the one to read.
 */
static inline int
DoubleBufferOther(pg_atomic_uint64 *version)
{
	pg_write_barrier();
	return (int) ((pg_atomic_read_u64(version) + 1) % 2);
}

/* It is whole: let it be read. */
static inline void
DoubleBufferTurn(pg_atomic_uint64 *version)
{
	pg_write_barrier();
	pg_atomic_write_u64(version, pg_atomic_read_u64(version) + 1);
}

/* Copy what is to be read.  Each half has size bytes. */
static inline void
DoubleBufferRead(pg_atomic_uint64 *version, const void *halves, Size size, void *copy)
{
	uint64 before;

	do
	{
		before = pg_atomic_read_u64(version);
		pg_read_barrier();
		memcpy(copy, (const char *) halves + (before % 2) * size, size);
		pg_read_barrier();
	} while (pg_atomic_read_u64(version) != before);
}

#endif /* GOARENA_DOUBLE_BUFFER_H */
