/*-------------------------------------------------------------------------
 *
 * contexts.c
 *	  The memory contexts of this process, arenas or not, packed for another one.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "backend/faults/guard.h"
#include "backend/usage/contexts.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_names.h"
#include "mcxt/context_walk.h"
#include "mcxt/foreign_text.h"
#include "mcxt/process_heap.h"

/* At the beginning of the memory. */
typedef struct PackedHead
{
	Size used;		 /* bytes, with this; 0: nothing was ever packed */
	bool summed;	 /* not each context has a row of its own */
	int in_tree;	 /* rows of single contexts in the order of the tree */
	Size above;		 /* while packing: the last of them, at this offset, or one above it */
	ContextRow rest; /* the sum of those that no row tells of; the pointers mean nothing */
} PackedHead;

/* Then rows: this, the strings with their zero bytes, and padding. */
typedef struct PackedRow
{
	ContextRow row; /* the pointers mean nothing to others */
	uint16 name_size;
	uint16 ident_size; /* 0: NULL */
	uint16 parent_size;
	int number; /* of the row in the order of the tree */
	Size above; /* offset of the row of a context above it, or 0 */
} PackedRow;

/* Orders of magnitude of a context's size: number of bits. */
#define NUM_ORDERS 65

/* Contexts without a row of their own are summed up by name here. */
static ContextNames contexts_names;
static ContextRow contexts_sums[CONTEXT_NAME_NUMBERS];

static ContextType
contexts_type_of(MemoryContext context)
{
	if (ContextIsArena(context))
		return CONTEXT_ARENA;
	switch (nodeTag(context))
	{
		case T_AllocSetContext:
			return CONTEXT_ALLOCSET;
		case T_GenerationContext:
			return CONTEXT_GENERATION;
		case T_SlabContext:
			return CONTEXT_SLAB;
#if PG_VERSION_NUM >= 170000
		case T_BumpContext:
			return CONTEXT_BUMP;
#endif
		default:
			return CONTEXT_UNKNOWN;
	}
}

const char *
ContextTypeName(ContextType type)
{
	switch (type)
	{
		case CONTEXT_ARENA:
			return "arena";
		case CONTEXT_ALLOCSET:
			return "AllocSet";
		case CONTEXT_GENERATION:
			return "Generation";
		case CONTEXT_SLAB:
			return "Slab";
		case CONTEXT_BUMP:
			return "Bump";
		case CONTEXT_UNKNOWN:
			break;
	}
	return NULL;
}

/*
 * contexts_fill_from_stats
 *		What is known of a context of any type: what its own method says.
 */
static void
contexts_fill_from_stats(const MemoryContextMethods *methods, MemoryContext context,
						 ContextRow *row)
{
	MemoryContextCounters counters = {0};

	methods->stats(context, NULL, NULL, &counters, false);
	row->chunks = counters.nblocks;
	row->held_bytes = counters.totalspace;
	row->free_bytes = Min(counters.freespace, counters.totalspace);
	row->used_bytes = row->held_bytes - row->free_bytes;
}

/*
 * contexts_fill_from_arena
 *		AllocSet's own first block lies unused beside the arena, unless the context
 *		held memory when it was adopted.
 */
static void
contexts_fill_from_arena(MemoryContext context, ContextRow *row)
{
	const ArenaSet *set = ArenaSetOfContext(context);
	const ga_arena *arena = &set->arena;
	ga_arena_usage usage;

	if (set->foreign)
		contexts_fill_from_stats(set->origin, context, row);
	else
		row->held_bytes = row->dead_bytes = arena->credit;
	ga_arena_get_usage(arena, &usage);
	row->id = arena->id;
	row->mode = arena->mode;
	row->chunks = usage.chunks;
	row->held_bytes += usage.chunk_bytes;
	row->used_bytes += usage.used_bytes;
	row->free_bytes += usage.free_bytes;
	row->dead_bytes += usage.dead_bytes;
	row->allocs = arena->allocs;
	row->resets = arena->resets;
}

/*
 * contexts_fill_strings
 *		An identifier may be gone.
 */
static void
contexts_fill_strings(MemoryContext context, ContextRow *row)
{
	row->name = GuardName(context);
	row->ident = context->ident == NULL || GuardReadable(context->ident, IDENT_LENGTH)
					 ? context->ident
					 : UNREADABLE_NAME;
	row->parent = context->parent == NULL ? NULL : GuardName(context->parent);
}

void
ContextRowOf(MemoryContext context, int level, ContextRow *row)
{
	memset(row, 0, sizeof(*row));
	row->contexts = 1;
	row->level = level;
	row->above = CONTEXT_NOT_IN_TREE;
	contexts_fill_strings(context, row);
	row->type = contexts_type_of(context);
	if (row->type == CONTEXT_ARENA)
		contexts_fill_from_arena(context, row);
	else
		contexts_fill_from_stats(context->methods, context, row);
}

/*
 * contexts_add_to_sum
 *		A sum of one context is its row.
 */
static void
contexts_add_to_sum(ContextRow *sum, const ContextRow *row)
{
	if (sum->contexts == 0)
	{
		*sum = *row;
		return;
	}
	sum->contexts += row->contexts;
	sum->id = 0;
	sum->level = 0;
	if (sum->type != row->type)
		sum->type = CONTEXT_UNKNOWN;
	if (sum->name != NULL &&
		(row->name == NULL || strncmp(sum->name, row->name, CONTEXT_NAME_LENGTH) != 0))
		sum->name = NULL;
	sum->ident = NULL;
	sum->parent = NULL;
	sum->chunks += row->chunks;
	sum->held_bytes += row->held_bytes;
	sum->used_bytes += row->used_bytes;
	sum->free_bytes += row->free_bytes;
	sum->dead_bytes += row->dead_bytes;
	sum->allocs += row->allocs;
	sum->resets += row->resets;
}

/*
 * contexts_string_size
 *		Bytes of a string with its zero byte, cut off at a character.
 */
static uint16
contexts_string_size(const char *string, int limit)
{
	int length;

	if (string == NULL)
		return 0;
	length = (int) strnlen(string, (size_t) limit);
	if (length == limit)
		length = pg_mbcliplen(string, length, limit - 1);
	return (uint16) (length + 1);
}

/*
 * contexts_measure_row
 *		Bytes that a row takes in memory of a given size.  Identifiers are cut off
 *		so that none takes much of it.
 */
static Size
contexts_measure_row(const ContextRow *row, Size size, PackedRow *packed)
{
	packed->name_size = contexts_string_size(row->name, CONTEXT_NAME_LENGTH);
	packed->ident_size = contexts_string_size(row->ident, (int) Min(IDENT_LENGTH, size / 64));
	packed->parent_size = contexts_string_size(row->parent, CONTEXT_NAME_LENGTH);
	return MAXALIGN(sizeof(PackedRow) + packed->name_size + packed->ident_size +
					packed->parent_size);
}

static char *
contexts_put_string(char *at, const char *string, uint16 size)
{
	if (size == 0)
		return at;
	memcpy(at, string, size - 1);
	at[size - 1] = '\0';
	return at + size;
}

static PackedRow *
contexts_row_at(PackedHead *head, Size offset)
{
	return (PackedRow *) ((char *) head + offset);
}

/*
 * contexts_ascend
 *		The next context is on this level: go up to the nearest context above it that has
 *		a row.  Over a whole walk this takes no more steps than there are rows.
 */
static void
contexts_ascend(PackedHead *head, int level)
{
	while (head->above != 0 && contexts_row_at(head, head->above)->row.level >= level)
		head->above = contexts_row_at(head, head->above)->above;
}

/*
 * contexts_pack_row
 *		Pack a row if there is room, and return false if there is none.
 */
static bool
contexts_pack_row(PackedHead *head, Size size, const ContextRow *row)
{
	PackedRow packed = {.row = *row, .number = head->in_tree, .above = head->above};
	Size row_size = contexts_measure_row(row, size, &packed);
	char *at = (char *) head + head->used;

	if (row_size > size - head->used)
		return false;
	memcpy(at, &packed, sizeof(packed));
	at = contexts_put_string(at + sizeof(packed), row->name, packed.name_size);
	at = contexts_put_string(at, row->ident, packed.ident_size);
	(void) contexts_put_string(at, row->parent, packed.parent_size);
	head->used += row_size;
	return true;
}

/*
 * contexts_pack_in_tree
 *		Pack the row of a single context below the nearest one above it that has a row.
 */
static bool
contexts_pack_in_tree(PackedHead *head, Size size, ContextRow *row)
{
	Size offset = head->used;

	row->above = head->above == 0 ? CONTEXT_TOP : contexts_row_at(head, head->above)->number;
	if (!contexts_pack_row(head, size, row))
	{
		row->above = CONTEXT_NOT_IN_TREE;
		return false;
	}
	head->in_tree++;
	head->above = offset;
	return true;
}

/*
 * contexts_count_below
 *		The nearest context above tells of one that has no row of its own.
 */
static void
contexts_count_below(PackedHead *head, const ContextRow *row)
{
	ContextRow *above;

	if (head->above == 0)
		return;
	above = &contexts_row_at(head, head->above)->row;
	above->below_contexts++;
	above->below_bytes += row->held_bytes;
}

static int
contexts_order_of(MemoryContext context)
{
	return context->mem_allocated == 0 ? 0 : pg_leftmost_one_pos64(context->mem_allocated) + 1;
}

/*
 * contexts_least_order_with_rows
 *		The order of magnitude from which on each context gets a row, so that half of
 *		the memory is left for the names of the others; 0 if there is room for all.
 */
static int
contexts_least_order_with_rows(Size size)
{
	Size needed[NUM_ORDERS] = {0};
	Size all_needed = 0;
	Size room = size - MAXALIGN(sizeof(PackedHead));
	int order = NUM_ORDERS;

	context_walk_foreach (walk, TopMemoryContext)
	{
		MemoryContext context = walk.context;
		ContextRow row;
		PackedRow packed;
		Size row_size;

		contexts_fill_strings(context, &row);
		row_size = contexts_measure_row(&row, size, &packed);
		needed[contexts_order_of(context)] += row_size;
		all_needed += row_size;
	}
	if (all_needed <= room)
		return 0;
	room /= 2;
	while (order > 0 && needed[order - 1] <= room)
		room -= needed[--order];
	return order;
}

/*
 * contexts_pack_sums
 *		The largest first.
 */
static void
contexts_pack_sums(PackedHead *head, Size size)
{
	for (;;)
	{
		ContextRow *largest = NULL;

		for (int i = 0; i < CONTEXT_NAME_NUMBERS; i++)
			if (contexts_sums[i].contexts > 0 &&
				(largest == NULL || contexts_sums[i].held_bytes > largest->held_bytes))
				largest = &contexts_sums[i];
		if (largest == NULL)
			return;
		head->summed |= largest->contexts > 1;
		if (!contexts_pack_row(head, size, largest))
			contexts_add_to_sum(&head->rest, largest);
		largest->contexts = 0;
	}
}

void
ContextsPack(void *memory, Size size)
{
	PackedHead *head = memory;
	int order;

	memset(head, 0, sizeof(*head));
	head->used = MAXALIGN(sizeof(*head));
	if (!process_heap_ready)
		return;

	memset(&contexts_names, 0, sizeof(contexts_names));
	memset(contexts_sums, 0, sizeof(contexts_sums));
	order = contexts_least_order_with_rows(size);
	context_walk_foreach (walk, TopMemoryContext)
	{
		ContextRow row;

		ContextRowOf(walk.context, walk.level, &row);
		contexts_ascend(head, walk.level);
		if ((walk.context == TopMemoryContext || contexts_order_of(walk.context) >= order) &&
			contexts_pack_in_tree(head, size, &row))
			continue;
		contexts_count_below(head, &row);
		contexts_add_to_sum(&contexts_sums[ContextNameNumber(&contexts_names, row.name)], &row);
	}
	contexts_pack_sums(head, size);
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
	const PackedHead *head = memory;

	return ContextsPacked(memory) && !head->summed && head->rest.contexts == 0;
}

static const char *
contexts_get_string(const char **at, uint16 size)
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
	if (*offset > head->used || (*offset == head->used && head->rest.contexts == 0))
		return false;
	if (*offset == head->used)
	{
		*row = head->rest;
		row->name = row->ident = row->parent = NULL;
		(*offset)++;
		return true;
	}
	at = (const char *) memory + *offset;
	memcpy(&packed, at, sizeof(packed));
	*row = packed.row;
	at += sizeof(packed);
	row->name = contexts_get_string(&at, packed.name_size);
	row->ident = contexts_get_string(&at, packed.ident_size);
	row->parent = contexts_get_string(&at, packed.parent_size);
	*offset +=
		MAXALIGN(sizeof(PackedRow) + packed.name_size + packed.ident_size + packed.parent_size);
	return true;
}
