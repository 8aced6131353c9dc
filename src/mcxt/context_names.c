/*-------------------------------------------------------------------------
 *
 * context_names.c
 *	  Numbers for the names of memory contexts, to add up by name.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "mcxt/context_names.h"
#include "mcxt/foreign_text.h"

StaticAssertDecl(MAX_CONTEXT_NAMES < PG_UINT8_MAX, "a bucket holds any number of a name");

int
ContextNameNumber(ContextNames *names, const char *name)
{
	uint32 bucket;

	/* Most children of one parent have the same name, so try the last one first. */
	if (names->names[names->last] == name)
		return names->last;

	bucket = hash_bytes((const unsigned char *) name, (int) strnlen(name, CONTEXT_NAME_LENGTH));
	for (;; bucket++)
	{
		uint8 *entry = &names->buckets[bucket % CONTEXT_NAME_BUCKETS];

		if (*entry != 0 && strncmp(names->names[*entry - 1], name, CONTEXT_NAME_LENGTH) == 0)
			return names->last = *entry - 1;
		if (*entry != 0)
			continue;
		if (names->count == MAX_CONTEXT_NAMES)
			return OTHER_CONTEXT_NAMES;
		names->names[names->count] = name;
		*entry = (uint8) ++names->count;
		return names->last = names->count - 1;
	}
}
