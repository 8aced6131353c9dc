/*-------------------------------------------------------------------------
 *
 * foreign_text.c
 *	  See foreign_text.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "mcxt/foreign_text.h"
#include "mcxt/process_heap.h"
#include "stack/code.h"

/* At most this many programs and libraries are remembered, and this many names kept. */
#define MAX_OBJECTS	   8
#define MAX_KEPT_NAMES 512

typedef struct LoadedObject
{
	uintptr_t start;
	uintptr_t size;
} LoadedObject;

static LoadedObject objects[MAX_OBJECTS]; /* that were found before */

/*
 * foreign_text_is_known
 *		Is a text in one of the objects that were found before?
 */
static inline bool
foreign_text_is_known(const char *text)
{
	for (int i = 0; i < MAX_OBJECTS; i++)
		if ((uintptr_t) text - objects[i].start < objects[i].size)
			return true;
	return false;
}

bool
ForeignTextIsConstant(const char *text)
{
	static int next = 0;
	uintptr_t address = (uintptr_t) text;
	uintptr_t start;
	uintptr_t end;

	if (foreign_text_is_known(text))
		return true;
	ga_code_range(text, &start, &end);
	if (address < start || address >= end)
		return false;
	objects[next] = (LoadedObject){start, end - start};
	next = (next + 1) % MAX_OBJECTS;
	return true;
}

/*
 * foreign_text_encoding
 *		The encoding to check texts by.  In SQL_ASCII any bytes are text, also those of freed
 *		memory: so UTF-8 instead.
 */
static int
foreign_text_encoding(void)
{
	int encoding = GetDatabaseEncoding();

	return encoding == PG_SQL_ASCII ? PG_UTF8 : encoding;
}

/*
 * foreign_text_length
 *		The length of a text of which readable bytes can be read.  If it takes size bytes or more,
 *		it is cut off at a character.
 */
static int
foreign_text_length(const char *text, size_t readable, size_t size)
{
	int length = (int) strnlen(text, readable);

	if ((size_t) length < size)
		return length;
	return pg_encoding_mbcliplen(foreign_text_encoding(), text, length, (int) size - 1);
}

bool
ForeignTextIsText(const char *text, size_t limit)
{
	int length = foreign_text_length(text, limit, limit);
	unsigned char all = 0;

	for (int i = 0; i < length; i++)
	{
		all |= (unsigned char) text[i];
		if (((unsigned char) text[i] < ' ' && text[i] != '\n' && text[i] != '\t' &&
			 text[i] != '\r') ||
			text[i] == '\x7f')
			return false;
	}
	return all < 0x80 || pg_encoding_verifymbstr(foreign_text_encoding(), text, length) == length;
}

/*
 * foreign_text_readable
 *		How many bytes, from an address on, can be read for sure?  Those in an arena, and those in
 *		the heap of malloc, which has no holes.
 */
static size_t
foreign_text_readable(uintptr_t from)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, from);
	uintptr_t heap_end = (uintptr_t) sbrk(0);

	if (from >= (uintptr_t) TopMemoryContext && from < heap_end)
		return heap_end - from;
	if (chunk != NULL && from - chunk->base < chunk->accessible)
		return chunk->base + chunk->accessible - from;
	return 0;
}

/*
 * foreign_text_read
 *		Read at most size bytes of a text, up to its end.  Takes no system call where most texts
 *		are.  Returns how many could be read.
 */
static size_t
foreign_text_read(char *to, const char *from, size_t size)
{
	size_t readable = Min(foreign_text_readable((uintptr_t) from), size);
	size_t length;

	if (readable == 0)
		return ga_os_default()->peek(to, from, size);
	length = strnlen(from, readable);
	readable = Min(readable, length + 1);
	memcpy(to, from, readable);
	return readable;
}

bool
ForeignTextCopy(char *to, const char *from, size_t size)
{
	size_t copied = 0;
	int length;

	if (from != NULL)
		copied = foreign_text_read(to, from, size);
	length = foreign_text_length(to, copied, size);
	if ((size_t) length == copied)
		length = 0; /* it has no end, or is not there */
	to[length] = '\0';
	if (length > 0 && ForeignTextIsText(to, size))
		return true;
	to[0] = '\0';
	return false;
}

void
ForeignTextKeep(char *to, const char *from, size_t size)
{
	size_t copied = from == NULL ? 0 : foreign_text_read(to, from, size);

	if (copied < size && memchr(to, '\0', copied) == NULL)
		to[0] = '\0';
}

const char *
ForeignNameCopy(char *to, const char *from, size_t size)
{
	if (!ForeignTextCopy(to, from, size))
		strlcpy(to, UNREADABLE_NAME, size);
	return to;
}

/*
 * foreign_name_keep
 *		Keep a copy of a name that may be no constant, unless there is one already.
 */
static pg_noinline const char *
foreign_name_keep(const char *name)
{
	static const char *kept[MAX_KEPT_NAMES];
	static int num_kept = 0;
	char copy[CONTEXT_NAME_LENGTH];
	char *memory;

	if (ForeignTextIsConstant(name))
		return name;
	if (!ForeignTextCopy(copy, name, sizeof(copy)))
		return UNREADABLE_NAME;
	for (int i = 0; i < num_kept; i++)
		if (strcmp(kept[i], copy) == 0)
			return kept[i];
	if (num_kept == MAX_KEPT_NAMES ||
		(memory = ga_persistent_alloc(&process_heap.metadata, strlen(copy) + 1)) == NULL)
		return UNREADABLE_NAME;
	strcpy(memory, copy);
	return kept[num_kept++] = memory;
}

const char *
ForeignNameKeep(const char *name)
{
	return likely(foreign_text_is_known(name)) ? name : foreign_name_keep(name);
}
