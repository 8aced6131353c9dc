/*-------------------------------------------------------------------------
 *
 * typed.c
 *	  What types are worth: trees that are built and dropped, and sweeps.
 *
 * A node of the tree is what a parser or a search tree has: two pointers and some numbers.
 * The memory that is swept is blocks with some pointers at their head and data behind,
 * as buffers of tuples, nodes of an index or columns of a batch are.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "goarena.h"
#include "goarena_bench.h"

PG_FUNCTION_INFO_V1(bench_tree);
PG_FUNCTION_INFO_V1(bench_live_typed);
PG_FUNCTION_INFO_V1(bench_cpu);

typedef struct TreeNode
{
	struct TreeNode *left;
	struct TreeNode *right;
	int64 key;
	int64 value;
} TreeNode;

/* How a tree's nodes are allocated. */
typedef enum TreeKind
{
	TREE_ALLOCSET,
	TREE_AGAIN,
	TREE_BUMP,
	TREE_ARENA,
	TREE_TYPED,
	TREE_KINDS
} TreeKind;

static const char *const tree_names[TREE_KINDS] = {"AllocSet", "again", "Bump", "arena", "typed"};

static const BenchType tree_types[TREE_KINDS] = {BENCH_ALLOCSET, BENCH_ALLOCSET_AGAIN, BENCH_BUMP,
												 BENCH_ARENA_OFF, BENCH_ARENA_OFF};

static const GoarenaType *
tree_type(void)
{
	static const Size offsets[] = {offsetof(TreeNode, left), offsetof(TreeNode, right)};

	return GoarenaTypeFromOffsets("TreeNode", sizeof(TreeNode), lengthof(offsets), offsets);
}

/*
 * tree_grow
 *		A balanced tree of so many nodes, whose keys begin with the given one.
 */
static TreeNode *
tree_grow(MemoryContext context, const GoarenaType *type, int64 first, int64 count)
{
	TreeNode *node;
	int64 left = (count - 1) / 2;

	if (count == 0)
		return NULL;
	node = type != NULL ? GoarenaAlloc(context, type)
						: MemoryContextAllocZero(context, sizeof(TreeNode));
	node->key = first + left;
	node->left = tree_grow(context, type, first, left);
	node->right = tree_grow(context, type, first + left + 1, count - 1 - left);
	return node;
}

/*
 * tree_time
 *		CPU time of building and dropping a tree, in nanoseconds.
 */
static double
tree_time(TreeKind kind, int64 count)
{
	double begun;
	MemoryContext context;
	bool arena = tree_types[kind] == BENCH_ARENA_OFF;

	BenchPrepare(tree_types[kind]);
	begun = BenchCpuTime();
	context = arena ? GoarenaContextCreate(CurrentMemoryContext, "goarena bench tree")
					: BenchContextCreate(tree_types[kind], CurrentMemoryContext, 0, false);
	(void) tree_grow(context, kind == TREE_TYPED ? tree_type() : NULL, 1, count);
	if (!arena)
		BenchCheck(tree_types[kind], context);
	MemoryContextDelete(context);
	return BenchCpuTime() - begun;
}

/*
 * bench_tree(nodes integer, rounds integer) returns setof record
 */
Datum
bench_tree(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int round = 0; round <= PG_GETARG_INT32(1); round++)
		for (int i = 0; i < TREE_KINDS; i++)
		{
			TreeKind kind = (TreeKind) ((i + round) % TREE_KINDS);
			double ns;

			CHECK_FOR_INTERRUPTS();
			if (!BenchTypeExists(tree_types[kind]))
				continue;
			ns = tree_time(kind, PG_GETARG_INT32(0));

			/* Round 0 warms up. */
			if (round > 0)
				BenchPutRow(fcinfo, tree_names[kind], round, ns);
		}
	return (Datum) 0;
}

#define LEAF_POINTERS 4

typedef struct Leaf
{
	void *pointers[LEAF_POINTERS];
	uint64 data[FLEXIBLE_ARRAY_MEMBER];
} Leaf;

static MemoryContext live_typed = NULL;

/*
 * bench_live_typed(bytes bigint, kind text, size integer) returns void
 */
Datum
bench_live_typed(PG_FUNCTION_ARGS)
{
	static const Size offsets[] = {0, 8, 16, 24};
	Size size = (Size) PG_GETARG_INT32(2);
	int64 count = PG_GETARG_INT64(0) / (int64) size;
	char *kind = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const GoarenaType *type = GoarenaTypeFromOffsets("Leaf", size, LEAF_POINTERS, offsets);
	const GoarenaType *noscan = GoarenaTypePointerFree("Data", size, 8);
	Leaf *last = NULL;

	if (live_typed != NULL)
		MemoryContextDelete(live_typed);
	live_typed = GoarenaContextCreate(TopMemoryContext, "goarena bench typed");
	for (int64 i = 0; i < count; i++)
	{
		Leaf *leaf;

		CHECK_FOR_INTERRUPTS();
		if (strcmp(kind, "untyped") == 0)
			leaf = MemoryContextAlloc(live_typed, size);
		else
			leaf = GoarenaAlloc(live_typed, strcmp(kind, "typed") == 0 ? type : noscan);
		for (int at = 0; at < LEAF_POINTERS; at++)
			leaf->pointers[at] = last;
		for (Size at = 0; at < size / sizeof(uint64) - LEAF_POINTERS; at++)
			leaf->data[at] = (uint64) at;
		last = leaf;
	}
	PG_RETURN_VOID();
}

/*
 * bench_cpu() returns double precision
 */
Datum
bench_cpu(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(BenchCpuTime() / 1e6);
}
