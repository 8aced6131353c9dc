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
 * While the process has threads besides ours, mappings can vanish between
 * being listed and being read; they are then read through the kernel.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/roots.h"
#include "engine/sweep.h"

/* The part of a line of /proc/self/maps that matters here. */
typedef struct Mapping
{
	uintptr_t from;
	uintptr_t to;
	bool private_writable;
	bool device;
} Mapping;

/* Reads in progress; static because a sweep must not allocate. */
static char buffer[32 * 1024];

/*
 * HasThreads
 *		A task directory has two links besides one for each thread.
 */
static bool
HasThreads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) != 0 || st.st_nlink > 3;
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
 * ParseLine
 *		Such as "7f00a000-7f00b000 rw-p 00000000 00:00 0    /path".  False if it
 *		is anything else.
 */
static bool
ParseLine(const char *line, Mapping *mapping)
{
	const char *p = ParseHex(line, &mapping->from);
	const char *path;

	if (*p++ != '-')
		return false;
	p = ParseHex(p, &mapping->to);
	if (*p++ != ' ' || strnlen(p, 5) < 5)
		return false;
	mapping->private_writable = p[0] == 'r' && p[1] == 'w' && p[3] == 'p';
	path = strchr(p, '/');
	mapping->device = path != NULL && strncmp(path, "/dev/", 5) == 0;
	return true;
}

/*
 * ScanMapping
 *		frame is the lowest address of our stack that counts.
 */
static void
ScanMapping(ga_heap *heap, const Mapping *mapping, uintptr_t frame, bool unstable)
{
	uintptr_t from = mapping->from;

	if (!mapping->private_writable || mapping->device)
		return;
	if (frame >= from && frame < mapping->to)
	{
		from = frame;
		unstable = false;
	}
	ga_sweep_root(heap, from, mapping->to, unstable);
}

/*
 * ScanMappings
 *		Read the list of mappings piece by piece and scan each.
 */
static pg_noinline bool
ScanMappings(ga_heap *heap)
{
	uintptr_t frame = (uintptr_t) __builtin_frame_address(0);
	bool unstable = HasThreads();
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t filled = 0;
	bool complete = fd >= 0;

	while (complete)
	{
		ssize_t got = read(fd, buffer + filled, sizeof(buffer) - 1 - filled);
		char *line = buffer;
		char *newline;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
		{
			complete = got == 0 && filled == 0;
			break;
		}
		filled += (size_t) got;
		buffer[filled] = '\0';
		while ((newline = strchr(line, '\n')) != NULL)
		{
			Mapping mapping;

			*newline = '\0';
			if (!ParseLine(line, &mapping))
			{
				complete = false;
				break;
			}
			ScanMapping(heap, &mapping, frame, unstable);
			line = newline + 1;
		}
		filled -= (size_t) (line - buffer);
		memmove(buffer, line, filled);
		if (filled == sizeof(buffer) - 1)
			complete = false;
	}
	if (fd >= 0)
		close(fd);
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
