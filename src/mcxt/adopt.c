/*-------------------------------------------------------------------------
 *
 * adopt.c
 *	  Making the server's own memory contexts into arenas.
 *
 * All AllocSet contexts share one constant method table inside the server.
 * Its alloc entry is replaced by a function of ours.  That function runs at
 * the first allocation in a context, decides once whether the context becomes
 * an arena, and points context->methods at the arena's table or at a private
 * copy of the original one.  Contexts that are not adopted pay nothing from
 * then on.  AllocSetContextCreate sets methods anew whenever it hands out a
 * context, so each life of a context is decided on its own.
 *
 * Done in the postmaster, every child inherits the replacement.  What is
 * written is one pointer, and only after the table was found to be what is
 * expected: see VerifyTable.
 *
 * Contexts that existed before may hold memory.  They get a copy of the
 * original table whose reset puts the shared one back: a context that was
 * reset is empty, and is decided on at its next allocation.
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

#include "miscadmin.h"
#include "utils/memutils.h"

#include "mcxt/adopt.h"
#include "mcxt/arena_context.h"
#include "mcxt/patterns.h"
#include "mcxt/process_heap.h"

static MemoryContextMethods *shared_table;	  /* the server's, or NULL */
static MemoryContextMethods plain_methods;	  /* its contents as they were */
static MemoryContextMethods rearming_methods; /* for contexts that existed before */
static bool contexts_may_hold_memory;		  /* when they are adopted */

bool
AdoptActive(void)
{
	return shared_table != NULL;
}

const MemoryContextMethods *
AdoptOrigin(MemoryContext context)
{
	return shared_table != NULL ? &plain_methods : context->methods;
}

/*
 * MayAdopt
 *		Never the contexts that the server needs to report that memory is used
 *		up, and nothing in the postmaster.
 */
static bool
MayAdopt(MemoryContext context)
{
	if (!goarena_enabled || (IsPostmasterEnvironment && !IsUnderPostmaster))
		return false;
	if (context == TopMemoryContext || context == ErrorContext || context == PostmasterContext)
		return false;
	return ContextMatchesPatterns(context);
}

/*
 * DecidingAlloc
 *		Stands in for AllocSet's alloc in the shared table.
 */
static void *
DecidingAlloc(MemoryContext context, Size size)
{
	if (!MayAdopt(context) || !ArenaContextAdopt(context, &plain_methods, contexts_may_hold_memory))
		context->methods = &plain_methods;
	return context->methods->alloc(context, size);
}

/*
 * RearmingReset
 *		A context that existed before is empty now.
 */
static void
RearmingReset(MemoryContext context)
{
	plain_methods.reset(context);
	context->methods = shared_table;
}

/*
 * SetAside
 *		Keep existing contexts from being decided on while they hold memory.
 */
static void
SetAside(MemoryContext context)
{
	if (context->methods == shared_table)
		context->methods = &rearming_methods;
	for (MemoryContext child = context->firstchild; child != NULL; child = child->nextchild)
		SetAside(child);
}

/*
 * InServer
 *		Does the address belong to the program that palloc belongs to?
 */
static bool
InServer(const void *address)
{
	Dl_info server;
	Dl_info other;

	return dladdr((const void *) palloc, &server) != 0 && dladdr(address, &other) != 0 &&
		   server.dli_fbase == other.dli_fbase;
}

/*
 * VerifyTable
 *		Is this the method table of AllocSet, and does it behave so?
 */
static const char *
VerifyTable(const MemoryContextMethods *table)
{
	MemoryContext probe;
	const char *wrong = NULL;
	void *object;

	if (!IsA(TopMemoryContext, AllocSetContext))
		return "TopMemoryContext is not an AllocSet context.";
	if (!InServer(table))
		return "The method table of AllocSet is not part of the server program.";
	if (!InServer(table->alloc))
		return "Another library has replaced methods of AllocSet.";
	if (!InServer(table->free_p) || !InServer(table->realloc) || !InServer(table->reset) ||
		!InServer(table->delete_context) || !InServer(table->get_chunk_space) ||
		!InServer(table->is_empty) || !InServer(table->stats))
		return "The method table of AllocSet does not hold functions of the server program.";

	probe = AllocSetContextCreate(TopMemoryContext, "goarena probe", ALLOCSET_SMALL_SIZES);
	if (probe->methods != table)
		wrong = "New AllocSet contexts do not have the method table of TopMemoryContext.";
	else if (!table->is_empty(probe))
		wrong = "A new AllocSet context is not empty.";
	else
	{
		object = MemoryContextAlloc(probe, 100);
		if (GetMemoryChunkContext(object) != probe)
			wrong = "The header of a chunk does not name its context.";
		else if (table->get_chunk_space(probe, object) < 100 ||
				 table->get_chunk_space(probe, object) > 1000)
			wrong = "The space of a chunk is not what was allocated.";
	}
	MemoryContextDelete(probe);
	return wrong;
}

/*
 * ProtectionOf
 *		The protection of the page at an address; -1 if it cannot be found out.
 */
static int
ProtectionOf(const void *address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int result = -1;

	if (maps == NULL)
		return -1;
	while (result < 0 && fgets(line, sizeof(line), maps) != NULL)
	{
		unsigned long from;
		unsigned long to;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && (uintptr_t) address >= from &&
			(uintptr_t) address < to)
			result = (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) |
					 (access[2] == 'x' ? PROT_EXEC : 0);
	}
	fclose(maps);
	return result;
}

/*
 * ReplaceAlloc
 *		Store one pointer into read-only data of the server.
 */
static const char *
ReplaceAlloc(MemoryContextMethods *table)
{
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	void *page = (void *) ((uintptr_t) &table->alloc & ~(uintptr_t) (page_size - 1));
	int protection = ProtectionOf(&table->alloc);

	if (protection < 0)
		return "The protection of the method table cannot be read from /proc/self/maps.";
	if ((protection & PROT_WRITE) == 0 && mprotect(page, page_size, protection | PROT_WRITE) != 0)
		return "The method table cannot be made writable.";
	table->alloc = DecidingAlloc;
	if ((protection & PROT_WRITE) == 0 && mprotect(page, page_size, protection) != 0)
		elog(WARNING, "could not restore the protection of a method table: %m");
	return NULL;
}

const char *
AdoptStart(bool preloaded)
{
	MemoryContextMethods *table = (MemoryContextMethods *) TopMemoryContext->methods;
	const char *wrong = VerifyTable(table);

	if (wrong == NULL)
	{
		plain_methods = *table;
		wrong = ReplaceAlloc(table);
	}
	if (wrong != NULL)
		return wrong;

	shared_table = table;
	contexts_may_hold_memory = !preloaded;
	rearming_methods = plain_methods;
	rearming_methods.reset = RearmingReset;

	SetAside(TopMemoryContext);
	TopMemoryContext->methods = &plain_methods;
	ErrorContext->methods = &plain_methods;
	return NULL;
}
