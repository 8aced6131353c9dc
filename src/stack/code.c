/*-------------------------------------------------------------------------
 *
 * code.c
 *	  See code.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "cfi.h"
#include "code.h"

/* Pages are at least this large, in bytes. */
#define FIRST_PAGE 4096

/*
 * _dl_find_object (glibc 2.35) takes no lock and may be called in a signal handler.  With older
 * libraries, code.c goes through all objects, under the lock of the dynamic linker.
 */
#ifndef GA_HAVE_FIND_OBJECT
#define GA_HAVE_FIND_OBJECT __GLIBC_PREREQ(2, 35)
#endif

/* A program or library. */
typedef struct object
{
	uintptr_t start;
	uintptr_t end;
	ElfW(Addr) bias;
	const ElfW(Phdr) * segments;
	int num_segments;
} object;

#if GA_HAVE_FIND_OBJECT

/*
 * code_find_object
 *		Find the program or library that an address lies in.  False if it lies in none, or its first
 *		page has no ELF headers.
 */
static bool
code_find_object(uintptr_t address, object *found)
{
	struct dl_find_object o;
	const ElfW(Ehdr) * elf;

	if (_dl_find_object((void *) address, &o) != 0)
		return false;
	elf = o.dlfo_map_start;
	*found = (object){
		.start = (uintptr_t) o.dlfo_map_start,
		.end = (uintptr_t) o.dlfo_map_end,
		.bias = o.dlfo_link_map->l_addr,
	};
	if (found->end - found->start < FIRST_PAGE || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 ||
		elf->e_phentsize != sizeof(*found->segments) || elf->e_phoff > FIRST_PAGE ||
		elf->e_phnum > (FIRST_PAGE - elf->e_phoff) / sizeof(*found->segments))
		return false;
	found->segments = (const void *) (found->start + elf->e_phoff);
	found->num_segments = elf->e_phnum;
	return true;
}

#else

typedef struct search
{
	uintptr_t address;
	object *found;
} search;

static int
code_is_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const search *s = arg;
	object o = {.start = UINTPTR_MAX,
				.bias = info->dlpi_addr,
				.segments = info->dlpi_phdr,
				.num_segments = info->dlpi_phnum};

	(void) size;
	for (int i = 0; i < o.num_segments; i++)
	{
		uintptr_t low = o.bias + o.segments[i].p_vaddr;

		if (o.segments[i].p_type != PT_LOAD)
			continue;
		o.start = low < o.start ? low : o.start;
		o.end = low + o.segments[i].p_memsz > o.end ? low + o.segments[i].p_memsz : o.end;
	}
	if (s->address < o.start || s->address >= o.end)
		return 0;
	*s->found = o;
	return 1;
}

static bool
code_find_object(uintptr_t address, object *found)
{
	search s = {address, found};

	return dl_iterate_phdr(code_is_object, &s) == 1;
}

#endif

/*
 * code_find_tables
 *		Find the unwind tables of an object: linkers put their header into the same segment as the
 *		tables.
 */
static bool
code_find_tables(const object *o, ga_view *tables, uintptr_t *hdr)
{
	*hdr = 0;
	for (int i = 0; i < o->num_segments; i++)
		if (o->segments[i].p_type == PT_GNU_EH_FRAME)
			*hdr = o->bias + o->segments[i].p_vaddr;
	for (int i = 0; i < o->num_segments; i++)
	{
		uintptr_t low = o->bias + o->segments[i].p_vaddr;
		uintptr_t high = low + o->segments[i].p_filesz;

		*tables = ga_view_of(low, high);
		if (o->segments[i].p_type == PT_LOAD && (o->segments[i].p_flags & PF_R) != 0 &&
			low >= o->start && high <= o->end && ga_view_has(tables, *hdr, 1))
			return true;
	}
	return false;
}

static bool
code_find_function(uintptr_t pc, ga_cfi_function *function)
{
	object o;
	ga_view tables;
	uintptr_t hdr;

	return code_find_object(pc, &o) && code_find_tables(&o, &tables, &hdr) &&
		   ga_cfi_find(&tables, hdr, pc, function);
}

void
ga_code_range(const void *function, uintptr_t *start, uintptr_t *end)
{
	object o = {0};

	(void) code_find_object((uintptr_t) function, &o);
	*start = o.start;
	*end = o.end;
}

ga_rule
ga_code_rule(uintptr_t pc)
{
	ga_cfi_function function;

	return code_find_function(pc, &function) ? function.rule : (ga_rule){0};
}

void
ga_code_function(uintptr_t address, uintptr_t *start, uintptr_t *end)
{
	ga_cfi_function function;

	if (!code_find_function(address, &function))
		function.start = function.end = 0;
	*start = function.start;
	*end = function.end;
}

#if defined(__x86_64__)

/* The longest instruction of an indirect call, without prefixes. */
#define LONGEST_CALL 7

/*
 * code_ends_with_call
 *		Do the bytes before an address look like a call?  Reads no byte below start.
 */
static bool
code_ends_with_call(uintptr_t start, uintptr_t address)
{
	const unsigned char *behind = (const unsigned char *) address;
	size_t size = address - start;

	if (size >= 5 && behind[-5] == 0xe8)
		return true;
	for (size_t n = 2; n <= LONGEST_CALL && n <= size; n++)
		if (*(behind - n) == 0xff && (*(behind - n + 1) & 0x38) == 0x10)
			return true;
	return false;
}

#else /* __aarch64__ */

static bool
code_ends_with_call(uintptr_t start, uintptr_t address)
{
	uint32_t instruction;

	if (address % 4 != 0 || address - start < 4)
		return false;
	memcpy(&instruction, (const void *) (address - 4), 4);

	/* bl, and blr with and without authentication */
	return (instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfefff000) == 0xd63f0000;
}

#endif

bool
ga_code_follows_call(uintptr_t address)
{
	ga_cfi_function function;

	return address != 0 && code_find_function(address - 1, &function) &&
		   code_ends_with_call(function.start, address);
}
