/*-------------------------------------------------------------------------
 *
 * usage_plain.h
 *	  What contexts that are no arenas hold.
 *
 * Their memory comes from malloc, and no code of goarena runs when they take it.  So they are walked
 * over and added up now and then.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_USAGE_PLAIN_H
#define GOARENA_USAGE_PLAIN_H

#include "postgres.h"

/* Walk over all contexts, and add up what those hold that are no arenas. */
extern void UsageMeasurePlain(void);

/*
 * The same, but contexts that do not belong to statements are walked over for a fiftieth of the time
 * at most: those of the caches, for example.  If the statements have many contexts, this holds for
 * theirs, too: fast statements are measured now and then, slow ones each.
 */
extern void UsageMeasurePlainIfCheap(void);

/*
 * A context that is no arena and holds this many bytes is reset or deleted; listed says whether it
 * is still in the tree of contexts.  See ProcessHeapCallbacks.
 */
extern void UsagePlainLeave(Size bytes, bool listed);

/* Bytes that they took and that a limit may still refuse: these do not count yet. */
extern Size usage_undecided;

/* Called, unless it is NULL, when they were found to hold something else than before. */
extern void (*usage_plain_changed)(void);

#endif /* GOARENA_USAGE_PLAIN_H */
