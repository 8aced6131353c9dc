/*-------------------------------------------------------------------------
 *
 * double_buffer.h
 *	  Memory that one process writes and others read, where no process waits.
 *
 * There are two halves of one size, and a version: halves[version % 2] is the one to read.  The
 * writer writes to the other half and then increments the version.  A reader copies the half to
 * read, and copies again if the version has changed meanwhile.  So what it gets is from one moment,
 * also if the writer was stopped in the midst of writing.
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
 * The number of the half to write to.  The barrier keeps writes to it behind the last change of the
 * version.
 */
static inline int
DoubleBufferOther(pg_atomic_uint64 *version)
{
	pg_write_barrier();
	return (int) ((pg_atomic_read_u64(version) + 1) % 2);
}

/* That half is whole: make it the one to read. */
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
