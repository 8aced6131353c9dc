/*-------------------------------------------------------------------------
 *
 * modules.c
 *	  See modules.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <elf.h>
#include <link.h>

#include "miscadmin.h"

#include "backend/profile/modules.h"

static Module modules[MAX_MODULES];
static int num_modules = 0;

/* What is looked for: by address, or a file. */
typedef struct ModuleSearch
{
	uintptr_t address;
	const Module *like;
	bool found;
	Module module;
} ModuleSearch;

/*
 * module_read_notes
 *		Find the build id among the notes of a segment that is loaded.
 */
static void
module_read_notes(Module *module, const char *notes, size_t size)
{
	size_t at = 0;

	while (size - at >= sizeof(ElfW(Nhdr)))
	{
		const ElfW(Nhdr) *note = (const ElfW(Nhdr) *) (notes + at);
		size_t name = at + sizeof(*note);
		size_t data = name + TYPEALIGN(4, (size_t) note->n_namesz);

		if (data > size || note->n_descsz > size - data)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
			memcmp(notes + name, "GNU", 4) == 0)
		{
			module->build_id_length = (int) Min(note->n_descsz, MODULE_BUILD_ID);
			memcpy(module->build_id, notes + data, (size_t) module->build_id_length);
			return;
		}
		at = data + TYPEALIGN(4, (size_t) note->n_descsz);
		if (at > size)
			return;
	}
}

/*
 * module_describe
 *		What the dynamic linker says of a module.  The program itself has no name there.
 */
static void
module_describe(Module *module, const struct dl_phdr_info *info)
{
	memset(module, 0, sizeof(*module));
	module->base = info->dlpi_addr;
	strlcpy(module->path, info->dlpi_name[0] == '\0' ? my_exec_path : info->dlpi_name,
			sizeof(module->path));
	for (int i = 0; i < info->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uint64 start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 && module->end == 0)
		{
			module->start = start;
			module->end = start + segment->p_memsz;
			module->file_offset = segment->p_offset;
		}
		else if (segment->p_type == PT_NOTE && module->build_id_length == 0)
			module_read_notes(module, (const char *) start, segment->p_memsz);
	}
}

bool
ModuleIsSame(const Module *a, const Module *b)
{
	return a->build_id_length == b->build_id_length &&
		   memcmp(a->build_id, b->build_id, (size_t) a->build_id_length) == 0 &&
		   strcmp(a->path, b->path) == 0;
}

static int
module_look(struct dl_phdr_info *info, size_t size, void *data)
{
	ModuleSearch *search = data;

	module_describe(&search->module, info);
	if (search->like != NULL)
		search->found = ModuleIsSame(&search->module, search->like);
	else
		search->found =
			search->address >= search->module.start && search->address < search->module.end;
	return search->found;
}

/*
 * module_find_number
 *		The number of a module that was seen before and has an address, or 0.
 */
static int
module_find_number(uintptr_t address)
{
	static int last = 0;

	if (last > 0 && address >= modules[last - 1].start && address < modules[last - 1].end)
		return last;
	for (int i = 0; i < num_modules; i++)
		if (address >= modules[i].start && address < modules[i].end)
			return last = i + 1;
	return 0;
}

ModuleOffset
ModulesFind(uintptr_t address)
{
	int number = module_find_number(address);
	ModuleSearch search = {.address = address};

	if (number == 0 && num_modules < MAX_MODULES)
	{
		(void) dl_iterate_phdr(module_look, &search);
		if (search.found)
		{
			modules[num_modules] = search.module;
			number = ++num_modules;
		}
	}
	if (number == 0)
		return ModuleOffsetMake(0, address & ((UINT64CONST(1) << MODULE_SHIFT) - 1));
	return ModuleOffsetMake(number, address - modules[number - 1].base);
}

int
ModulesCount(void)
{
	return num_modules;
}

const Module *
ModulesGet(int number)
{
	return &modules[number - 1];
}

const Module *
ModulesFindSame(const Module *module)
{
	ModuleSearch search = {.like = module};
	int number;

	for (int i = 0; i < num_modules; i++)
		if (ModuleIsSame(&modules[i], module))
			return &modules[i];
	(void) dl_iterate_phdr(module_look, &search);
	if (!search.found)
		return NULL;

	/* Its code has an address, by which it gets a number. */
	number = ModuleNumber(ModulesFind(search.module.start));
	return number == 0 ? NULL : ModulesGet(number);
}
