/*-------------------------------------------------------------------------
 *
 * dump_graph.h
 *	  The objects of a heap dump, and what keeps each of them alive.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_GRAPH_H
#define GOARENA_DUMP_GRAPH_H

#include "postgres.h"

#include "backend/dump/dump_format.h"

/* No object, root or pointer. */
#define DUMP_NONE UINT32_MAX

/* The state of a node that is no object, but a slot in quarantine to which pointers lead. */
#define DUMP_QUARANTINED UINT32_MAX

typedef struct DumpArenaName
{
	uint64 id;
	char *name;
} DumpArenaName;

typedef struct DumpNode
{
	uint64 address;
	uint64 size;
	uint64 arena_id;
	uint32 type;   /* 0: not known */
	uint32 state;  /* ga_object_state, or DUMP_QUARANTINED */
	uint32 first;  /* pointer in it, in a chain */
	uint32 by;	   /* the pointer through which it was reached first, or DUMP_NONE */
	uint32 holder; /* the object which that lies in; DUMP_NONE: in a root */
	uint32 root;   /* where the chain begins */
	uint32 depth;  /* pointers from there */
} DumpNode;

typedef struct DumpEdge
{
	uint64 where;
	uint32 to;	 /* object */
	uint32 next; /* in the chain of pointers in the same object, or in roots */
	uint32 root; /* or DUMP_NONE */
} DumpEdge;

typedef struct DumpGraph
{
	MemoryContext context; /* that has all */
	DumpNode *nodes;	   /* in order of address */
	uint32 num_nodes;
	DumpEdge *edges;
	uint32 num_edges;
	uint32 roots_first; /* pointer in a root */
	DumpRoot *roots;
	uint32 num_roots;
	DumpArenaName *arenas; /* in order of id */
	uint32 num_arenas;
	char **types; /* names by number */
	uint32 num_types;
	bool complete; /* all memory was read, and no chunk was damaged */
} DumpGraph;

/*
 * Read a dump, with or without its pointers.  Takes memory in proportion to the length of the file,
 * in a context below the current one.  Raises an error if there is not enough memory, or the file
 * is damaged.
 */
extern DumpGraph *DumpGraphRead(const char *name, bool pointers);

/*
 * Find the shortest chain from a root to each object, if there is one.  Goes breadth first, takes
 * linear time, and does not recurse.
 */
extern void DumpGraphSearch(DumpGraph *graph);

/* The name of a context or type, or NULL. */
extern const char *DumpGraphArenaName(const DumpGraph *graph, uint64 id);
extern const char *DumpGraphTypeName(const DumpGraph *graph, uint32 number);

extern void DumpGraphFree(DumpGraph *graph);

#endif /* GOARENA_DUMP_GRAPH_H */
