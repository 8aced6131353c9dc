/*-------------------------------------------------------------------------
 *
 * dump_graph.c
 *	  The objects of a heap dump, and what keeps each of them alive.
 *
 * Objects come in order of address, so a binary search finds the object that an address lies in.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "backend/dump/dump_graph.h"
#include "backend/dump/dump_reader.h"
#include "engine/visit.h"

/* Check for interrupts once in this many steps; a mask. */
#define STEPS_AT_A_TIME 0xffff

/* The number of elements that an array has room for at first. */
#define FIRST_ROOM 1024

/* How many elements each array has room for. */
typedef struct Room
{
	uint32 nodes;
	uint32 edges;
	uint32 roots;
	uint32 arenas;
} Room;

static void *
graph_enlarge(DumpGraph *graph, void *array, uint32 count, uint32 *room, Size size)
{
	if (count < *room)
		return array;
	*room = *room == 0 ? FIRST_ROOM : *room * 2;
	return array == NULL ? MemoryContextAllocHuge(graph->context, size * *room)
						 : repalloc_huge(array, size * *room);
}

static void
graph_add_type(DumpGraph *graph, const DumpReader *reader, const DumpType *type)
{
	if (type->record.number != graph->num_types + 1 || graph->num_types >= GA_MAX_TYPES)
		DumpReaderFail(reader, "Types are not in order.");
	if (graph->types == NULL)
		graph->types = MemoryContextAllocZero(graph->context, sizeof(char *) * (GA_MAX_TYPES + 1));
	graph->types[type->record.number] = MemoryContextStrdup(graph->context, type->name);
	graph->num_types++;
}

static void
graph_add_arena(DumpGraph *graph, Room *room, const DumpArena *arena)
{
	graph->arenas = graph_enlarge(graph, graph->arenas, graph->num_arenas, &room->arenas,
								  sizeof(DumpArenaName));
	graph->arenas[graph->num_arenas++] =
		(DumpArenaName){arena->id, MemoryContextStrdup(graph->context, arena->name)};
}

static void
graph_add_node(DumpGraph *graph, const DumpReader *reader, Room *room, const DumpNode *node)
{
	const DumpNode *last = graph->num_nodes == 0 ? NULL : &graph->nodes[graph->num_nodes - 1];

	if (last != NULL && node->address < last->address + last->size)
		DumpReaderFail(reader, "Objects are not in order.");
	if (node->address + node->size < node->address)
		DumpReaderFail(reader, "An object has a length that is not possible.");
	graph->nodes =
		graph_enlarge(graph, graph->nodes, graph->num_nodes, &room->nodes, sizeof(DumpNode));
	graph->nodes[graph->num_nodes] = *node;
	graph->nodes[graph->num_nodes].first = DUMP_NONE;
	graph->nodes[graph->num_nodes].by = DUMP_NONE;
	graph->nodes[graph->num_nodes].holder = DUMP_NONE;
	graph->nodes[graph->num_nodes].root = DUMP_NONE;
	graph->num_nodes++;
}

static void
graph_add_object(DumpGraph *graph, const DumpReader *reader, Room *room, const DumpObject *object)
{
	DumpNode node = {
		.address = object->address,
		.size = object->size,
		.arena_id = object->arena_id,
		.type = object->record.number,
		.state = object->state,
	};

	if (object->state > GA_OBJECT_DELAYED || object->record.number > graph->num_types)
		DumpReaderFail(reader, "An object has a state or type that does not exist.");
	graph_add_node(graph, reader, room, &node);
}

static void
graph_add_chunk(DumpGraph *graph, const DumpReader *reader, Room *room, const DumpChunk *chunk)
{
	DumpNode node = {
		.address = chunk->base,
		.size = chunk->size,
		.arena_id = chunk->arena_id,
		.state = DUMP_QUARANTINED,
	};

	if (chunk->record.number == GA_QUARANTINED)
		graph_add_node(graph, reader, room, &node);
}

static void
graph_add_root(DumpGraph *graph, const DumpReader *reader, Room *room, const DumpRoot *root)
{
	if (root->record.number != graph->num_roots)
		DumpReaderFail(reader, "Roots are not in order.");
	graph->roots =
		graph_enlarge(graph, graph->roots, graph->num_roots, &room->roots, sizeof(DumpRoot));
	graph->roots[graph->num_roots++] = *root;
}

/*
 * graph_find
 *		Find the object that an address lies in, or DUMP_NONE. An object without bytes is found by
 *		its beginning.
 */
static uint32
graph_find(const DumpGraph *graph, uint64 address)
{
	uint32 low = 0;
	uint32 high = graph->num_nodes;
	const DumpNode *node;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (graph->nodes[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return DUMP_NONE;
	node = &graph->nodes[low - 1];
	return address - node->address < Max(node->size, 1) ? low - 1 : DUMP_NONE;
}

/*
 * graph_add_pointer
 *		Add a pointer, unless it lies in an object that is not live, or leads to one: such a pointer
 *		keeps nothing alive.
 */
static void
graph_add_pointer(DumpGraph *graph, const DumpReader *reader, Room *room,
				  const DumpPointer *pointer)
{
	bool in_root = pointer->record.number != DUMP_NO_ROOT;
	uint32 from = in_root ? DUMP_NONE : graph_find(graph, pointer->where);
	uint32 to = graph_find(graph, pointer->to);
	uint32 *chain;
	DumpEdge *edge;

	if (in_root && pointer->record.number >= graph->num_roots)
		DumpReaderFail(reader, "A pointer lies in a root that does not exist.");
	if (to == DUMP_NONE || (!in_root && from == DUMP_NONE) ||
		(!in_root && graph->nodes[from].state != GA_OBJECT_LIVE) ||
		(graph->nodes[to].state != GA_OBJECT_LIVE && graph->nodes[to].state != DUMP_QUARANTINED))
		return;
	graph->edges =
		graph_enlarge(graph, graph->edges, graph->num_edges, &room->edges, sizeof(DumpEdge));
	edge = &graph->edges[graph->num_edges];
	chain = in_root ? &graph->roots_first : &graph->nodes[from].first;
	edge->where = pointer->where;
	edge->to = to;
	edge->next = *chain;
	edge->root = in_root ? pointer->record.number : DUMP_NONE;
	*chain = graph->num_edges++;
}

static void
graph_add(DumpGraph *graph, const DumpReader *reader, Room *room, const DumpRecord *record,
		  bool pointers)
{
	switch ((DumpKind) record->kind)
	{
		case DUMP_TYPE:
			graph_add_type(graph, reader, (const DumpType *) record);
			break;
		case DUMP_ARENA:
			graph_add_arena(graph, room, (const DumpArena *) record);
			break;
		case DUMP_CHUNK:
			graph_add_chunk(graph, reader, room, (const DumpChunk *) record);
			break;
		case DUMP_OBJECT:
			graph_add_object(graph, reader, room, (const DumpObject *) record);
			break;
		case DUMP_ROOT:
			graph_add_root(graph, reader, room, (const DumpRoot *) record);
			break;
		case DUMP_POINTER:
			if (pointers)
				graph_add_pointer(graph, reader, room, (const DumpPointer *) record);
			break;
		case DUMP_END:
			graph->complete = record->number == 0 && ((const DumpEnd *) record)->damaged == 0;
			break;
	}
}

static int
graph_compare_arenas(const void *a, const void *b)
{
	uint64 left = ((const DumpArenaName *) a)->id;
	uint64 right = ((const DumpArenaName *) b)->id;

	return left < right ? -1 : left > right ? 1 : 0;
}

DumpGraph *
DumpGraphRead(const char *name, bool pointers)
{
	DumpGraph *graph = palloc0(sizeof(DumpGraph));
	DumpReader *reader = DumpReaderOpen(name);
	Room room = {0};
	const DumpRecord *record;
	bool order = false;

	graph->context =
		AllocSetContextCreate(CurrentMemoryContext, "goarena heap dump", ALLOCSET_DEFAULT_SIZES);
	graph->roots_first = DUMP_NONE;
	while ((record = DumpReaderNext(reader)) != NULL)
	{
		/*
		 * Each pointer is looked up among the objects when it comes, so all objects must come
		 * before.
		 */
		order |= record->kind == DUMP_ROOT;
		if (order && (record->kind == DUMP_CHUNK || record->kind == DUMP_OBJECT))
			DumpReaderFail(reader, "Objects come behind roots.");
		graph_add(graph, reader, &room, record, pointers);
	}
	DumpReaderClose(reader);
	if (graph->num_arenas > 0)
		qsort(graph->arenas, graph->num_arenas, sizeof(DumpArenaName), graph_compare_arenas);
	return graph;
}

/*
 * graph_reach
 *		Follow the pointers in an object, or in roots, to what was not reached before.
 */
static void
graph_reach(DumpGraph *graph, uint32 holder, uint32 first, uint32 *queue, uint32 *end)
{
	for (uint32 at = first; at != DUMP_NONE; at = graph->edges[at].next)
	{
		const DumpEdge *edge = &graph->edges[at];
		DumpNode *node = &graph->nodes[edge->to];

		if ((at & STEPS_AT_A_TIME) == 0)
			CHECK_FOR_INTERRUPTS();
		if (node->by != DUMP_NONE)
			continue;
		node->by = at;
		node->holder = holder;
		node->root = holder == DUMP_NONE ? edge->root : graph->nodes[holder].root;
		node->depth = holder == DUMP_NONE ? 1 : graph->nodes[holder].depth + 1;
		queue[(*end)++] = edge->to;
	}
}

void
DumpGraphSearch(DumpGraph *graph)
{
	uint32 *queue =
		MemoryContextAllocHuge(graph->context, sizeof(uint32) * Max((Size) graph->num_nodes, 1));
	uint32 end = 0;

	graph_reach(graph, DUMP_NONE, graph->roots_first, queue, &end);
	for (uint32 at = 0; at < end; at++)
	{
		if ((at & STEPS_AT_A_TIME) == 0)
			CHECK_FOR_INTERRUPTS();
		graph_reach(graph, queue[at], graph->nodes[queue[at]].first, queue, &end);
	}
	pfree(queue);
}

const char *
DumpGraphArenaName(const DumpGraph *graph, uint64 id)
{
	DumpArenaName key = {.id = id};
	const DumpArenaName *found = NULL;

	if (graph->num_arenas > 0)
		found = bsearch(&key, graph->arenas, graph->num_arenas, sizeof(DumpArenaName),
						graph_compare_arenas);
	return found == NULL ? NULL : found->name;
}

const char *
DumpGraphTypeName(const DumpGraph *graph, uint32 number)
{
	return number == 0 ? NULL : graph->types[number];
}

void
DumpGraphFree(DumpGraph *graph)
{
	/* A sweep would take addresses that are left in memory for pointers. */
	if (graph->nodes != NULL)
		memset(graph->nodes, 0, sizeof(DumpNode) * graph->num_nodes);
	if (graph->edges != NULL)
		memset(graph->edges, 0, sizeof(DumpEdge) * graph->num_edges);
	MemoryContextDelete(graph->context);
	pfree(graph);
}
