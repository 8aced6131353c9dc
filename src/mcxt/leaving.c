/*-------------------------------------------------------------------------
 *
 * leaving.c
 *	  What large contexts that are no arenas give back when they end.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mcxt/leaving.h"
#include "mcxt/process_heap.h"

void
LeavingNoteBytes(Size bytes, bool listed)
{
	process_heap_callbacks->plain_leave(bytes, listed);
}

void
LeavingNote(MemoryContext context, bool listed)
{
	LeavingNoteBytes(context->mem_allocated, listed);
}
