/*-------------------------------------------------------------------------
 *
 * special.h
 *	  Specials: what is attached to single objects.
 *
 * A special is a record of a kind, such as a finalizer, that belongs to an object:
 * it moves along when the object does, and ends with it.  When an object is freed, the
 * engine ends its specials: it calls heap->end_special of the kind while the object is
 * still as it was.  The caller does the same for all of an arena, newest first,
 * before a reset or the arena's end.
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
 * Kinds, of which an object has at most one special each; they end in this order.
 * The low bits of an address tell GA_SPECIAL_KINDS of them apart.
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
	ga_list ended;	 /* those that are running, and while all end those that have ended */
	unsigned kinds;	 /* a bit for each kind that there ever was */
	bool ending;	 /* all of them end */
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
 * Attach a special to a live object of the arena that has none of this kind; its data is
 * zero.  Not while all of the arena's end.  NULL, with nothing changed, if memory is
 * used up or the heap's limit would be crossed.
 */
extern ga_special *ga_special_add(ga_arena *arena, void *object, int kind);

/* The object's special that waits for its end, or NULL.  Any address may be asked for. */
extern ga_special *ga_special_find(const ga_arena *arena, const void *object, int kind);

/* Take a special that waits off its object, without ending it. */
extern void ga_special_remove(ga_arena *arena, ga_special *special);

/* An object has another address now: so have its specials. */
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

/* Are the links and keys of all right?  For ga_heap_check. */
extern bool ga_special_is_valid(const ga_arena *arena);

#endif /* GA_SPECIAL_H */
