/*-------------------------------------------------------------------------
 *
 * names.c
 *	  See names.h.
 *
 * Functions of modules that this process has loaded, too, are looked up where they lie
 * here, with libbacktrace.  Others are looked for in the file's own table of symbols: those
 * of a library that only the other process uses, or that was loaded after libbacktrace
 * looked which ones there are.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "backend/faults/symbols.h"
#include "backend/profile/elf_symbols.h"
#include "backend/profile/names.h"

#define FUNCTION_NAME 256

typedef struct CachedName
{
	ModuleOffset address; /* must be first: it is the key */
	NamedFrame frame;
} CachedName;

struct NameCache
{
	const PackedProfile *packed;
	HTAB *table;
	MemoryContext context;
	bool read[MAX_MODULES + 1]; /* by the modules' numbers: was their file? */
	ElfSymbols *symbols[MAX_MODULES + 1];
};

/* Functions that only allocate for their caller, such as those of mcxt.c. */
static const char *const allocators[] = {
	"MemoryContextAlloc",
	"MemoryContextAllocAligned",
	"MemoryContextAllocExtended",
	"MemoryContextAllocHuge",
	"MemoryContextAllocZero",
	"MemoryContextAllocZeroAligned",
	"MemoryContextStrdup",
	"palloc",
	"palloc0",
	"palloc0_array",
	"palloc_aligned",
	"palloc_extended",
	"palloc_huge",
	"pnstrdup",
	"pstrdup",
	"repalloc",
	"repalloc0",
	"repalloc_extended",
	"repalloc_huge",
};

NameCache *
NamesBegin(const PackedProfile *packed)
{
	NameCache *names = palloc0(sizeof(NameCache));
	HASHCTL control = {
		.keysize = sizeof(ModuleOffset),
		.entrysize = sizeof(CachedName),
		.hcxt = CurrentMemoryContext,
	};

	names->packed = packed;
	names->context = CurrentMemoryContext;
	names->table =
		hash_create("goarena function names", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return names;
}

/*
 * name_symbols
 *		What the file of a module says; NULL if nothing.
 */
static const ElfSymbols *
name_symbols(NameCache *names, int number, const Module *module)
{
	if (!names->read[number])
	{
		MemoryContext before = MemoryContextSwitchTo(names->context);

		names->read[number] = true;
		names->symbols[number] = ElfSymbolsRead(module);
		MemoryContextSwitchTo(before);
	}
	return names->symbols[number];
}

/*
 * name_look_up
 *		Look up one byte before a return address, which may itself belong to the next function.
 */
static void
name_look_up(NameCache *names, ModuleOffset address, NamedFrame *frame)
{
	const Module *module = PackedModule(names->packed, ModuleNumber(address));
	uint64 offset = ModuleOffsetIn(address);
	char function[FUNCTION_NAME];
	const Module *here;
	const char *slash;
	uint64 start = offset;
	bool found = false;

	/* Addresses of code that belongs to no file are not shown. */
	*frame = (NamedFrame){.function = "unknown", .file = "unknown"};
	if (module == NULL)
		return;
	frame->offset = offset;
	slash = strrchr(module->path, '/');
	frame->file = MemoryContextStrdup(names->context, slash != NULL ? slash + 1 : module->path);
	here = ModulesFindSame(module);
	if (here != NULL)
	{
		uintptr_t begins;

		found = SymbolsName(here->base + offset - 1, function, sizeof(function), &begins);
		if (begins != 0)
			start = begins - here->base;
	}
	if (!found)
	{
		const ElfSymbols *symbols = name_symbols(names, ModuleNumber(address), module);

		found = symbols != NULL &&
				ElfSymbolsFind(symbols, offset - 1, function, sizeof(function), &start);
	}
	if (found)
		frame->offset = offset - start;
	else
		snprintf(function, sizeof(function), "%s+0x%llx", frame->file, (unsigned long long) start);
	frame->function = MemoryContextStrdup(names->context, function);
	frame->start = start;
	frame->named = found;
}

const NamedFrame *
NamesFind(NameCache *names, ModuleOffset address)
{
	bool found;
	CachedName *cached = hash_search(names->table, &address, HASH_ENTER, &found);

	if (!found)
	{
		CHECK_FOR_INTERRUPTS();
		name_look_up(names, address, &cached->frame);
	}
	return &cached->frame;
}

static bool
name_is_allocator(const NamedFrame *frame)
{
	for (int i = 0; frame->named && i < lengthof(allocators); i++)
		if (strcmp(frame->function, allocators[i]) == 0)
			return true;
	return false;
}

int
NamesFirstFrame(NameCache *names, const ProfileRow *row)
{
	int first = 0;

	while (first < row->depth && name_is_allocator(NamesFind(names, row->frames[first])))
		first++;
	return first;
}
