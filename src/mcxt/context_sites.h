/*-------------------------------------------------------------------------
 *
 * context_sites.h
 *	  What is known of the places where the server creates contexts.
 *
 * Contexts with the same name below parents with the same name form a site, and
 * tend to be alike.  Most of them never hold more than a few of AllocSet's blocks.
 * Such a context gains little from being an arena, and would pay for the set-up,
 * for a chunk, and for code that is not in the processor's caches.  So each site
 * counts how many lives of its contexts in a row were small, and contexts of a site
 * that is expected to be small stay AllocSets.  They are watched at first: one that
 * outgrows that is an arena from then on.  To watch takes some instructions for each
 * object, so it ends when a site has been small for long.  A context that then grows
 * behaves as on a server without goarena, and the next ones of its site become arenas
 * again.
 *
 * A context leads to its site through its methods: each site has a copy of
 * AllocSet's, so nothing has to be stored for the context.
 *
 * The table of sites has a fixed size, and one site may take the place of another: what a site
 * knows is only a hint.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONTEXT_SITES_H
#define GOARENA_CONTEXT_SITES_H

#include "postgres.h"

#include "nodes/memnodes.h"

#include "mcxt/hot.h"

/*
 * A context is small that holds no more than this, in bytes.  Up to there, malloc has the pages
 * that the last life gave back, as arenas have, and AllocSet's code is shorter.
 */
#define SMALL_CONTEXT ((Size) 256 << 10)

/*
 * A context is expected to be small if its first block has fewer bytes than this, or its parent is
 * TopMemoryContext.
 */
#define EXPECTED_SMALL ((Size) 8192)

/*
 * After a large life, a site is expected to be small again when SMALL_LIVES lives in a row were
 * small.  When UNWATCHED_LIVES in a row were, its contexts are no longer watched.
 */
#define SMALL_LIVES		8
#define UNWATCHED_LIVES 64

typedef struct ContextSite
{
	const char *name;			  /* of its contexts, by address: names are constant strings */
	const char *parent;			  /* name of their parents */
	uint32 patterns;			  /* the version of goarena.contexts by which "*" takes them in */
	int small_lives;			  /* in a row until now, UNWATCHED_LIVES at most */
	MemoryContextMethods methods; /* of its contexts that stay AllocSets */
} pg_attribute_aligned(64) ContextSite;

/* How contexts of sites that are expected to be small allocate; only alloc is there. */
typedef struct ContextSiteAllocs
{
	MemoryContextMethods watching;
	MemoryContextMethods profiled;			/* while there is a heap profile */
	MemoryContextMethods profiled_watching; /* both */
} ContextSiteAllocs;

/*
 * Set the methods of all sites.  The alloc of methods is for contexts that are neither watched nor
 * profiled, and allocs has those for the others.
 */
extern void ContextSitesStart(const MemoryContextMethods *methods, const ContextSiteAllocs *allocs);

/* To be called when a heap profile is switched on or off. */
extern void ContextSitesProfile(bool on);

/*
 * Let all sites use other alloc and realloc methods from now on; contexts that are watched or
 * profiled keep theirs.
 */
extern void ContextSitesInterpose(const MemoryContextMethods *methods);

/* The server has some 250 names of contexts; a session sees a few dozen sites. */
#define SITE_BITS 7

HOT_EXTERN ContextSite context_sites[1 << SITE_BITS];

/*
 * Begin a site in the place of another.  Nothing is known of it but what its first context
 * looks like; where that is not expected to be small, one life has to show it.
 */
extern void ContextSiteBegin(ContextSite *site, MemoryContext context);

/*
 * Where the site of a context is, or has to begin, that is empty and has its parent.
 * *known tells which of both.
 */
static inline ContextSite *
ContextSiteOf(MemoryContext context, bool *known)
{
	const char *name = context->name;
	const char *parent = context->parent == NULL ? NULL : context->parent->name;
	uint64 key = (uintptr_t) name * 31 + (uintptr_t) parent;
	/* Fibonacci hashing: names lie close to each other. */
	ContextSite *site = &context_sites[key * UINT64CONST(0x9e3779b97f4a7c15) >> (64 - SITE_BITS)];

	*known = site->name == name && site->parent == parent;
	return site;
}

/* The site that a context has its methods from. */
static inline ContextSite *
ContextSiteOfMethods(MemoryContext context)
{
	return (ContextSite *) ((char *) context->methods - offsetof(ContextSite, methods));
}

/* Are the site's contexts expected to stay small? */
static inline bool
ContextSiteIsSmall(const ContextSite *site)
{
	return site->small_lives >= SMALL_LIVES;
}

/* Has the site been small for so long that its contexts are not watched? */
static inline bool
ContextSiteIsUnwatched(const ContextSite *site)
{
	return site->small_lives >= UNWATCHED_LIVES;
}

/* Begin to watch the contexts of a site, after a large life; or end it, after enough small ones. */
extern void ContextSiteWatch(ContextSite *site);
extern void ContextSiteUnwatch(ContextSite *site);

/* Note that a life of a context of the site ends, and held this many bytes at its end. */
static inline void
ContextSiteNoteLife(ContextSite *site, Size bytes)
{
	if (unlikely(bytes > SMALL_CONTEXT))
		ContextSiteWatch(site);
	else if (unlikely(!ContextSiteIsUnwatched(site)) && ++site->small_lives == UNWATCHED_LIVES)
		ContextSiteUnwatch(site);
}

#endif /* GOARENA_CONTEXT_SITES_H */
