/*-------------------------------------------------------------------------
 *
 * arena_set.c
 *	  An arena with what its context needs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mcxt/arena_set.h"
#include "mcxt/foreign_text.h"

void
ArenaSetNoteParents(ArenaSet *set)
{
	int i = 0;

	for (MemoryContext up = set->context->parent; up != NULL && i < ARENA_PARENTS; up = up->parent)
		set->parents[i++] = ForeignNameKeep(up->name);
	if (i < ARENA_PARENTS)
		set->parents[i] = NULL;
}
