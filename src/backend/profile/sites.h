/*-------------------------------------------------------------------------
 *
 * sites.h
 *	  The heap profile of this process: where in the code memory is allocated, and for
 *	  what.
 *
 * A site is a call stack with the memory context and its parents, the query, the
 * database and the user.  The engine takes samples of allocations (engine/profile.h)
 * and says which of them live; the sums are kept here for each site.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SITES_H
#define GOARENA_SITES_H

#include "postgres.h"

#include "utils/guc.h"

#include "engine/arena.h"
#include "mcxt/arena_set.h"

/* The innermost frames of a stack that are kept. */
#define SITE_STACK_DEPTH 64

/* More sites than these of one process, of 750 bytes each, are added up in one. */
#define MAX_SITES 4096

/* Names of a context and of its parents. */
#define SITE_NAMES (ARENA_PARENTS + 1)

/* What samples of a site are, and what objects and bytes they stand for. */
typedef struct SiteFigures
{
	uint64 live_samples; /* not yet freed */
	uint64 samples;
	double live_objects;
	double live_bytes;
	double objects;
	double bytes;
} SiteFigures;

typedef struct Site
{
	/* What makes it one; compared byte by byte. */
	struct
	{
		int64 query_id;
		Oid database;
		Oid role;
		uint64 depth;
		uintptr_t stack[SITE_STACK_DEPTH]; /* return addresses, the innermost first */
		const char *names[SITE_NAMES]; /* the context's first, up to NULL; see ForeignNameKeep */
	} key;
	struct Site *next; /* in a chain of the table */
	SiteFigures figures;

	/* For profile_table.c, which shows it to others. */
	SiteFigures published;
	bool changed;			   /* since it was published; then it is in a list */
	struct Site *next_changed; /* in it */
	uint64 generation;		   /* of the table that it has a row in, or none */
	int row;
} Site;

/* The assign hook of goarena.profile_rate. */
extern void AssignProfileRate(int newval, void *extra);

/* See ga_profile. */
extern void *SitesBegun(ga_arena *arena, size_t bytes, double weight);
extern void SitesEnded(void *site, size_t bytes, double weight);

/* Sites of this process; the last one is that of all there was no room for. */
extern int SitesCount(void);
extern Site *SitesGet(int number);

/* Have a function called when a sample begins or ends and none did since SitesTakeChanged. */
extern void (*sites_changed)(void);

/* Take the sites that have changed, linked by next_changed. */
extern Site *SitesTakeChanged(void);

/* Samples without memory, and live ones, of this process. */
extern uint64 SitesLost(void);
extern uint64 SitesLive(void);

#endif /* GOARENA_SITES_H */
