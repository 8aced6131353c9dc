/*-------------------------------------------------------------------------
 *
 * special.h
 *	  Specials: records that are attached to single objects.
 *
 * A special is a record of some kind, such as a finalizer, that belongs to one object.  It moves
 * along with the object, and ends with it.  When an object is freed, the engine ends its specials:
 * it calls heap->end_special of their kind while the object is still as it was.  Before a reset or
 * the end of an arena, the caller ends all of its specials, newest first (ga_special_end_all).
 *
 * Records lie in metadata.  They are found by address and kind in a trie
 * over a hash of both, whose nodes are the records themselves: each has
 * four children, and two bits of the hash say which one leads on.  So there is no
 * table that would have to grow, and a record is found in 32 steps at most.
 *
 * Arenas without specials pay nothing.  An arena with some has no window
 * in which ga_arena_free_fast may free.
 *
 * After Go's runtime, mheap.go: special, addspecial, freeSpecials.  The trie is
 * Bagwell's (Ideal Hash Trees, 2001) in its simplest form.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_SPECIAL_H
#define GA_SPECIAL_H

#include "arena.h"

/*
 * Kinds.  An object has at most one special of each kind, and they end in this order.  There may be
 * GA_SPECIAL_KINDS of them, since the low bits of the key hold the kind.
 */
#define GA_SPECIAL_FINALIZER 0

typedef enum ga_special_state
{
	GA_SPECIAL_WAITING, /* for the end of its object */
	GA_SPECIAL_RUNNING, /* end_special was called and has not returned */
	GA_SPECIAL_DONE		/* it has ended, and goes with the others of its arena */
} ga_special_state;

struct ga_special
{
	ga_special *child[4];
	ga_link link;	   /* in waiting, or in ended once it has ended or is running */
	uintptr_t key;	   /* address of the object and kind */
	uintptr_t data[2]; /* the kind's own; sweeps take it for pointers */
	ga_special_state state;
};

/* The specials of one arena.  There is no such struct without a special. */
struct ga_specials
{
	ga_special *root;
	ga_list waiting; /* newest first */
	ga_list ended;	 /* those that run now and, while all of an arena end, those that have ended */
	unsigned kinds;	 /* a bit for each kind that there ever was */
	bool ending;	 /* ga_special_end_all is at work */
};

/* The object of a special, and its kind. */
GA_INLINE void *
ga_special_object(const ga_special *special)
{
	return (void *) (special->key & ~(uintptr_t) (GA_SPECIAL_KINDS - 1));
}

GA_INLINE int
ga_special_kind(const ga_special *special)
{
	return (int) (special->key & (GA_SPECIAL_KINDS - 1));
}

/*
 * Attach a special to a live object of the arena that has none of this kind.  Its data is zero.
 * Not while ga_special_end_all is at work.  NULL, with nothing changed, if memory is used up or the
 * heap's limit would be crossed.
 */
extern ga_special *ga_special_add(ga_arena *arena, void *object, int kind);

/*
 * Find the special of a kind that waits for the end of its object, or NULL. Any address may be
 * asked for.
 */
extern ga_special *ga_special_find(const ga_arena *arena, const void *object, int kind);

/* Take a special that waits off its object, without ending it. */
extern void ga_special_remove(ga_arena *arena, ga_special *special);

/* Move the specials of an object along that has moved from one address to another.  Never fails. */
extern void ga_special_move(ga_arena *arena, const void *from, void *to);

/* End the specials of an object that is to be freed. */
extern void ga_special_end_object(ga_arena *arena, void *object, ga_freed_by how);

/*
 * End all specials of an arena that is to be reset or to end.  The functions may
 * free objects of the arena and allocate in it, but neither reset nor end it.
 */
extern void ga_special_end_all(ga_arena *arena, ga_freed_by how);

/* Forget all specials of an arena without ending them, also those that are running. */
extern void ga_special_forget_all(ga_arena *arena);

/* Is a special of this object running?  It must be neither freed nor moved then. */
extern bool ga_special_runs(const ga_arena *arena, const void *object);

/* Are the links and keys of all specials of an arena right?  For ga_heap_check. */
extern bool ga_special_is_valid(const ga_arena *arena);

#endif /* GA_SPECIAL_H */
