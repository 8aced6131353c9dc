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

#include "mcxt/hot.h"

/* GUC variable and hooks. */
extern char *goarena_contexts;
extern bool CheckContextPatterns(char **newval, void **extra, GucSource source);
extern void AssignContextPatterns(const char *newval, void *extra);

/* What the patterns say of a context. */
typedef enum PatternsSay
{
	PATTERNS_LEAVE,	  /* it is to be left alone */
	PATTERNS_TAKE_IN, /* it is taken in with all others, by "*" */
	PATTERNS_NAME	  /* its name, or that of a context above, was given */
} PatternsSay;

/* What do the patterns say of a context with the parents that it has now? */
extern PatternsSay ContextPatternsSay(MemoryContext context);

/* Do they say PATTERNS_LEAVE of every context? */
HOT_EXTERN bool context_patterns_none;

/* Settings that ask for each allocation to be seen. */
#define NAME_ALL_FOR_STATEMENTS 0x01
#define NAME_ALL_FOR_EXPLAIN	0x02
#define NAME_ALL_FOR_DEBUG		0x04

/*
 * Switch one of these reasons on or off.  As long as one is on, "*" counts as naming contexts, so
 * that all of them are arenas from birth.
 */
extern void ContextPatternsNameAll(int reason, bool on);

/* Does a list, as CheckContextPatterns makes it of a setting, take in a context? */
struct PatternList;
extern bool PatternListMatches(const struct PatternList *list, MemoryContext context);

/* A number that is another one, and not 0, whenever the patterns change. */
HOT_EXTERN uint32 context_patterns_version;

#endif /* GOARENA_PATTERNS_H */
