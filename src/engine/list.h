/*-------------------------------------------------------------------------
 *
 * list.h
 *	  Intrusive doubly-linked lists with a count.
 *
 * They do what PostgreSQL's ilist.h does, which the engine may not use, and two things more: they
 * know their length, and can be sorted without memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_LIST_H
#define GA_LIST_H

#include "config.h"

typedef struct ga_link
{
	struct ga_link *prev;
	struct ga_link *next;
} ga_link;

typedef struct ga_list
{
	ga_link head; /* circular: head.next is the first, head.prev the last */
	size_t count;
} ga_list;

#define ga_container(type, member, link) ((type *) ((char *) (link) -offsetof(type, member)))

#define ga_list_foreach(var, list)                                                                 \
	for (ga_link *var = (list)->head.next; var != &(list)->head; var = var->next)

/* The body may unlink the current element. */
#define ga_list_foreach_safe(var, list)                                                            \
	for (ga_link *var = (list)->head.next, *var##_next = var->next; var != &(list)->head;          \
		 var = var##_next, var##_next = var->next)

GA_INLINE void
ga_list_init(ga_list *list)
{
	list->head.prev = list->head.next = &list->head;
	list->count = 0;
}

GA_INLINE bool
ga_list_empty(const ga_list *list)
{
	return list->count == 0;
}

GA_INLINE void
ga_list_insert_after(ga_list *list, ga_link *where, ga_link *link)
{
	link->prev = where;
	link->next = where->next;
	where->next->prev = link;
	where->next = link;
	list->count++;
}

GA_INLINE void
ga_list_push_head(ga_list *list, ga_link *link)
{
	ga_list_insert_after(list, &list->head, link);
}

GA_INLINE void
ga_list_push_tail(ga_list *list, ga_link *link)
{
	ga_list_insert_after(list, list->head.prev, link);
}

GA_INLINE void
ga_list_remove(ga_list *list, ga_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = NULL;
	list->count--;
}

/* First element, or NULL. */
GA_INLINE ga_link *
ga_list_first(const ga_list *list)
{
	return list->count == 0 ? NULL : list->head.next;
}

/* Element after the given one, or NULL. */
GA_INLINE ga_link *
ga_list_next(const ga_list *list, const ga_link *link)
{
	return link->next == &list->head ? NULL : link->next;
}

/* Sort by the given order; stable, O(n log n), without memory. */
extern void ga_list_sort(ga_list *list, bool (*before)(const ga_link *a, const ga_link *b));

#endif /* GA_LIST_H */
