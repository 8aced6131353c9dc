/*-------------------------------------------------------------------------
 *
 * contexts.c
 *	  The contexts of this process that are arenas, packed for another one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "backend/contexts.h"
#include "backend/guard.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "mcxt/process_heap.h"

/* Names of contexts are cut off here, as other names in the server are. */
#define NAME_LENGTH NAMEDATALEN

/* At the beginning of the memory. */
typedef struct PackedHead
{
	Size used;		 /* bytes, with this; 0: nothing was ever packed */
	uint64 others;	 /* contexts without a row of their own */
	ContextRow rest; /* their sum; the pointers mean nothing */
} PackedHead;

/* Then rows: this, the strings with their zero bytes, and padding. */
typedef struct PackedRow
{
	ContextRow row; /* the pointers mean nothing to others */
	uint16 name_size;
	uint16 ident_size; /* 0: NULL */
	uint16 parent_size;
} PackedRow;

/* Orders of magnitude of a context's size: number of bits. */
#define NUM_ORDERS 65

/*
 * readable_text
 *		Names and identifiers can be in memory that was freed.
 */
static const char *
readable_text(const char *text)
{
	if (text == NULL || GuardReadable(text, SIZE_MAX))
		return text;
	return "unreadable";
}

void
ContextRowOf(MemoryContext context, int level, ContextRow *row)
{
	const ga_arena *arena = &ArenaSetOfContext(context)->arena;
	ga_arena_usage usage;

	ga_arena_get_usage(arena, &usage);
	row->id = arena->id;
	row->level = level;
	row->mode = arena->mode;
	row->chunks = usage.chunks;
	row->used_bytes = usage.used_bytes;
	row->free_bytes = usage.free_bytes;
	row->dead_bytes = usage.dead_bytes;
	row->allocs = arena->allocs;
	row->resets = arena->resets;
	row->name = readable_text(context->name);
	row->ident = readable_text(context->ident);
	row->parent = context->parent == NULL ? NULL : readable_text(context->parent->name);
}

/*
 * PackedSize
 *		Bytes of a string with its zero byte, cut off at a character.
 */
static uint16
PackedSize(const char *string, int limit)
{
	int length;

	if (string == NULL)
		return 0;
	length = (int) strnlen(string, (size_t) limit);
	if (length == limit)
		length = pg_mbcliplen(string, length, limit - 1);
	return (uint16) (length + 1);
}

static Size
MeasureRow(const ContextRow *row, PackedRow *packed)
{
	packed->name_size = PackedSize(row->name, NAME_LENGTH);
	packed->ident_size = PackedSize(row->ident, IDENT_LENGTH);
	packed->parent_size = PackedSize(row->parent, NAME_LENGTH);
	return MAXALIGN(sizeof(PackedRow) + packed->name_size + packed->ident_size +
					packed->parent_size);
}

static char *
PutString(char *at, const char *string, uint16 size)
{
	if (size == 0)
		return at;
	memcpy(at, string, size - 1);
	at[size - 1] = '\0';
	return at + size;
}

static void
AddToRest(PackedHead *head, const ContextRow *row)
{
	head->others++;
	head->rest.chunks += row->chunks;
	head->rest.used_bytes += row->used_bytes;
	head->rest.free_bytes += row->free_bytes;
	head->rest.dead_bytes += row->dead_bytes;
	head->rest.allocs += row->allocs;
	head->rest.resets += row->resets;
}

/*
 * PutContext
 *		Give a context a row if there is room.
 */
static void
PutContext(PackedHead *head, Size size, const ContextRow *row)
{
	PackedRow packed = {.row = *row};
	Size row_size = MeasureRow(row, &packed);
	char *at = (char *) head + head->used;

	if (row_size > size - head->used)
	{
		AddToRest(head, row);
		return;
	}
	memcpy(at, &packed, sizeof(packed));
	at = PutString(at + sizeof(packed), row->name, packed.name_size);
	at = PutString(at, row->ident, packed.ident_size);
	(void) PutString(at, row->parent, packed.parent_size);
	head->used += row_size;
}

static int
OrderOf(MemoryContext context)
{
	return context->mem_allocated == 0 ? 0 : pg_leftmost_one_pos64(context->mem_allocated) + 1;
}

static void
BeginPack(PackedHead *head)
{
	memset(head, 0, sizeof(*head));
	head->used = MAXALIGN(sizeof(*head));
}

/*
 * PackOrders
 *		Pack contexts of these orders of magnitude, the last one excluded, as
 *		long as there is room, and the sum of those for which there is none.
 */
static void
PackOrders(PackedHead *head, Size size, int first, int end)
{
	context_walk_foreach (walk, TopMemoryContext)
	{
		int order = OrderOf(walk.context);
		ContextRow row;

		if (!MemoryContextIsArena(walk.context) || order < first || order >= end)
			continue;
		ContextRowOf(walk.context, walk.level, &row);
		PutContext(head, size, &row);
	}
}

/*
 * LeastOrderThatFits
 *		The order of magnitude from which on there is room for all contexts.
 */
static int
LeastOrderThatFits(Size size)
{
	Size needed[NUM_ORDERS] = {0};
	Size room = size - MAXALIGN(sizeof(PackedHead));
	int order = NUM_ORDERS;

	context_walk_foreach (walk, TopMemoryContext)
	{
		PackedRow packed;
		ContextRow row;

		if (!MemoryContextIsArena(walk.context))
			continue;
		ContextRowOf(walk.context, walk.level, &row);
		needed[OrderOf(walk.context)] += MeasureRow(&row, &packed);
	}
	while (order > 0 && needed[order - 1] <= room)
		room -= needed[--order];
	return order;
}

void
ContextsPack(void *memory, Size size)
{
	PackedHead *head = memory;
	int order;

	BeginPack(head);
	if (!process_heap_ready)
		return;
	PackOrders(head, size, 0, NUM_ORDERS);
	if (head->others == 0)
		return;

	/* The largest first, then the others as they come. */
	order = LeastOrderThatFits(size);
	BeginPack(head);
	PackOrders(head, size, order, NUM_ORDERS);
	PackOrders(head, size, 0, order);
}

void
ContextsPackNone(void *memory)
{
	memset(memory, 0, sizeof(PackedHead));
}

bool
ContextsPacked(const void *memory)
{
	return ((const PackedHead *) memory)->used > 0;
}

bool
ContextsAreAll(const void *memory)
{
	return ContextsPacked(memory) && ((const PackedHead *) memory)->others == 0;
}

static const char *
GetString(const char **at, uint16 size)
{
	const char *string = size == 0 ? NULL : *at;

	*at += size;
	return string;
}

bool
ContextsNext(const void *memory, Size *offset, ContextRow *row)
{
	const PackedHead *head = memory;
	const char *at;
	PackedRow packed;

	if (*offset == 0)
		*offset = MAXALIGN(sizeof(PackedHead));
	if (*offset > head->used || (*offset == head->used && head->others == 0))
		return false;
	if (*offset == head->used)
	{
		*row = head->rest;
		row->level = (int) head->others;
		row->name = row->ident = row->parent = NULL;
		(*offset)++;
		return true;
	}
	at = (const char *) memory + *offset;
	memcpy(&packed, at, sizeof(packed));
	*row = packed.row;
	at += sizeof(packed);
	row->name = GetString(&at, packed.name_size);
	row->ident = GetString(&at, packed.ident_size);
	row->parent = GetString(&at, packed.parent_size);
	*offset +=
		MAXALIGN(sizeof(PackedRow) + packed.name_size + packed.ident_size + packed.parent_size);
	return true;
}
