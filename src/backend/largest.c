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
#include "nodes/memnodes.h"
#include "utils/memutils.h"

#include "backend/largest.h"

/*
 * Insert
 *		Take a context in if it is one of the largest.
 */
static void
Insert(LargestContexts *largest, MemoryContext context)
{
	Size size = context->mem_allocated;
	int at = largest->count;

	while (at > 0 && largest->contexts[at - 1].size < size)
		at--;
	if (at == LARGEST_CONTEXTS)
		return;
	if (largest->count < LARGEST_CONTEXTS)
		largest->count++;
	memmove(&largest->contexts[at + 1], &largest->contexts[at],
			sizeof(largest->contexts[0]) * (Size) (largest->count - at - 1));
	largest->contexts[at].size = size;
	largest->contexts[at].name = context->name;
	strlcpy(largest->contexts[at].ident, context->ident == NULL ? "" : context->ident,
			LARGEST_IDENT);
}

/*
 * Next
 *		The context after this one, parents before children; NULL after the last.
 */
static MemoryContext
Next(MemoryContext context)
{
	if (context->firstchild != NULL)
		return context->firstchild;
	while (context != NULL && context->nextchild == NULL)
		context = context->parent;
	return context == NULL ? NULL : context->nextchild;
}

void
FindLargestContexts(LargestContexts *largest)
{
	largest->count = 0;
	for (MemoryContext context = TopMemoryContext; context != NULL; context = Next(context))
		Insert(largest, context);
}

void
AppendLargestContexts(StringInfo text, const LargestContexts *largest)
{
	for (int i = 0; i < largest->count; i++)
	{
		const char *ident = largest->contexts[i].ident;

		appendStringInfo(text, "%s%s", i == 0 ? "" : ", ", largest->contexts[i].name);
		if (ident[0] != '\0')
			appendStringInfo(text, " \"%.*s\"",
							 pg_mbcliplen(ident, (int) strlen(ident), LARGEST_IDENT), ident);
		appendStringInfo(text, " %zu kB", largest->contexts[i].size / 1024);
	}
}
