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

#include "utils/memutils.h"

#include "mcxt/context_sites.h"

ContextSite context_sites[1 << SITE_BITS];

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

	if (!ContextSiteIsUnwatched(site))
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
	for (int i = 0; i < lengthof(context_sites); i++)
	{
		context_sites[i].methods = *methods;
		site_choose_alloc(&context_sites[i]);
	}
}

void
ContextSitesProfile(bool on)
{
	sites_profiled = on;
	for (int i = 0; i < lengthof(context_sites); i++)
		site_choose_alloc(&context_sites[i]);
}

void
ContextSitesInterpose(const MemoryContextMethods *methods)
{
	unwatched_methods.alloc = methods->alloc;
	unwatched_methods.realloc = methods->realloc;
	for (int i = 0; i < lengthof(context_sites); i++)
	{
		context_sites[i].methods.realloc = methods->realloc;
		site_choose_alloc(&context_sites[i]);
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
 * site_expects_small
 *		Statements have contexts of AllocSet's default sizes for what may become large.  A session has
 *		them for tables that stay small, and for as long as it lives.
 */
static bool
site_expects_small(MemoryContext context)
{
	return context->mem_allocated < EXPECTED_SMALL || context->parent == TopMemoryContext;
}

/* Contexts of the site that was here before keep its methods, which are the same. */
void
ContextSiteBegin(ContextSite *site, MemoryContext context)
{
	site->name = context->name;
	site->parent = context->parent == NULL ? NULL : context->parent->name;
	ContextSiteWatch(site);
	site->patterns = 0;
	site->small_lives = SMALL_LIVES - (site_expects_small(context) ? 0 : 1);
}
