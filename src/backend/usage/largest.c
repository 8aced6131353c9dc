/*-------------------------------------------------------------------------
 *
 * largest.c
 *	  The memory contexts of this process that hold the most.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "backend/faults/guard.h"
#include "backend/usage/largest.h"
#include "mcxt/context_names.h"
#include "mcxt/context_walk.h"

/* All contexts of one name. */
typedef struct NameSum
{
	Size held;
	uint64 contexts;
	MemoryContext first;
} NameSum;

/*
 * largest_copy
 *		Copy a text into size bytes, cut off at a character.
 */
static void
largest_copy(char *to, const char *from, size_t size)
{
	int length = (int) strnlen(from, size);

	if ((size_t) length == size)
		length = pg_mbcliplen(from, length, length - 1);
	memcpy(to, from, (size_t) length);
	to[length] = '\0';
}

/*
 * largest_insert
 *		Take a sum in if it is one of the largest.
 */
static void
largest_insert(LargestContexts *largest, const char *name, const NameSum *sum)
{
	int at = largest->count;

	while (at > 0 && largest->contexts[at - 1].held < sum->held)
		at--;
	if (at == LARGEST_CONTEXTS)
		return;
	if (largest->count < LARGEST_CONTEXTS)
		largest->count++;
	memmove(&largest->contexts[at + 1], &largest->contexts[at],
			sizeof(largest->contexts[0]) * (Size) (largest->count - at - 1));
	largest->contexts[at].held = sum->held;
	largest->contexts[at].contexts = sum->contexts;
	largest_copy(largest->contexts[at].name, name, LARGEST_NAME);
	largest->contexts[at].ident[0] = '\0';
	if (sum->contexts == 1 && GuardReadable(sum->first->ident, LARGEST_IDENT))
		largest_copy(largest->contexts[at].ident, sum->first->ident, LARGEST_IDENT);
}

void
FindLargestContexts(LargestContexts *largest)
{
	static ContextNames names;
	static NameSum sums[CONTEXT_NAME_NUMBERS];

	memset(&names, 0, sizeof(names));
	memset(sums, 0, sizeof(sums));
	context_walk_foreach (walk, TopMemoryContext)
	{
		NameSum *sum = &sums[ContextNameNumber(&names, GuardName(walk.context))];

		if (sum->contexts++ == 0)
			sum->first = walk.context;
		sum->held += walk.context->mem_allocated;
	}

	largest->count = 0;
	for (int i = 0; i < names.count; i++)
		largest_insert(largest, names.names[i], &sums[i]);
	if (sums[OTHER_CONTEXT_NAMES].contexts > 0)
		largest_insert(largest, "contexts of other names", &sums[OTHER_CONTEXT_NAMES]);
}

const char *
LargestContextsText(const LargestContexts *largest, bool with_idents)
{
	static char text[LARGEST_CONTEXTS * (LARGEST_NAME + LARGEST_IDENT + 80)];
	int length = 0;

	text[0] = '\0';
	for (int i = 0; i < largest->count; i++)
	{
		const char *ident = largest->contexts[i].ident;
		uint64 contexts = largest->contexts[i].contexts;

		length += snprintf(text + length, sizeof(text) - (Size) length, "%s%s", i == 0 ? "" : ", ",
						   largest->contexts[i].name);
		if (with_idents && ident[0] != '\0')
			length += snprintf(text + length, sizeof(text) - (Size) length, " \"%s\"", ident);
		length += snprintf(text + length, sizeof(text) - (Size) length, " %zu kB",
						   largest->contexts[i].held / 1024);
		if (contexts > 1)
			length += snprintf(text + length, sizeof(text) - (Size) length,
							   " in " UINT64_FORMAT " contexts", contexts);
	}
	return text;
}
