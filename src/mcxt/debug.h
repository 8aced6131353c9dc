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

/* Those that are decided for each life of a context. */
#define DEBUG_OF_LIVES (DEBUG_CLOBBER | DEBUG_EFENCE | DEBUG_ALLOCTRACE)

/* Values of goarena.allocation_stacks */
enum
{
	ALLOCATION_STACKS_OFF,
	ALLOCATION_STACKS_SAMPLE, /* of objects in arenas of a sample */
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

/* What it makes of a life that begins in a context: GA_CAREFUL_..., without GA_CAREFUL_STACK. */
extern unsigned DebugCareful(MemoryContext context);

/* Do objects of arenas that are quarantined in this way have stacks of their allocation? */
static inline bool
DebugKeepsStacks(ga_quarantine mode)
{
	if (mode == GA_QUARANTINE_OFF || goarena_allocation_stacks == ALLOCATION_STACKS_OFF)
		return false;
	return goarena_sample_rate < 1 || goarena_allocation_stacks == ALLOCATION_STACKS_ON;
}

#endif /* GOARENA_DEBUG_H */
