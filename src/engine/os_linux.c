/*-------------------------------------------------------------------------
 *
 * os_linux.c
 *	  The engine's operating-system table on Linux.
 *
 * Reserved memory is private, anonymous and without access, which strict
 * overcommit does not charge for.  Access changes go through mprotect, so
 * that pages stay resident: mapping anew costs a page fault for each page
 * when the memory is used again.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
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

static int
linux_fault(void *addr, size_t size)
{
	return mprotect(addr, size, PROT_NONE);
}

static int
linux_free(void *addr, size_t size)
{
	return munmap(addr, size);
}

static bool
remap(void *from, void *to, size_t size)
{
	return mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) !=
		   MAP_FAILED;
}

/*
 * copy
 *		Do by hand what mremap will not do.  Kernels before 6.17 unmap the target
 *		before they look at the source.
 */
static int
copy(void *from, void *to, size_t size)
{
	if (mmap(to, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -1;
	memcpy(to, from, size);
	(void) madvise(from, size, MADV_DONTNEED);
	return 0;
}

/*
 * linux_move
 *		MREMAP_DONTUNMAP (Linux 5.7) leaves the old range in place, so that no
 *		other thread can be given its addresses in between.  A range that crosses
 *		from one mapping to the next, as memory that was moved before does, is
 *		refused: halve it until the parts do not.
 */
static int
linux_move(void *from, void *to, size_t size)
{
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	size_t half = ga_align_up(size / 2, page_size);

	if (remap(from, to, size))
		return 0;
	if (errno != EFAULT || size == page_size)
		return copy(from, to, size);
	if (linux_move(from, to, half) != 0)
		return -1;
	return linux_move((char *) from + half, (char *) to + half, size - half);
}

static int
linux_huge(void *addr, size_t size)
{
	return madvise(addr, size, MADV_HUGEPAGE);
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
linux_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

const ga_os *
ga_os_default(void)
{
	static ga_os table = {
		.reserve = linux_reserve,
		.map = linux_use,
		.use = linux_use,
		.unuse = linux_unuse,
		.fault = linux_fault,
		.free = linux_free,
		.move = linux_move,
		.huge = linux_huge,
		.resident = linux_resident,
		.peek = linux_peek,
		.now = linux_now,
	};

	if (table.page_size == 0)
		table.page_size = (size_t) sysconf(_SC_PAGESIZE);
	return &table;
}
