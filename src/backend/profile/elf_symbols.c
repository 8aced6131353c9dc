/*-------------------------------------------------------------------------
 *
 * elf_symbols.c
 *	  See elf_symbols.h.
 *
 * The file may have been replaced, or may be changed while it is read.  So nothing in it
 * is believed before it was compared with the sizes of what was read, and it is read,
 * not mapped.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "backend/profile/elf_symbols.h"

/* Tables of the largest programs are smaller; in bytes. */
#define LARGEST_TABLE ((uint64) 256 << 20)

struct ElfSymbols
{
	size_t count;
	const ElfW(Sym) * symbols;
	size_t names_size;
	const char *names;
};

typedef struct ElfFile
{
	int fd;
	int sections;
	const ElfW(Shdr) * headers;
} ElfFile;

/*
 * elf_read
 *		A copy of a part of the file, or NULL.
 */
static void *
elf_read(const ElfFile *file, uint64 offset, uint64 size)
{
	void *memory;

	if (size == 0 || size > LARGEST_TABLE)
		return NULL;
	memory = palloc_extended((Size) size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (memory == NULL)
		return NULL;
	if (pread(file->fd, memory, (size_t) size, (off_t) offset) == (ssize_t) size)
		return memory;
	pfree(memory);
	return NULL;
}

/*
 * elf_begin
 *		Read the table of sections.
 */
static bool
elf_begin(ElfFile *file)
{
	ElfW(Ehdr) header;

	if (pread(file->fd, &header, sizeof(header), 0) != (ssize_t) sizeof(header) ||
		memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
		header.e_shentsize != sizeof(ElfW(Shdr)))
		return false;
	file->sections = header.e_shnum;
	file->headers = elf_read(file, header.e_shoff, (uint64) header.e_shnum * sizeof(ElfW(Shdr)));
	return file->headers != NULL;
}

/*
 * elf_has_build_id
 *		The section begins with a note that holds it, and has no other as linkers make it.
 */
static bool
elf_has_build_id(const ElfFile *file, const Module *module)
{
	for (int i = 0; i < file->sections; i++)
	{
		const ElfW(Shdr) *section = &file->headers[i];
		uint64 size = sizeof(ElfW(Nhdr)) + 4 + (uint64) module->build_id_length;
		const char *note;

		if (section->sh_type != SHT_NOTE || section->sh_size < size ||
			(note = elf_read(file, section->sh_offset, size)) == NULL)
			continue;
		if (((const ElfW(Nhdr) *) note)->n_type == NT_GNU_BUILD_ID &&
			memcmp(note + sizeof(ElfW(Nhdr)) + 4, module->build_id,
				   (size_t) module->build_id_length) == 0)
			return true;
	}
	return module->build_id_length == 0;
}

/*
 * elf_read_table
 *		Read the first table of symbols of a type, with its names.
 */
static ElfSymbols *
elf_read_table(const ElfFile *file, uint32 type)
{
	ElfSymbols *result = palloc0(sizeof(ElfSymbols));

	for (int i = 0; i < file->sections; i++)
	{
		const ElfW(Shdr) *section = &file->headers[i];
		const ElfW(Shdr) * names;

		if (section->sh_type != type || section->sh_link >= (uint32) file->sections)
			continue;
		names = &file->headers[section->sh_link];
		result->symbols = elf_read(file, section->sh_offset, section->sh_size);
		result->count = (size_t) section->sh_size / sizeof(ElfW(Sym));
		result->names = elf_read(file, names->sh_offset, names->sh_size);
		result->names_size = (size_t) names->sh_size;
		if (result->symbols != NULL && result->names != NULL)
			return result;
	}
	pfree(result);
	return NULL;
}

ElfSymbols *
ElfSymbolsRead(const Module *module)
{
	ElfFile file = {.fd = OpenTransientFile(module->path, O_RDONLY | O_NONBLOCK | PG_BINARY)};
	ElfSymbols *symbols = NULL;
	struct stat status;

	if (file.fd < 0)
		return NULL;
	if (fstat(file.fd, &status) == 0 && S_ISREG(status.st_mode) && elf_begin(&file) &&
		elf_has_build_id(&file, module))
	{
		symbols = elf_read_table(&file, SHT_SYMTAB);
		if (symbols == NULL)
			symbols = elf_read_table(&file, SHT_DYNSYM);
	}
	(void) CloseTransientFile(file.fd);
	return symbols;
}

bool
ElfSymbolsFind(const ElfSymbols *symbols, uint64 offset, char *name, size_t size, uint64 *start)
{
	for (size_t i = 0; i < symbols->count; i++)
	{
		const ElfW(Sym) *symbol = &symbols->symbols[i];

		if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
			offset < symbol->st_value || offset - symbol->st_value >= symbol->st_size ||
			symbol->st_name >= symbols->names_size)
			continue;
		snprintf(name, size, "%.*s", (int) Min(symbols->names_size - symbol->st_name, size),
				 symbols->names + symbol->st_name);
		*start = symbol->st_value;
		return true;
	}
	return false;
}
