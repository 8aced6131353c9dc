/*-------------------------------------------------------------------------
 *
 * view.h
 *	  A view: a range of addresses whose memory can be read, and where its contents are.
 *
 * The contents are at these addresses, or in a copy.  Code that follows pointers which may be
 * anything reads through a view alone.
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

/* A view of memory where it lies. */
static inline ga_view
ga_view_of(uintptr_t low, uintptr_t high)
{
	return (ga_view){low, high, (const char *) low};
}

/* Are size bytes at an address in the view?  Any address and size may be asked for. */
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

/* Read a word.  False if the address is not aligned, or the word is not in the view. */
static inline bool
ga_view_word(const ga_view *view, uintptr_t address, uintptr_t *word)
{
	return address % sizeof(*word) == 0 && ga_view_read(view, address, word, sizeof(*word));
}

#endif /* GA_VIEW_H */
