/*-------------------------------------------------------------------------
 *
 * roots.c
 *	  Where pointers may lie in a server process.
 *
 * Every private writable mapping can hold a pointer: the data of the program
 * and of every library, malloc's memory, the stacks of threads that libraries
 * started.  The list of them is the kernel's, /proc/self/maps.  Of our own
 * stack only the part in use counts.  Shared memory is no root, since nothing
 * in it may point into private memory.  Neither are mappings of devices,
 * which may do anything when they are read.
 *
 * Of a mapped file, such as the data of a library, only pages that were
 * written can hold a pointer; /proc/self/pagemap tells them from those that are
 * still the file's, which need not even be in memory.
 *
 * If the process has other threads, a mapping can vanish after it was listed and before it is read;
 * so it is read through the kernel.  A mapping that faults though it is listed as readable is also
 * read in this way: for example one whose protection key this thread may not use.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/faults/guard.h"
#include "backend/sweeps/roots.h"
#include "engine/sweep.h"

/* The part of a line of /proc/self/maps that matters here. */
typedef struct Mapping
{
	uintptr_t from;
	uintptr_t to;
	bool private_writable;
	bool file;
	bool device;
	const char *name; /* in the buffer; "" if it has none */
} Mapping;

/* What the functions below pass on to each other. */
typedef struct RootScan
{
	ga_heap *heap;
	uintptr_t frame;			  /* the lowest address of our stack that counts */
	bool unstable;				  /* mappings may vanish */
	int pagemap;				  /* file descriptor, or -1 */
	const RootListener *listener; /* or NULL */
	Mapping mapping;			  /* that is being scanned */
} RootScan;

/* Entries of /proc/self/pagemap. */
#define PAGEMAP_PRESENT UINT64CONST(0x8000000000000000)
#define PAGEMAP_FILE	UINT64CONST(0x2000000000000000)
#define PAGEMAP_ENTRIES 512

/* Buffers for reading; static because a sweep must not allocate. */
static char buffer[32 * 1024];
static uint64 pages[PAGEMAP_ENTRIES];

/*
 * RootsMayChange
 *		A task directory has two links besides one for each thread.
 */
bool
RootsMayChange(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) != 0 || st.st_nlink != 3;
}

/*
 * roots_parse_hex
 *		Parse a number up to its end; strtoul would also look at the locale.
 */
static const char *
roots_parse_hex(const char *p, uintptr_t *value)
{
	*value = 0;
	for (;; p++)
	{
		if (*p >= '0' && *p <= '9')
			*value = *value << 4 | (uintptr_t) (*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*value = *value << 4 | (uintptr_t) (*p - 'a' + 10);
		else
			return p;
	}
}

/*
 * roots_is_device_name
 *		Private mappings of /dev/zero are memory like any other.
 */
static bool
roots_is_device_name(const char *name)
{
	return strncmp(name, "/dev/", 5) == 0 && strcmp(name, "/dev/zero") != 0;
}

/*
 * roots_parse_line
 *		Such as "7f00a000-7f00b000 rw-p 00000000 00:00 0    /path".  False if it
 *		is anything else.
 */
static bool
roots_parse_line(const char *line, Mapping *mapping)
{
	const char *p = roots_parse_hex(line, &mapping->from);
	const char *path;
	int spaces = 0;

	if (*p++ != '-')
		return false;
	p = roots_parse_hex(p, &mapping->to);
	if (*p++ != ' ' || strnlen(p, 5) < 5)
		return false;
	mapping->private_writable = p[0] == 'r' && p[1] == 'w' && p[3] == 'p';

	/* Then offset, device and inode, which are followed by the name if there is one. */
	for (path = p; *path != '\0' && (spaces < 4 || *path == ' '); path++)
		spaces += *path == ' ';
	mapping->file = *path == '/';
	mapping->device = roots_is_device_name(path);
	mapping->name = path;
	return true;
}

static bool
roots_is_written_page(uint64 entry)
{
	return (entry & (PAGEMAP_PRESENT | PAGEMAP_FILE)) == PAGEMAP_PRESENT;
}

/*
 * roots_scan_written
 *		Scan the pages of a mapped file that are no longer the file's.  False if
 *		the kernel does not say which these are.
 */
static bool
roots_scan_written(const RootScan *scan, uintptr_t from, uintptr_t to)
{
	size_t page_size = scan->heap->os->page_size;

	if (scan->pagemap < 0)
		return false;
	while (from < to)
	{
		size_t count = Min((to - from) / page_size, PAGEMAP_ENTRIES);
		ssize_t size = (ssize_t) (count * sizeof(uint64));

		if (pread(scan->pagemap, pages, (size_t) size,
				  (off_t) (from / page_size * sizeof(uint64))) != size)
			return false;
		for (size_t i = 0; i < count;)
		{
			size_t first = i;

			while (i < count && roots_is_written_page(pages[i]))
				i++;
			if (i > first)
				ga_sweep_root(scan->heap, from + first * page_size, from + i * page_size,
							  scan->unstable ? GA_ROOT_UNSTABLE : GA_ROOT_RESIDENT);
			else
				i++;
		}
		from += count * page_size;
	}
	return true;
}

/*
 * roots_scan_in_place
 *		Scan a mapping that need not be read through the kernel.
 */
static void
roots_scan_in_place(void *arg)
{
	const RootScan *scan = arg;
	const Mapping *mapping = &scan->mapping;

	if (scan->frame >= mapping->from && scan->frame < mapping->to)
		ga_sweep_root(scan->heap, scan->frame, mapping->to, GA_ROOT_MAPPED);
	else if (!mapping->file || !roots_scan_written(scan, mapping->from, mapping->to))
		ga_sweep_root(scan->heap, mapping->from, mapping->to,
					  scan->unstable ? GA_ROOT_UNSTABLE : GA_ROOT_MAPPED);
}

static void
roots_scan_mapping(RootScan *scan, const Mapping *mapping)
{
	if (!mapping->private_writable || mapping->device)
		return;
	scan->mapping = *mapping;
	if (scan->listener != NULL)
		scan->listener->begin(scan->listener->arg, mapping->from, mapping->to, mapping->name);
	if (!GuardTry(roots_scan_in_place, scan))
		ga_sweep_root(scan->heap, mapping->from, mapping->to, GA_ROOT_UNSTABLE);
}

/*
 * roots_scan_lines
 *		Scan the mappings that the whole lines in the buffer name.  Returns where
 *		the rest begins, or NULL if a line is not understood.
 */
static char *
roots_scan_lines(RootScan *scan)
{
	char *line = buffer;
	char *newline;

	while ((newline = strchr(line, '\n')) != NULL)
	{
		Mapping mapping;

		*newline = '\0';
		if (!roots_parse_line(line, &mapping))
			return NULL;
		roots_scan_mapping(scan, &mapping);
		line = newline + 1;
	}
	return line;
}

/*
 * roots_read_mappings
 *		Read the list of mappings piece by piece and scan each.
 */
static bool
roots_read_mappings(RootScan *scan, int maps)
{
	size_t filled = 0;

	for (;;)
	{
		ssize_t got = read(maps, buffer + filled, sizeof(buffer) - 1 - filled);
		char *rest;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 && filled == 0;
		filled += (size_t) got;
		buffer[filled] = '\0';

		rest = roots_scan_lines(scan);
		if (rest == NULL)
			return false;
		filled -= (size_t) (rest - buffer);
		memmove(buffer, rest, filled);
		if (filled == sizeof(buffer) - 1)
			return false;
	}
}

static pg_noinline bool
roots_scan_mappings(ga_heap *heap, const RootListener *listener)
{
	RootScan scan = {
		.heap = heap,
		.frame = (uintptr_t) __builtin_frame_address(0),
		.unstable = RootsMayChange(),
		.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
		.listener = listener,
	};
	int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	bool complete = maps >= 0 && roots_read_mappings(&scan, maps);

	if (maps >= 0)
		close(maps);
	if (scan.pagemap >= 0)
		close(scan.pagemap);
	return complete;
}

/*
 * ScanRoots
 *		Saves the registers, which may hold values of callers, in its own frame.  That lies above
 *		the frame of roots_scan_mappings, and so is part of the stack that is read.
 */
pg_noinline bool
ScanRoots(ga_heap *heap, const RootListener *listener)
{
	bool complete;

	__builtin_unwind_init();
	complete = roots_scan_mappings(heap, listener);

	/* No tail call: this frame must still be there. */
	__asm__ volatile("" ::: "memory");
	return complete;
}
