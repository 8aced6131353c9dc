/*-------------------------------------------------------------------------
 *
 * view.h
 *	  Memory of which it is known that it can be read: a range of addresses, and
 *	  where their contents are.
 *
 * The contents may lie at these addresses or in a copy.  Whoever follows
 * pointers that may be anything reads through a view alone.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_VIEW_H
#define GA_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ga_view
{
	uintptr_t low;	  /* first address */
	uintptr_t high;	  /* behind the last one */
	const char *data; /* contents of low */
} ga_view;

/* Memory as it lies there. */
static inline ga_view
ga_view_of(uintptr_t low, uintptr_t high)
{
	return (ga_view){low, high, (const char *) low};
}

/* Are all of these bytes in the view?  Any address and size may be asked for. */
static inline bool
ga_view_has(const ga_view *view, uintptr_t address, size_t size)
{
	return address >= view->low && address <= view->high && view->high - address >= size;
}

static inline bool
ga_view_read(const ga_view *view, uintptr_t address, void *to, size_t size)
{
	if (!ga_view_has(view, address, size))
		return false;
	memcpy(to, view->data + (address - view->low), size);
	return true;
}

/* A word at an aligned address. */
static inline bool
ga_view_word(const ga_view *view, uintptr_t address, uintptr_t *word)
{
	return address % sizeof(*word) == 0 && ga_view_read(view, address, word, sizeof(*word));
}

#endif /* GA_VIEW_H */
