/*-------------------------------------------------------------------------
 *
 * list.c
 *	  The one operation on lists that is too long to be inline.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "list.h"

/*
 * list_merge
 *		Merge two sorted, NULL-terminated chains that are linked through next.
 */
static ga_link *
list_merge(ga_link *a, ga_link *b, bool (*before)(const ga_link *, const ga_link *))
{
	ga_link head;
	ga_link *tail = &head;

	while (a != NULL && b != NULL)
	{
		ga_link **smaller = before(b, a) ? &b : &a;

		tail->next = *smaller;
		tail = *smaller;
		*smaller = (*smaller)->next;
	}
	tail->next = a != NULL ? a : b;
	return head.next;
}

/*
 * ga_list_sort
 *		Bottom-up merge sort: slot i holds a sorted chain of 2^i elements.
 */
void
ga_list_sort(ga_list *list, bool (*before)(const ga_link *a, const ga_link *b))
{
	ga_link *slots[48] = {NULL};
	ga_link *chain = NULL;
	ga_link *prev = &list->head;
	ga_link *next;

	if (list->count < 2)
		return;

	list->head.prev->next = NULL;
	for (ga_link *link = list->head.next; link != NULL; link = next)
	{
		int i = 0;

		next = link->next;
		link->next = NULL;
		for (chain = link; slots[i] != NULL; i++)
		{
			chain = list_merge(slots[i], chain, before);
			slots[i] = NULL;
		}
		slots[i] = chain;
	}

	chain = NULL;
	for (int i = 0; i < 48; i++)
		if (slots[i] != NULL)
			chain = list_merge(slots[i], chain, before);

	for (ga_link *link = chain; link != NULL; link = link->next)
	{
		prev->next = link;
		link->prev = prev;
		prev = link;
	}
	prev->next = &list->head;
	list->head.prev = prev;
}
