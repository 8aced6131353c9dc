/*-------------------------------------------------------------------------
 *
 * os.h
 *	  The engine's only way to the operating system.
 *
 * Memory is in one of three conditions, after Go's runtime (runtime/mem.go):
 *
 *	reserved	address space that faults and costs nothing
 *	mapped		readable and writable; physical pages come at the first touch
 *	faulting	no access, but physical pages may still be held
 *
 * The functions move whole pages between them.  They stand in a table so that
 * the unit tests can make any call fail; a failing call changes nothing.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_OS_H
#define GA_OS_H

#include "config.h"

/*
 * Addresses and lengths are multiples of the page size, in bytes.  Functions
 * that return int return 0, or -1 with errno set.
 */
typedef struct ga_os
{
	/* Reserve address space, at the hint if it is free.  NULL if there is none. */
	void *(*reserve)(void *hint, size_t size);

	/* Make reserved memory readable and writable for the first time. */
	int (*map)(void *addr, size_t size);

	/* Make faulting memory readable and writable again. */
	int (*use)(void *addr, size_t size);

	/* Give the physical pages back; the range keeps its access rights. */
	int (*unuse)(void *addr, size_t size);

	/* Make the range fault on every access; physical pages stay. */
	int (*fault)(void *addr, size_t size);

	/* Give address space back: only what was reserved in excess, and by tests. */
	int (*free)(void *addr, size_t size);

	/*
	 * Move the physical pages of one range to another of equal length, both
	 * mapped.  The old range stays mapped and reads as zeros.
	 */
	int (*move)(void *from, void *to, size_t size);

	/* Ask for huge pages; advice only. */
	int (*huge)(void *addr, size_t size);

	/* Set the low bit of one byte a page for pages that are resident. */
	int (*resident)(void *addr, size_t size, unsigned char *pages);

	/*
	 * Copy from memory that other threads may unmap meanwhile.  Returns the
	 * number of bytes copied, which ends at the first page that is not there.
	 * If it is 0, errno is EFAULT for such a page, or says what else is wrong.
	 */
	size_t (*peek)(void *to, const void *from, size_t size);

	/* Monotonic time in microseconds. */
	int64_t (*now)(void);

	size_t page_size; /* bytes */
} ga_os;

/* The real one.  The page size is filled in at the first call. */
extern const ga_os *ga_os_default(void);

#endif /* GA_OS_H */
