/*-------------------------------------------------------------------------
 *
 * goarena.h
 *	  The C interface of goarena for other extensions.
 *
 * Include this file after postgres.h.  Nothing needs to be linked: the
 * functions are found at run time, whatever the order in which libraries are
 * loaded, and where goarena is not loaded they fall back to what the server
 * has.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_H
#define GOARENA_H

#include "fmgr.h"
#include "utils/memutils.h"

/* Incremented when a member is added at the end; members never go away. */
#define GOARENA_API_VERSION 1

typedef struct GoarenaApi
{
	int version; /* GOARENA_API_VERSION of the loaded library */
	MemoryContext (*context_create)(MemoryContext parent, const char *name);
	bool (*is_arena)(MemoryContext context);
} GoarenaApi;

/*
 * GoarenaGetApi
 *		The interface of the loaded library, or NULL if there is none.
 */
static inline const GoarenaApi *
GoarenaGetApi(void)
{
	return *(const GoarenaApi **) find_rendezvous_variable("goarena_api");
}

/*
 * GoarenaContextCreate
 *		Create a memory context that is an arena from birth, whatever
 *		goarena.enabled and goarena.contexts say.
 *
 * parent: parent context, or NULL for a top-level context
 * name: a string constant; it is not copied
 *
 * Whether the arena is quarantined follows goarena.quarantine and
 * goarena.quarantine_sample_rate.  Where goarena is not loaded, the result is
 * an AllocSet context with default sizes.  Raises ERRCODE_OUT_OF_MEMORY.
 *
 * After Go's arena.NewArena; delete the context to free the arena.
 */
static inline MemoryContext
GoarenaContextCreate(MemoryContext parent, const char *name)
{
	const GoarenaApi *api = GoarenaGetApi();

	if (api != NULL)
		return api->context_create(parent, name);
	return AllocSetContextCreateInternal(parent, name, ALLOCSET_DEFAULT_SIZES);
}

/*
 * GoarenaIsArena
 *		Is the context an arena at the moment?
 */
static inline bool
GoarenaIsArena(MemoryContext context)
{
	const GoarenaApi *api = GoarenaGetApi();

	return api != NULL && api->is_arena(context);
}

#endif /* GOARENA_H */
