/*-------------------------------------------------------------------------
 *
 * os.h
 *	  The engine's only way to the operating system.
 *
 * Address space is in one of three conditions:
 *
 *	unmapped        the kernel may give it to others, and does so last of all
 *	reserved	faults and costs nothing
 *	mapped		readable and writable; physical pages come at the first touch
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

#define GA_MOVE_LOST (-2)

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

	/* Make memory that was dropped, or more of it, readable and writable. */
	int (*use)(void *addr, size_t size);

	/* Give the physical pages back; the range keeps its access rights. */
	int (*unuse)(void *addr, size_t size);

	/* Give the physical pages back and make the range reserved again. */
	int (*drop)(void *addr, size_t size);

	/* Give pages and mapping back; the engine reserves the addresses again before it uses them. */
	int (*leave)(void *addr, size_t size);

	/* Give address space back for good: what was reserved in excess, and all of it in tests. */
	int (*free)(void *addr, size_t size);

	/*
	 * Move a mapped range with its pages to a reserved one that is at least as long.  All of the
	 * target is mapped then, and nothing is mapped at the source any more.  If it fails, nothing
	 * has changed, except that the target may be lost, that is, no longer reserved: then the result
	 * is GA_MOVE_LOST.
	 */
	int (*move)(void *from, size_t size, void *to, size_t to_size);

	/* Ask for huge pages, or for none; advice only. */
	int (*huge)(void *addr, size_t size);
	int (*small)(void *addr, size_t size);

	/* Have all pages of a mapped range now instead of at the first touch of each; advice only. */
	int (*populate)(void *addr, size_t size);

	/* For each page, set the low bit of a byte in pages if it is resident. */
	int (*resident)(void *addr, size_t size, unsigned char *pages);

	/*
	 * Copy from memory that other threads may unmap meanwhile.  Stops at the first page that is not
	 * there, and returns the number of bytes copied.  If that is 0, errno is EFAULT for a missing
	 * page, or says what else is wrong.
	 */
	size_t (*peek)(void *to, const void *from, size_t size);

	/* Monotonic time in microseconds. */
	int64_t (*now)(void);

	/* Processor time of the calling thread in microseconds. */
	int64_t (*processor_time)(void);

	size_t page_size; /* bytes */
} ga_os;

/* The real one.  The page size is filled in at the first call. */
extern const ga_os *ga_os_default(void);

#endif /* GA_OS_H */
