/*-------------------------------------------------------------------------
 *
 * sites.c
 *	  See sites.h.
 *
 * Samples begin and end in the midst of palloc, pfree and resets, wherever that may
 * be: nothing here allocates from a context, raises an error or waits.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/backend_status.h"

#include "backend/process/hooks.h"
#include "backend/profile/sites.h"
#include "mcxt/adopt.h"
#include "mcxt/foreign_text.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_trace.h"

#define NUM_CHAINS 1024

static ga_fixed site_structs;
static Site *chains[NUM_CHAINS];
static Site *sites[MAX_SITES]; /* in the order in which they were first seen */
static int num_sites = 0;
static Site others; /* the site of all for which there was no room */

static Site *changed = NULL;
void (*sites_changed)(void) = NULL;

/*
 * AssignProfileRate
 *		With compute_query_id = auto, the server computes identifiers of queries if it is
 *		asked to.
 */
void
AssignProfileRate(int newval, void *extra)
{
	if (newval > 0)
		EnableQueryId();
	AdoptProfile(newval > 0);
	if (newval > 0)
		PlainContextsWatchGrowth();
	ProcessHeapSettingsChanged();
}

/*
 * site_key
 *		Fill the key of a site for an allocation in an arena.
 */
static void
site_key(Site *site, const ga_arena *arena)
{
	MemoryContext context = ArenaSetOf(arena)->context;
	int context_flags;

	memset(&site->key, 0, sizeof(site->key));
	site->key.query_id = (int64) pgstat_get_my_query_id();
	site->key.database = MyDatabaseId;
	GetUserIdAndSecContext(&site->key.role, &context_flags);
	site->key.depth = (uint64) StackTraceTake(site->key.stack, SITE_STACK_DEPTH);
	for (int i = 0; context != NULL && i < SITE_NAMES; i++)
	{
		site->key.names[i] = ForeignNameKeep(context->name);
		context = context->parent;
	}
}

static Site **
site_chain(const Site *site)
{
	uint64 hash = (uint64) site->key.query_id + (uintptr_t) site->key.names[0];

	for (uint64 i = 0; i < site->key.depth; i++)
		hash = (hash ^ site->key.stack[i]) * UINT64CONST(0x9e3779b97f4a7c15);
	return &chains[(hash >> 32) % NUM_CHAINS];
}

/*
 * site_add
 *		One more site, or the one for all others.
 */
static Site *
site_add(const Site *like, Site **chain)
{
	Site *site;

	if (site_structs.metadata == NULL)
		ga_fixed_init(&site_structs, &process_heap.metadata, sizeof(Site));
	if (num_sites == MAX_SITES || (site = ga_fixed_alloc(&site_structs)) == NULL)
		return &others;
	*site = *like;
	site->next = *chain;
	*chain = site;
	sites[num_sites++] = site;
	return site;
}

static void
site_note_change(Site *site)
{
	if (site->changed)
		return;
	if (changed == NULL && sites_changed != NULL)
		sites_changed();
	site->changed = true;
	site->next_changed = changed;
	changed = site;
}

void *
SitesBegun(ga_arena *arena, size_t bytes, double weight)
{
	static Site wanted;
	Site **chain;
	Site *site;

	site_key(&wanted, arena);
	chain = site_chain(&wanted);
	for (site = *chain; site != NULL; site = site->next)
		if (memcmp(&site->key, &wanted.key, sizeof(wanted.key)) == 0)
			break;
	if (site == NULL)
		site = site_add(&wanted, chain);
	site->figures.samples++;
	site->figures.live_samples++;
	site->figures.objects += weight;
	site->figures.live_objects += weight;
	site->figures.bytes += weight * (double) bytes;
	site->figures.live_bytes += weight * (double) bytes;
	site_note_change(site);
	return site;
}

/*
 * SitesEnded
 *		When no sample of a site lives, the sums are set to 0: what rounding has left of them must
 *		not show.
 */
void
SitesEnded(void *data, size_t bytes, double weight)
{
	Site *site = data;

	site->figures.live_objects -= weight;
	site->figures.live_bytes -= weight * (double) bytes;
	if (--site->figures.live_samples == 0)
		site->figures.live_objects = site->figures.live_bytes = 0.0;
	site_note_change(site);
}

int
SitesCount(void)
{
	return num_sites + 1;
}

Site *
SitesGet(int number)
{
	return number < num_sites ? sites[number] : &others;
}

Site *
SitesTakeChanged(void)
{
	Site *taken = changed;

	changed = NULL;
	for (Site *site = taken; site != NULL; site = site->next_changed)
		site->changed = false;
	return taken;
}

uint64
SitesLost(void)
{
	return process_heap.profile.lost;
}

uint64
SitesLive(void)
{
	return process_heap.profile.live;
}
