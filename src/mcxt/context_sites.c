/*-------------------------------------------------------------------------
 *
 * context_sites.c
 *	  What is known of the places where the server creates contexts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mcxt/context_sites.h"

/* The server has some 250 names of contexts; a session sees a few dozen sites. */
#define SITE_BITS 7

static ContextSite sites[1 << SITE_BITS];

static MemoryContextMethods unwatched_methods;
static ContextSiteAllocs site_allocs;
static bool sites_profiled = false;

/*
 * site_choose_alloc
 */
static void
site_choose_alloc(ContextSite *site)
{
	const MemoryContextMethods *methods;

	if (site->small_lives < UNWATCHED_LIVES)
		methods = sites_profiled ? &site_allocs.profiled_watching : &site_allocs.watching;
	else
		methods = sites_profiled ? &site_allocs.profiled : &unwatched_methods;
	site->methods.alloc = methods->alloc;
}

void
ContextSitesStart(const MemoryContextMethods *methods, const ContextSiteAllocs *allocs)
{
	unwatched_methods = *methods;
	site_allocs = *allocs;
	for (int i = 0; i < lengthof(sites); i++)
	{
		sites[i].methods = *methods;
		site_choose_alloc(&sites[i]);
	}
}

void
ContextSitesProfile(bool on)
{
	sites_profiled = on;
	for (int i = 0; i < lengthof(sites); i++)
		site_choose_alloc(&sites[i]);
}

void
ContextSitesInterpose(const MemoryContextMethods *methods)
{
	unwatched_methods.alloc = methods->alloc;
	unwatched_methods.realloc = methods->realloc;
	for (int i = 0; i < lengthof(sites); i++)
	{
		sites[i].methods.realloc = methods->realloc;
		site_choose_alloc(&sites[i]);
	}
}

void
ContextSiteWatch(ContextSite *site)
{
	site->small_lives = 0;
	site_choose_alloc(site);
}

void
ContextSiteUnwatch(ContextSite *site)
{
	site_choose_alloc(site);
}

/*
 * site_begin
 *		Let a new site take a place in the table.  Contexts of the site that was there keep its
 *		methods, which are the same.
 */
static pg_noinline void
site_begin(ContextSite *site, MemoryContext context, const char *parent)
{
	site->name = context->name;
	site->parent = parent;
	ContextSiteWatch(site);
	site->patterns = 0;
	site->small_lives = SMALL_LIVES - (context->mem_allocated < SMALL_CONTEXT ? 0 : 1);
}

ContextSite *
ContextSiteOf(MemoryContext context)
{
	const char *name = context->name;
	const char *parent = context->parent == NULL ? NULL : context->parent->name;
	uint64 key = (uintptr_t) name * 31 + (uintptr_t) parent;
	/* Fibonacci hashing: names lie close to each other. */
	ContextSite *site = &sites[key * UINT64CONST(0x9e3779b97f4a7c15) >> (64 - SITE_BITS)];

	if (unlikely(site->name != name || site->parent != parent))
		site_begin(site, context, parent);
	return site;
}
