/*-------------------------------------------------------------------------
 *
 * server_table.c
 *	  See server_table.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mcxt/server_table.h"

bool
ServerOwns(const void *address)
{
	Dl_info server;
	Dl_info other;

	return dladdr((const void *) palloc, &server) != 0 && dladdr(address, &other) != 0 &&
		   server.dli_fbase == other.dli_fbase;
}

/*
 * server_protection_of
 *		Find the protection that all pages of a range have; -1 if they differ, or it cannot be found
 *		out.
 */
static int
server_protection_of(uintptr_t from, uintptr_t to)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int result = -1;

	if (maps == NULL)
		return -1;
	while (result < 0 && fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long low;
		unsigned long high;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &low, &high, access) == 3 && from >= low && to <= high)
			result = (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) |
					 (access[2] == 'x' ? PROT_EXEC : 0);
	}
	fclose(maps);
	return result;
}

const char *
ServerTableStore(void *at, const void *bytes, Size size)
{
	uintptr_t page_size = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t) at & ~(page_size - 1);
	uintptr_t to = ((uintptr_t) at + size + page_size - 1) & ~(page_size - 1);
	int protection = server_protection_of(from, to);
	bool locked = (protection & PROT_WRITE) == 0;

	if (protection < 0)
		return "The protection of the method table cannot be read from /proc/self/maps.";
	if (locked && mprotect((void *) from, to - from, protection | PROT_WRITE) != 0)
		return "The method table cannot be made writable.";
	memcpy(at, bytes, size);
	if (locked && mprotect((void *) from, to - from, protection) != 0)
		elog(WARNING, "could not restore the protection of a method table: %m");
	return NULL;
}
