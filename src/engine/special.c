/*-------------------------------------------------------------------------
 *
 * special.c
 *	  See special.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "special.h"

/* Each step down the trie uses this many bits of the hash. */
#define STEP 2

static uintptr_t
special_key_of(const void *object, int kind)
{
	return (uintptr_t) object | (uintptr_t) kind;
}

/*
 * special_hash_of
 *		The hash of a key.  Different keys have different hashes, since the factor is odd.
 */
static uint64_t
special_hash_of(uintptr_t key)
{
	return key * UINT64_C(0x9e3779b97f4a7c15);
}

/*
 * special_step
 *		Return the child of a node that leads to a hash, and shift the bits used for that out of the
 *		hash.
 */
static ga_special **
special_step(ga_special *node, uint64_t *hash)
{
	ga_special **child = &node->child[*hash >> (64 - STEP)];

	*hash <<= STEP;
	return child;
}

/*
 * special_find
 *		Find a special that waits for its end.  One that has ended may have the same key: its object
 *		was freed, and another object moved to its address.
 */
static ga_special *
special_find(const ga_arena *arena, uintptr_t key)
{
	ga_special *node = arena->specials == NULL ? NULL : arena->specials->root;
	uint64_t hash = special_hash_of(key);

	while (node != NULL && (node->key != key || node->state == GA_SPECIAL_DONE))
		node = *special_step(node, &hash);
	return node;
}

static void
special_trie_insert(ga_specials *specials, ga_special *special)
{
	ga_special **at = &specials->root;
	uint64_t hash = special_hash_of(special->key);

	memset(special->child, 0, sizeof(special->child));
	while (*at != NULL)
		at = special_step(*at, &hash);
	*at = special;
}

/*
 * special_leaf_below
 *		Find a leaf below a node, or the node itself: return the pointer that leads to it.
 */
static ga_special **
special_leaf_below(ga_special **at)
{
	int i = 0;

	while (i < 1 << STEP)
	{
		if ((*at)->child[i] == NULL)
			i++;
		else
		{
			at = &(*at)->child[i];
			i = 0;
		}
	}
	return at;
}

/*
 * special_trie_remove
 *		Remove a node from the trie.  Any leaf below it may take its place, since the way to the
 *		node is also part of the way to the leaf.
 */
static void
special_trie_remove(ga_specials *specials, ga_special *special)
{
	ga_special **at = &specials->root;
	uint64_t hash = special_hash_of(special->key);
	ga_special **place;
	ga_special *leaf;

	while (*at != special)
		at = special_step(*at, &hash);
	place = special_leaf_below(at);
	leaf = *place;
	*place = NULL;
	if (leaf != special)
	{
		memcpy(leaf->child, special->child, sizeof(leaf->child));
		*at = leaf;
	}
}

ga_special *
ga_special_find(const ga_arena *arena, const void *object, int kind)
{
	ga_special *special = special_find(arena, special_key_of(object, kind));

	return special != NULL && special->state == GA_SPECIAL_WAITING ? special : NULL;
}

bool
ga_special_runs(const ga_arena *arena, const void *object)
{
	unsigned kinds = arena->specials == NULL ? 0 : arena->specials->kinds;

	for (; kinds != 0; kinds &= kinds - 1)
	{
		const ga_special *special =
			special_find(arena, special_key_of(object, __builtin_ctz(kinds)));

		if (special != NULL && special->state == GA_SPECIAL_RUNNING)
			return true;
	}
	return false;
}

/*
 * special_take
 *		Take memory for a record, within the heap's limit.  NULL if there is none.
 */
static void *
special_take(ga_heap *heap, ga_fixed *fixed)
{
	if (fixed->free == NULL && !ga_heap_has_room(heap, fixed->size))
		return NULL;
	return ga_fixed_alloc(fixed);
}

/*
 * special_begin
 *		Give an arena the struct that it needs for its first special.  NULL if there is no memory.
 */
static ga_specials *
special_begin(ga_arena *arena)
{
	ga_specials *specials = special_take(arena->heap, &arena->heap->special_sets);

	if (specials == NULL)
		return NULL;
	specials->root = NULL;
	ga_list_init(&specials->waiting);
	ga_list_init(&specials->ended);
	specials->kinds = 0;
	specials->ending = false;
	arena->specials = specials;
	ga_arena_set_window(arena);
	return specials;
}

/*
 * special_finish
 *		Take the struct of its specials from an arena that has no special any more.
 */
static void
special_finish(ga_arena *arena)
{
	ga_fixed_free(&arena->heap->special_sets, arena->specials);
	arena->specials = NULL;
	ga_arena_set_window(arena);
}

ga_special *
ga_special_add(ga_arena *arena, void *object, int kind)
{
	ga_special *special = special_take(arena->heap, &arena->heap->special_structs);
	ga_specials *specials = arena->specials;

	assert(kind >= 0 && kind < GA_SPECIAL_KINDS);
	if (special == NULL)
		return NULL;
	if (specials == NULL)
		specials = special_begin(arena);
	if (specials == NULL)
	{
		ga_fixed_free(&arena->heap->special_structs, special);
		return NULL;
	}
	assert(!specials->ending);
	special->key = special_key_of(object, kind);
	special->state = GA_SPECIAL_WAITING;
	memset(special->data, 0, sizeof(special->data));
	special_trie_insert(specials, special);
	ga_list_push_head(&specials->waiting, &special->link);
	specials->kinds |= 1U << kind;
	return special;
}

/*
 * special_drop
 *		Free a record that is on no list.
 */
static void
special_drop(ga_arena *arena, ga_special *special)
{
	special_trie_remove(arena->specials, special);
	ga_fixed_free(&arena->heap->special_structs, special);
	if (arena->specials->root == NULL && !arena->specials->ending)
		special_finish(arena);
}

void
ga_special_remove(ga_arena *arena, ga_special *special)
{
	ga_list_remove(&arena->specials->waiting, &special->link);
	special_drop(arena, special);
}

void
ga_special_move(ga_arena *arena, const void *from, void *to)
{
	ga_specials *specials = arena->specials;

	for (unsigned kinds = specials->kinds; kinds != 0; kinds &= kinds - 1)
	{
		int kind = __builtin_ctz(kinds);
		ga_special *special = ga_special_find(arena, from, kind);

		if (special == NULL)
			continue;
		special_trie_remove(specials, special);
		special->key = special_key_of(to, kind);
		special_trie_insert(specials, special);
	}
}

/*
 * special_end
 *		End a special.  The function that this calls may end others.
 */
static void
special_end(ga_arena *arena, ga_special *special, ga_freed_by how)
{
	ga_specials *specials = arena->specials;

	special->state = GA_SPECIAL_RUNNING;
	ga_list_remove(&specials->waiting, &special->link);
	ga_list_push_head(&specials->ended, &special->link);
	arena->heap->end_special[ga_special_kind(special)](arena, special, how);
	special->state = GA_SPECIAL_DONE;
	ga_list_remove(&specials->ended, &special->link);
	if (specials->ending)
		ga_list_push_head(&specials->ended, &special->link);
	else
		special_drop(arena, special);
}

void
ga_special_end_object(ga_arena *arena, void *object, ga_freed_by how)
{
	for (int kind = 0; kind < GA_SPECIAL_KINDS; kind++)
	{
		ga_special *special;

		if (arena->specials == NULL)
			return;
		if ((arena->specials->kinds >> kind & 1) == 0)
			continue;
		special = ga_special_find(arena, object, kind);
		if (special != NULL)
			special_end(arena, special, how);
	}
}

/*
 * special_forget
 *		Free all records of a list.
 */
static void
special_forget(ga_arena *arena, ga_list *list)
{
	ga_list_foreach_safe (link, list)
		ga_fixed_free(&arena->heap->special_structs, ga_container(ga_special, link, link));
}

void
ga_special_forget_all(ga_arena *arena)
{
	if (arena->specials == NULL)
		return;
	special_forget(arena, &arena->specials->waiting);
	special_forget(arena, &arena->specials->ended);
	special_finish(arena);
}

void
ga_special_end_all(ga_arena *arena, ga_freed_by how)
{
	ga_specials *specials = arena->specials;
	ga_link *link;

	if (specials == NULL)
		return;
	assert(specials->ended.count == 0);
	specials->ending = true;
	while ((link = ga_list_first(&specials->waiting)) != NULL)
		special_end(arena, ga_container(ga_special, link, link), how);
	ga_special_forget_all(arena);
}

bool
ga_special_is_valid(const ga_arena *arena)
{
	const ga_specials *specials = arena->specials;

	if (specials == NULL)
		return true;
	if (specials->root == NULL || specials->waiting.count + specials->ended.count == 0)
		return false;
	ga_list_foreach (link, &specials->waiting)
	{
		const ga_special *special = ga_container(ga_special, link, link);
		const void *object = ga_special_object(special);
		int kind = ga_special_kind(special);

		if (special->state != GA_SPECIAL_WAITING || (specials->kinds >> kind & 1) == 0 ||
			ga_special_find(arena, object, kind) != special)
			return false;
	}
	return true;
}
