/*-------------------------------------------------------------------------
 *
 * hijack.c
 *	  A library that replaces a method of AllocSet before goarena is loaded.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "fmgr.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static MemoryContextMethods original;

#if PG_VERSION_NUM >= 170000
static void *
PassingAlloc(MemoryContext context, Size size, int flags)
{
	return original.alloc(context, size, flags);
}
#else
static void *
PassingAlloc(MemoryContext context, Size size)
{
	return original.alloc(context, size);
}
#endif

void
_PG_init(void)
{
	MemoryContextMethods *table = (MemoryContextMethods *) TopMemoryContext->methods;
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	void *page = (void *) ((uintptr_t) &table->alloc & ~(uintptr_t) (page_size - 1));

	if (mprotect(page, page_size, PROT_READ | PROT_WRITE) != 0)
		elog(ERROR, "could not make the method table writable: %m");
	original = *table;
	table->alloc = PassingAlloc;
	if (mprotect(page, page_size, PROT_READ) != 0)
		elog(ERROR, "could not protect the method table again: %m");
}
