/*-------------------------------------------------------------------------
 *
 * os_linux.c
 *	  The engine's operating-system table on Linux.
 *
 * Reserved memory is private, anonymous and without access, which strict
 * overcommit does not charge for.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void *
linux_reserve(void *hint, size_t size)
{
	void *addr = mmap(hint, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return addr == MAP_FAILED ? NULL : addr;
}

static int
linux_use(void *addr, size_t size)
{
	return mprotect(addr, size, PROT_READ | PROT_WRITE);
}

static int
linux_unuse(void *addr, size_t size)
{
	return madvise(addr, size, MADV_DONTNEED);
}

/*
 * linux_drop
 *		A new mapping without access takes the place of the old one: one call, and
 *		unlike mprotect it gives back what strict overcommit charged.
 */
static int
linux_drop(void *addr, size_t size)
{
	return mmap(addr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
				0) == MAP_FAILED
			   ? -1
			   : 0;
}

static int
linux_free(void *addr, size_t size)
{
	return munmap(addr, size);
}

/*
 * os_linux_reserve_again
 *		Reserve the target of a move that failed again: kernels before 6.17 unmap it before they
 *		look at the source.  False if something else has taken its addresses.
 */
static bool
os_linux_reserve_again(void *addr, size_t size)
{
	void *got = mmap(addr, size, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == addr)
		return true;

	/*
	 * EEXIST says that the target was not unmapped.  Old kernels do not know the flag, and map
	 * elsewhere.
	 */
	if (got != MAP_FAILED)
		(void) munmap(got, size);
	return got != MAP_FAILED || errno == EEXIST;
}

/*
 * linux_move
 *		Where source and target are aligned to what a page table covers, the kernel moves page
 *		tables.  It refuses a source that lies in several mappings.
 */
static int
linux_move(void *from, size_t size, void *to, size_t to_size)
{
	int error;
	bool kept;

	if (mremap(from, size, to_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED)
		return 0;
	error = errno;
	kept = os_linux_reserve_again(to, to_size);
	errno = error;
	return kept ? -1 : GA_MOVE_LOST;
}

static int
linux_huge(void *addr, size_t size)
{
	return madvise(addr, size, MADV_HUGEPAGE);
}

static int
linux_small(void *addr, size_t size)
{
	return madvise(addr, size, MADV_NOHUGEPAGE);
}

/*
 * linux_populate
 *		Linux 5.14; older ones say EINVAL.
 */
static int
linux_populate(void *addr, size_t size)
{
	return madvise(addr, size, MADV_POPULATE_WRITE);
}

static int
linux_resident(void *addr, size_t size, unsigned char *pages)
{
	return mincore(addr, size, pages);
}

static size_t
linux_peek(void *to, const void *from, size_t size)
{
	struct iovec local = {to, size};
	struct iovec remote = {(void *) from, size};
	ssize_t copied = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	return copied < 0 ? 0 : (size_t) copied;
}

static int64_t
linux_clock(clockid_t clock)
{
	struct timespec ts = {0, 0};

	clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
linux_now(void)
{
	return linux_clock(CLOCK_MONOTONIC);
}

static int64_t
linux_processor_time(void)
{
	return linux_clock(CLOCK_THREAD_CPUTIME_ID);
}

const ga_os *
ga_os_default(void)
{
	static ga_os table = {
		.reserve = linux_reserve,
		.map = linux_use,
		.use = linux_use,
		.unuse = linux_unuse,
		.drop = linux_drop,
		.leave = linux_free,
		.free = linux_free,
		.move = linux_move,
		.huge = linux_huge,
		.small = linux_small,
		.populate = linux_populate,
		.resident = linux_resident,
		.peek = linux_peek,
		.now = linux_now,
		.processor_time = linux_processor_time,
	};

	if (table.page_size == 0)
		table.page_size = (size_t) sysconf(_SC_PAGESIZE);
	return &table;
}
