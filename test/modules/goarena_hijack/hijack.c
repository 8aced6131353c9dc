/*-------------------------------------------------------------------------
 *
 * hijack.c
 *	  A library that replaces a method of AllocSet, or of goarena_hijack.type, before
 *	  goarena wants to.
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
#include "utils/guc.h"
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

/*
 * TableOf
 *		The method table that is to be changed.
 */
static MemoryContextMethods *
TableOf(const char *type)
{
	MemoryContext probe = TopMemoryContext;
	const MemoryContextMethods *table;

	if (strcmp(type, "Generation") == 0)
		probe = GenerationContextCreate(TopMemoryContext, "goarena hijack", ALLOCSET_SMALL_SIZES);
	table = probe->methods;
	if (probe != TopMemoryContext)
		MemoryContextDelete(probe);
	return (MemoryContextMethods *) table;
}

void
_PG_init(void)
{
	static char *type;
	MemoryContextMethods *table;
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	void *page;

	DefineCustomStringVariable("goarena_hijack.type", "The type of contexts.", NULL, &type,
							   "AllocSet", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	table = TableOf(type);
	page = (void *) ((uintptr_t) &table->alloc & ~(uintptr_t) (page_size - 1));

	if (mprotect(page, page_size, PROT_READ | PROT_WRITE) != 0)
		elog(ERROR, "could not make the method table writable: %m");
	original = *table;
	table->alloc = PassingAlloc;
	if (mprotect(page, page_size, PROT_READ) != 0)
		elog(ERROR, "could not protect the method table again: %m");
}
