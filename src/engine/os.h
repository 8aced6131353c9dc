/*-------------------------------------------------------------------------
 *
 * os.h
 *	  The engine's only way to the operating system.
 *
 * Address space is in one of three conditions:
 *
 *	unmapped	the kernel may give it to anybody, but ours comes last of all
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

	/* Give pages and mapping back; the addresses are reserved again before they are used. */
	int (*leave)(void *addr, size_t size);

	/* Give address space back for good: only what was reserved in excess, and by tests. */
	int (*free)(void *addr, size_t size);

	/*
	 * Move a mapped range with its pages to a reserved one that is at least as
	 * long, all of which is mapped then.  Nothing is mapped any more where it
	 * was.  If that fails, nothing has changed, or the target is no longer
	 * reserved: then the result is GA_MOVE_LOST.
	 */
	int (*move)(void *from, size_t size, void *to, size_t to_size);

	/* Ask for huge pages, or for none; advice only. */
	int (*huge)(void *addr, size_t size);
	int (*small)(void *addr, size_t size);

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
