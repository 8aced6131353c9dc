/*-------------------------------------------------------------------------
 *
 * plain_contexts.h
 *	  Limits for contexts that are no arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PLAIN_CONTEXTS_H
#define GOARENA_PLAIN_CONTEXTS_H

#include "postgres.h"

/* Called once, when contexts begin to be adopted: find the methods of all types. */
extern void PlainContextsFind(void);

/*
 * From now on, look at what contexts that are no arenas take, in this process and its children.
 * Does nothing if that is so already, or if no contexts are adopted.  If it cannot be done for a
 * type, a LOG message says so, and the type is left alone.
 */
extern void PlainContextsWatch(void);

/* The same for objects of AllocSets that grow, which a heap profile counts. */
extern void PlainContextsWatchGrowth(void);

#endif /* GOARENA_PLAIN_CONTEXTS_H */
