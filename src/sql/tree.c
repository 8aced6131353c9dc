/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  goarena_tree(): the memory contexts of a process as a tree.
 *
 * The rows of a process come packed in the order of its own tree, see contexts.h.  Here
 * sizes are summed up from below, children of one parent are put in order of the
 * memory below them, and names are indented.  What has no row of its own, since
 * there are too many contexts, is a row "and N more" below the nearest context that has
 * one: the sums are right whatever was left out.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "backend/usage/contexts.h"
#include "sql/columns.h"
#include "sql/contexts_of.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_tree);

/* As much as another process has for its answer. */
#define OWN_SIZE ((Size) 128 << 10)

/* Names further down are not indented more: a user can nest savepoints by the thousand. */
#define DEEPEST_INDENT 30

#define NONE (-1) /* no row */

/* A context with a row of its own.  Others are named by their numbers. */
typedef struct TreeNode
{
	ContextRow row;
	int depth; /* in the tree that is shown */
	uint64 subtree_bytes;
	uint64 subtree_contexts;
	int first; /* child, of those with the most memory below them */
	int last;
	int next; /* child of the same parent */
} TreeNode;

typedef struct Tree
{
	TreeNode *nodes; /* parents before their children */
	int count;
} Tree;

typedef struct ShownNode
{
	const char *context;
	uint64 subtree_bytes;
	uint64 held_bytes;
	uint64 used_bytes;
	uint64 contexts;
	int level;
	const char *type;
	const char *ident;
	const Interval *age;
} ShownNode;

static const Column columns[] = {
	{"context", COLUMN_TEXT, offsetof(ShownNode, context)},
	{"subtree_bytes", COLUMN_COUNT, offsetof(ShownNode, subtree_bytes)},
	{"held_bytes", COLUMN_COUNT, offsetof(ShownNode, held_bytes)},
	{"used_bytes", COLUMN_COUNT, offsetof(ShownNode, used_bytes)},
	{"contexts", COLUMN_COUNT, offsetof(ShownNode, contexts)},
	{"level", COLUMN_INT, offsetof(ShownNode, level)},
	{"type", COLUMN_TEXT, offsetof(ShownNode, type)},
	{"ident", COLUMN_TEXT, offsetof(ShownNode, ident)},
	{"age", COLUMN_INTERVAL, offsetof(ShownNode, age)},
};

/*
 * tree_unpack
 *		Take the rows that are part of the tree, which come before the others.
 */
static Tree
tree_unpack(const void *packed)
{
	Tree tree = {0};
	int room = 64;
	ContextRow row;
	Size offset = 0;

	tree.nodes = palloc(sizeof(TreeNode) * (Size) room);
	while (ContextsNext(packed, &offset, &row) && row.above >= CONTEXT_TOP &&
		   row.above < tree.count)
	{
		TreeNode *node;

		if (tree.count == room)
		{
			room *= 2;
			tree.nodes = repalloc(tree.nodes, sizeof(TreeNode) * (Size) room);
		}
		node = &tree.nodes[tree.count];
		*node = (TreeNode){.row = row, .first = NONE, .last = NONE, .next = NONE};
		node->depth = row.above == CONTEXT_TOP ? 0 : tree.nodes[row.above].depth + 1;
		node->subtree_bytes = row.held_bytes + row.below_bytes;
		node->subtree_contexts = 1 + row.below_contexts;
		tree.count++;
	}
	return tree;
}

/*
 * tree_sum_up
 *		Children come after their parents, so each is complete when it is added.
 */
static void
tree_sum_up(Tree *tree)
{
	for (int i = tree->count - 1; i >= 0; i--)
	{
		const TreeNode *node = &tree->nodes[i];
		TreeNode *above;

		if (node->row.above == CONTEXT_TOP)
			continue;
		above = &tree->nodes[node->row.above];
		above->subtree_bytes += node->subtree_bytes;
		above->subtree_contexts += node->subtree_contexts;
	}
}

/*
 * tree_compare
 *		The most memory first, and else as in the process.
 */
static int
tree_compare(const void *a, const void *b)
{
	const TreeNode *const *left = a;
	const TreeNode *const *right = b;

	if ((*left)->subtree_bytes != (*right)->subtree_bytes)
		return (*left)->subtree_bytes > (*right)->subtree_bytes ? -1 : 1;
	return *left < *right ? -1 : 1;
}

/*
 * tree_link
 *		Link the children of each context, in order.
 */
static void
tree_link(Tree *tree)
{
	TreeNode **order = palloc(sizeof(TreeNode *) * (Size) Max(tree->count, 1));

	for (int i = 0; i < tree->count; i++)
		order[i] = &tree->nodes[i];
	qsort(order, (size_t) tree->count, sizeof(TreeNode *), tree_compare);
	for (int i = 0; i < tree->count; i++)
	{
		int number = (int) (order[i] - tree->nodes);
		TreeNode *above;

		if (order[i]->row.above == CONTEXT_TOP)
			continue;
		above = &tree->nodes[order[i]->row.above];
		if (above->last == NONE)
			above->first = number;
		else
			tree->nodes[above->last].next = number;
		above->last = number;
	}
	pfree(order);
}

static const char *
tree_indented(int depth, const char *text)
{
	return psprintf("%*s%s", 2 * Min(depth, DEEPEST_INDENT), "", text);
}

static void
tree_put_node(ReturnSetInfo *rows, const TreeNode *node, bool with_ident, const Interval *age)
{
	const ContextRow *row = &node->row;
	ShownNode shown = {
		.context = tree_indented(node->depth, row->name == NULL ? "" : row->name),
		.subtree_bytes = node->subtree_bytes,
		.held_bytes = row->held_bytes,
		.used_bytes = row->used_bytes,
		.contexts = node->subtree_contexts,
		.level = row->level,
		.type = ContextTypeName(row->type),
		.ident = with_ident && row->ident != NULL ? ContextShownIdent(row->ident) : NULL,
		.age = age,
	};

	ColumnsPut(rows, columns, &shown, lengthof(columns));
}

/*
 * tree_put_more
 *		The contexts below this one that have no rows.
 */
static void
tree_put_more(ReturnSetInfo *rows, const TreeNode *node, const Interval *age)
{
	uint64 count = node->row.below_contexts;
	ShownNode shown = {
		.context = tree_indented(node->depth + 1, psprintf("and " UINT64_FORMAT " more", count)),
		.subtree_bytes = node->row.below_bytes,
		.held_bytes = node->row.below_bytes,
		.used_bytes = UINT64_MAX,
		.contexts = count,
		.level = INT_MIN,
		.age = age,
	};

	if (count > 0)
		ColumnsPut(rows, columns, &shown, lengthof(columns));
}

/*
 * tree_put
 *		Walk down, then to the next child, then up, without recursion.
 */
static void
tree_put(ReturnSetInfo *rows, const Tree *tree, const Interval *age)
{
	bool with_ident = MayReadAll();
	int at = tree->count > 0 ? 0 : NONE;

	while (at != NONE)
	{
		const TreeNode *node = &tree->nodes[at];

		CHECK_FOR_INTERRUPTS();
		tree_put_node(rows, node, with_ident, age);
		at = node->first;
		while (at == NONE)
		{
			tree_put_more(rows, node, age);
			at = node->next;
			if (at != NONE || node->row.above == CONTEXT_TOP)
				break;
			node = &tree->nodes[node->row.above];
		}
	}
}

static void *
tree_pack_own(void)
{
	void *packed = palloc(OWN_SIZE);

	ContextsPack(packed, OWN_SIZE);
	return packed;
}

/*
 * goarena_tree(pid integer, timeout double precision) returns setof record
 *		The contexts of this or another process.
 */
Datum
goarena_tree(PG_FUNCTION_ARGS)
{
	int pid = PG_GETARG_INT32(0);
	float8 seconds = PG_GETARG_FLOAT8(1);
	ReturnSetInfo *rows;
	TimestampTz at = 0;
	void *packed;
	Tree tree;

	RequireActive();
	ContextsCheckTimeout(seconds);
	rows = ColumnsBegin(fcinfo, columns, lengthof(columns));
	packed = pid == MyProcPid ? tree_pack_own() : ContextsOfProcess(pid, seconds, &at);
	if (packed == NULL)
		return (Datum) 0;
	tree = tree_unpack(packed);
	tree_sum_up(&tree);
	tree_link(&tree);
	tree_put(rows, &tree, ContextsAge(at));
	return (Datum) 0;
}
