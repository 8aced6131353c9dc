/*-------------------------------------------------------------------------
 *
 * adopt.h
 *	  Making the server's own memory contexts into arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ADOPT_H
#define GOARENA_ADOPT_H

#include "postgres.h"

#include "nodes/memnodes.h"

/*
 * Begin to adopt contexts.  preloaded says that no session has begun yet.
 * Returns NULL, or, with the server left as it was, what is not as expected
 * (a translatable sentence for errdetail).
 */
extern const char *AdoptStart(bool preloaded);

/* Are contexts being adopted in this process or its children? */
extern bool AdoptActive(void);

/*
 * Create a context that is an arena from birth.
 *
 * parent: parent context, or NULL for a top-level context
 * name: must be a constant string
 *
 * Raises ERRCODE_OUT_OF_MEMORY if there is no memory for it.
 */
extern MemoryContext AdoptCreate(MemoryContext parent, const char *name);

/* The methods that an AllocSet context has when it is not an arena. */
extern const MemoryContextMethods *AdoptOrigin(MemoryContext context);

/*
 * Begin, or end, to count for a heap profile what contexts allocate that are expected to stay small.
 * Such a context remains an AllocSet until it allocates a sample.
 */
extern void AdoptProfile(bool on);

/*
 * To be called, while there is a heap profile, when AllocSet's realloc has made an object grow to
 * size bytes.  Returns the object, or, if it is a sample, the one that takes its place.
 */
extern void *AdoptProfileGrown(MemoryContext context, void *object, Size size);

/* Let these contexts use other alloc and realloc methods from now on. */
extern void AdoptInterpose(const MemoryContextMethods *methods);

#endif /* GOARENA_ADOPT_H */
