/*-------------------------------------------------------------------------
 *
 * debug.h
 *	  goarena.debug: checks that cost much, for those who look for a bug.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DEBUG_H
#define GOARENA_DEBUG_H

#include "postgres.h"

#include "utils/guc.h"

#include "engine/careful.h"
#include "mcxt/process_heap.h"

/* The words of goarena.debug, in bits. */
#define DEBUG_CLOBBER	 1u /* what is freed is filled with poison */
#define DEBUG_EFENCE	 2u /* objects have pages of their own */
#define DEBUG_CHECKMARK	 4u /* sweeps are done twice and compared */
#define DEBUG_ALLOCTRACE 8u /* allocations and frees are logged */

/* The checks that are decided for each life of a context. */
#define DEBUG_OF_LIVES (DEBUG_CLOBBER | DEBUG_EFENCE | DEBUG_ALLOCTRACE)

/* Values of goarena.allocation_stacks */
enum
{
	ALLOCATION_STACKS_OFF,
	ALLOCATION_STACKS_STRICT, /* while goarena.quarantine is strict, or with efence */
	ALLOCATION_STACKS_ON	  /* of all objects in quarantined arenas */
};

/* GUC variables and hooks. */
extern char *goarena_debug;
extern char *goarena_debug_contexts;
extern int goarena_allocation_stacks;
extern bool CheckDebug(char **newval, void **extra, GucSource source);
extern void AssignDebug(const char *newval, void *extra);
extern void AssignDebugContexts(const char *newval, void *extra);

/* What goarena.debug says. */
extern unsigned debug_checks;

/*
 * Which GA_CAREFUL_ bits, without GA_CAREFUL_STACK, does goarena.debug ask for in a life that
 * begins now?
 */
extern unsigned DebugCareful(MemoryContext context);

/* Are the stacks of allocations kept in arenas with this mode of quarantine? */
static inline bool
DebugKeepsStacks(ga_quarantine mode)
{
	if (mode == GA_QUARANTINE_OFF || goarena_allocation_stacks == ALLOCATION_STACKS_OFF)
		return false;
	return goarena_quarantine == GA_QUARANTINE_STRICT || (debug_checks & DEBUG_EFENCE) != 0 ||
		   goarena_allocation_stacks == ALLOCATION_STACKS_ON;
}

#endif /* GOARENA_DEBUG_H */
