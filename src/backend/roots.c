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
 * While the process has threads besides ours, mappings can vanish between
 * being listed and being read; they are then read through the kernel.  So is a
 * mapping that faults though it is said to be readable, as one does whose
 * protection key is not ours to use.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/guard.h"
#include "backend/roots.h"
#include "engine/sweep.h"

/* The part of a line of /proc/self/maps that matters here. */
typedef struct Mapping
{
	uintptr_t from;
	uintptr_t to;
	bool private_writable;
	bool file;
	bool device;
} Mapping;

/* What the functions below pass on to each other. */
typedef struct RootScan
{
	ga_heap *heap;
	uintptr_t frame; /* the lowest address of our stack that counts */
	bool unstable;	 /* mappings may vanish */
	int pagemap;	 /* file descriptor, or -1 */
	Mapping mapping; /* that is being scanned */
} RootScan;

/* Entries of /proc/self/pagemap. */
#define PAGEMAP_PRESENT UINT64CONST(0x8000000000000000)
#define PAGEMAP_FILE	UINT64CONST(0x2000000000000000)
#define PAGEMAP_ENTRIES 512

/* Reads in progress; static because a sweep must not allocate. */
static char buffer[32 * 1024];
static uint64 pages[PAGEMAP_ENTRIES];

/*
 * HasThreads
 *		A task directory has two links besides one for each thread.
 */
static bool
HasThreads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) != 0 || st.st_nlink != 3;
}

/*
 * ParseHex
 *		Parse a number up to its end; strtoul would also look at the locale.
 */
static const char *
ParseHex(const char *p, uintptr_t *value)
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
 * IsDeviceName
 *		Private mappings of /dev/zero are memory like any other.
 */
static bool
IsDeviceName(const char *name)
{
	return strncmp(name, "/dev/", 5) == 0 && strcmp(name, "/dev/zero") != 0;
}

/*
 * ParseLine
 *		Such as "7f00a000-7f00b000 rw-p 00000000 00:00 0    /path".  False if it
 *		is anything else.
 */
static bool
ParseLine(const char *line, Mapping *mapping)
{
	const char *p = ParseHex(line, &mapping->from);
	const char *path;
	int spaces = 0;

	if (*p++ != '-')
		return false;
	p = ParseHex(p, &mapping->to);
	if (*p++ != ' ' || strnlen(p, 5) < 5)
		return false;
	mapping->private_writable = p[0] == 'r' && p[1] == 'w' && p[3] == 'p';

	/* Then offset, device and inode, which are followed by the name if there is one. */
	for (path = p; *path != '\0' && (spaces < 4 || *path == ' '); path++)
		spaces += *path == ' ';
	mapping->file = *path == '/';
	mapping->device = IsDeviceName(path);
	return true;
}

static bool
IsWrittenPage(uint64 entry)
{
	return (entry & (PAGEMAP_PRESENT | PAGEMAP_FILE)) == PAGEMAP_PRESENT;
}

/*
 * ScanWrittenPages
 *		Scan the pages of a mapped file that are no longer the file's.  False if
 *		they cannot be told from the others.
 */
static bool
ScanWrittenPages(const RootScan *scan, uintptr_t from, uintptr_t to)
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

			while (i < count && IsWrittenPage(pages[i]))
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
 * ScanWhereItLies
 *		Scan a mapping that need not be read through the kernel.
 */
static void
ScanWhereItLies(void *arg)
{
	const RootScan *scan = arg;
	const Mapping *mapping = &scan->mapping;

	if (scan->frame >= mapping->from && scan->frame < mapping->to)
		ga_sweep_root(scan->heap, scan->frame, mapping->to, GA_ROOT_MAPPED);
	else if (!mapping->file || !ScanWrittenPages(scan, mapping->from, mapping->to))
		ga_sweep_root(scan->heap, mapping->from, mapping->to,
					  scan->unstable ? GA_ROOT_UNSTABLE : GA_ROOT_MAPPED);
}

static void
ScanMapping(RootScan *scan, const Mapping *mapping)
{
	if (!mapping->private_writable || mapping->device)
		return;
	scan->mapping = *mapping;
	if (!GuardTry(ScanWhereItLies, scan))
		ga_sweep_root(scan->heap, mapping->from, mapping->to, GA_ROOT_UNSTABLE);
}

/*
 * ScanLines
 *		Scan the mappings that the whole lines in the buffer name.  Returns where
 *		the rest begins, or NULL if a line is not understood.
 */
static char *
ScanLines(RootScan *scan)
{
	char *line = buffer;
	char *newline;

	while ((newline = strchr(line, '\n')) != NULL)
	{
		Mapping mapping;

		*newline = '\0';
		if (!ParseLine(line, &mapping))
			return NULL;
		ScanMapping(scan, &mapping);
		line = newline + 1;
	}
	return line;
}

/*
 * ReadMappings
 *		Read the list of mappings piece by piece and scan each.
 */
static bool
ReadMappings(RootScan *scan, int maps)
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

		rest = ScanLines(scan);
		if (rest == NULL)
			return false;
		filled -= (size_t) (rest - buffer);
		memmove(buffer, rest, filled);
		if (filled == sizeof(buffer) - 1)
			return false;
	}
}

/*
 * Linux 6.11 answers questions about mappings one by one, which takes a
 * fraction of the time it takes to write and read the text of all of them.
 * The definitions are the kernel's, whose headers may be older.
 */
typedef struct MappingQuery
{
	uint64 size;
	uint64 query_flags;
	uint64 query_addr;
	uint64 vma_start;
	uint64 vma_end;
	uint64 vma_flags;
	uint64 vma_page_size;
	uint64 vma_offset;
	uint64 inode;
	uint32 dev_major;
	uint32 dev_minor;
	uint32 vma_name_size;
	uint32 build_id_size;
	uint64 vma_name_addr;
	uint64 build_id_addr;
} MappingQuery;

#define QUERY_MAPPING  _IOWR('f', 17, MappingQuery)
#define QUERY_READABLE 0x01
#define QUERY_WRITABLE 0x02
#define QUERY_SHARED   0x08
#define QUERY_OR_NEXT  0x10

/* Files that were found not to be devices; their names need not be asked for. */
typedef struct KnownFile
{
	uint64 inode;
	uint32 dev_major;
	uint32 dev_minor;
} KnownFile;

static KnownFile known_files[256]; /* where the inode leads to; inode 0 is none */

/*
 * IsDevice
 *		Is the file of a mapping a device?  *known is set to false if the
 *		kernel does not answer.
 */
static bool
IsDevice(int maps, MappingQuery *query, bool *known)
{
	KnownFile *file = &known_files[query->inode % lengthof(known_files)];

	*known = true;
	if (file->inode == query->inode && file->dev_major == query->dev_major &&
		file->dev_minor == query->dev_minor)
		return false;

	query->query_addr = query->vma_start;
	query->vma_name_addr = (uint64) (uintptr_t) buffer;
	query->vma_name_size = sizeof(buffer);
	*known = ioctl(maps, QUERY_MAPPING, query) == 0;
	if (!*known || IsDeviceName(buffer))
		return true;
	file->inode = query->inode;
	file->dev_major = query->dev_major;
	file->dev_minor = query->dev_minor;
	return false;
}

/*
 * QueryMapping
 *		The first readable and writable mapping that ends above an address.
 *		False if there is none, with errno ENOENT, or if the kernel does not
 *		answer.
 */
static bool
QueryMapping(int maps, uintptr_t addr, Mapping *mapping)
{
	MappingQuery query = {
		.size = sizeof(query),
		.query_flags = QUERY_READABLE | QUERY_WRITABLE | QUERY_OR_NEXT,
		.query_addr = addr,
	};
	bool known = true;

	if (ioctl(maps, QUERY_MAPPING, &query) != 0)
		return false;
	mapping->from = Max(query.vma_start, addr);
	mapping->to = query.vma_end;
	mapping->private_writable = (query.vma_flags & QUERY_SHARED) == 0;
	mapping->file = query.inode != 0 && mapping->private_writable;
	mapping->device = mapping->file && IsDevice(maps, &query, &known);
	return known;
}

/*
 * QueryMappings
 *		Ask for all mappings and scan each, but not those of chunks.  False if the
 *		kernel does not answer; all must then be scanned in another way.
 */
static bool
QueryMappings(RootScan *scan, int maps)
{
	uintptr_t addr = 0;
	Mapping mapping;

	while (QueryMapping(maps, addr, &mapping))
	{
		if (ga_segment_of(scan->heap, mapping.from) != NULL)
		{
			addr = ga_align_down(mapping.from, GA_SEGMENT_SIZE) + GA_SEGMENT_SIZE;
			continue;
		}
		ScanMapping(scan, &mapping);
		addr = mapping.to;
	}
	return errno == ENOENT;
}

static pg_noinline bool
ScanMappings(ga_heap *heap)
{
	RootScan scan = {
		.heap = heap,
		.frame = (uintptr_t) __builtin_frame_address(0),
		.unstable = HasThreads(),
		.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
	};
	int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	bool complete = maps >= 0 && (QueryMappings(&scan, maps) || ReadMappings(&scan, maps));

	if (maps >= 0)
		close(maps);
	if (scan.pagemap >= 0)
		close(scan.pagemap);
	return complete;
}

/*
 * ScanRoots
 *		Registers that a caller's values may be in are saved in this frame,
 *		which lies above that of ScanMappings and so belongs to the stack.
 */
pg_noinline bool
ScanRoots(ga_heap *heap)
{
	bool complete;

	__builtin_unwind_init();
	complete = ScanMappings(heap);

	/* No tail call: this frame must still be there. */
	__asm__ volatile("" ::: "memory");
	return complete;
}
