/*-------------------------------------------------------------------------
 *
 * patterns.h
 *	  goarena.contexts: which memory contexts become arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PATTERNS_H
#define GOARENA_PATTERNS_H

#include "postgres.h"

#include "utils/guc.h"

/* GUC variable and hooks. */
extern char *goarena_contexts;
extern bool CheckContextPatterns(char **newval, void **extra, GucSource source);
extern void AssignContextPatterns(const char *newval, void *extra);

/* Do the patterns take this context in, where it stands now? */
extern bool ContextMatchesPatterns(MemoryContext context);

#endif /* GOARENA_PATTERNS_H */
