/*-------------------------------------------------------------------------
 *
 * patterns.c
 *	  goarena.contexts: which memory contexts become arenas.
 *
 * The setting is a list of globs on context names, separated by commas: "*"
 * stands for any characters, "?" for one, a leading "!" excludes, and a
 * trailing "/" takes in everything below the context as well.  The first
 * pattern that matches decides; a context that none matches is left alone.
 *
 * Each life of a context asks at its first allocation, which happens dozens of times a query, so
 * matching must be cheap.  Context names are constant strings.  So a small cache, by the address of
 * the name, knows which patterns match a name.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/memnodes.h"

#include "mcxt/compat.h"
#include "mcxt/foreign_text.h"
#include "mcxt/hot.h"
#include "mcxt/patterns.h"

#define MAX_PATTERNS 64
#define CACHE_BITS	 8
#define CACHE_SIZE	 (1 << CACHE_BITS)

/*
 * "Below" means at most this many levels below.  Only subtransactions nest deeper, and to look all
 * the way up for each of them would take time with the square of their number.
 */
#define MAX_ANCESTORS 128

typedef struct ContextPattern
{
	const char *glob; /* into PatternList.text, without "!" and "/" */
	bool exclude;
} ContextPattern;

typedef struct PatternList
{
	int count;
	uint64 subtrees;  /* bit for each pattern that ends in "/" */
	uint64 including; /* for each without "!" */
	uint64 naming;	  /* for each of these that is not "*" */
	ContextPattern patterns[MAX_PATTERNS];
	char text[FLEXIBLE_ARRAY_MEMBER]; /* the setting, cut at the commas */
} PatternList;

typedef struct CachedName
{
	const char *name;
	uint64 matches; /* bit for each pattern that matches the name */
} CachedName;

char *goarena_contexts;
HOT_DATA bool context_patterns_none = true;
HOT_DATA uint32 context_patterns_version = 0;

static PatternList *patterns;
static int star_names = 0; /* reasons, see ContextPatternsNameAll */
static CachedName cache[CACHE_SIZE];

/*
 * pattern_matches
 *		"*" backtracks to its last occurrence only, which suffices for globs.
 */
static bool
pattern_matches(const char *glob, const char *name)
{
	const char *star = NULL;
	const char *resume = NULL;

	while (*name != '\0')
	{
		if (*glob == '*')
		{
			star = glob++;
			resume = name;
		}
		else if (*glob == '?' || *glob == *name)
		{
			glob++;
			name++;
		}
		else if (star != NULL)
		{
			glob = star + 1;
			name = ++resume;
		}
		else
			return false;
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

/*
 * pattern_parse
 *		Parse one element of the list in place.  Returns what is wrong with it,
 *		or NULL.
 */
static const char *
pattern_parse(char *element, PatternList *list)
{
	ContextPattern *pattern = &list->patterns[list->count];
	size_t length;

	if (list->count == MAX_PATTERNS)
		return "There are more than 64 patterns.";

	while (isspace((unsigned char) *element))
		element++;
	length = strlen(element);
	while (length > 0 && isspace((unsigned char) element[length - 1]))
		element[--length] = '\0';

	if (*element == '!')
	{
		pattern->exclude = true;
		element++;
		length--;
	}
	if (length > 0 && element[length - 1] == '/')
	{
		list->subtrees |= UINT64CONST(1) << list->count;
		element[--length] = '\0';
	}
	if (length == 0)
		return "A pattern is empty.";
	if (strchr(element, '/') != NULL)
		return "\"/\" may only end a pattern.";
	if (strchr(element, '!') != NULL)
		return "\"!\" may only begin a pattern.";
	pattern->glob = element;
	if (!pattern->exclude)
	{
		list->including |= UINT64CONST(1) << list->count;
		if (strcmp(element, "*") != 0)
			list->naming |= UINT64CONST(1) << list->count;
	}
	list->count++;
	return NULL;
}

bool
CheckContextPatterns(char **newval, void **extra, GucSource source)
{
	size_t length = strlen(*newval);
	PatternList *list = GucAlloc(offsetof(PatternList, text) + length + 1);
	const char *wrong = NULL;
	char *element;

	if (list == NULL)
		return false;
	memset(list, 0, offsetof(PatternList, text));
	memcpy(list->text, *newval, length + 1);

	/* An empty setting is allowed: it adopts nothing. */
	element = list->text;
	if (strspn(element, " \t\n") == length)
		element = NULL;
	while (element != NULL && wrong == NULL)
	{
		char *comma = strchr(element, ',');

		if (comma != NULL)
			*comma++ = '\0';
		wrong = pattern_parse(element, list);
		element = comma;
	}
	if (wrong != NULL)
	{
		GucFree(list);
		GUC_check_errdetail("%s", wrong);
		GUC_check_errhint("Give a comma-separated list of context names; \"*\" and \"?\" are "
						  "wildcards, a leading \"!\" excludes, a trailing \"/\" takes in "
						  "everything below the context.");
		return false;
	}
	*extra = list;
	return true;
}

void
AssignContextPatterns(const char *newval, void *extra)
{
	patterns = extra;
	context_patterns_version++;
	context_patterns_none = patterns->including == 0;
	memset(cache, 0, sizeof(cache));
}

void
ContextPatternsNameAll(int reason, bool on)
{
	int reasons = on ? star_names | reason : star_names & ~reason;

	if (reasons == star_names)
		return;
	star_names = reasons;
	context_patterns_version++;
}

/*
 * pattern_matches_in
 *		Find the patterns of a list that match a name, as bits.  The name may lie in the context
 *		that was just reset, so it is read as foreign_text.h does.
 */
static uint64
pattern_matches_in(const PatternList *list, const char *name)
{
	char copy[CONTEXT_NAME_LENGTH];
	const char *text = name;
	uint64 matches = 0;

	if (!ForeignTextIsConstant(name))
		text = ForeignNameCopy(copy, name, sizeof(copy));
	for (int i = 0; i < list->count; i++)
		if (pattern_matches(list->patterns[i].glob, text))
			matches |= UINT64CONST(1) << i;
	return matches;
}

/*
 * pattern_cache_name
 *		Put a name into a place of the cache.
 */
static pg_noinline void
pattern_cache_name(CachedName *cached, const char *name)
{
	cached->name = name;
	cached->matches = pattern_matches_in(patterns, name);
}

/*
 * pattern_matches_of_name
 *		Find the patterns that match a name itself, as bits, in the cache.
 */
static inline uint64
pattern_matches_of_name(const char *name)
{
	/* Fibonacci hashing: names lie close to each other. */
	CachedName *cached =
		&cache[(uintptr_t) name * UINT64CONST(0x9e3779b97f4a7c15) >> (64 - CACHE_BITS)];

	if (unlikely(cached->name != name))
		pattern_cache_name(cached, name);
	return cached->matches;
}

PatternsSay
ContextPatternsSay(MemoryContext context)
{
	uint64 matches = pattern_matches_of_name(context->name);

	if (patterns->subtrees != 0)
	{
		uint64 above = 0;

		int steps = 0;

		for (MemoryContext up = context->parent; up != NULL && steps < MAX_ANCESTORS;
			 up = up->parent, steps++)
			above |= pattern_matches_of_name(up->name);
		matches |= above & patterns->subtrees;
	}
	if (matches == 0 || patterns->patterns[__builtin_ctzll(matches)].exclude)
		return PATTERNS_LEAVE;
	return star_names != 0 || (matches & -matches & patterns->naming) != 0 ? PATTERNS_NAME
																		   : PATTERNS_TAKE_IN;
}

/*
 * PatternListMatches
 *		Uses no cache, since it is for settings that cost much more than a search.
 */
bool
PatternListMatches(const PatternList *list, MemoryContext context)
{
	uint64 matches = pattern_matches_in(list, context->name);
	int steps = 0;

	for (MemoryContext up = context->parent;
		 list->subtrees != 0 && up != NULL && steps < MAX_ANCESTORS; up = up->parent, steps++)
		matches |= pattern_matches_in(list, up->name) & list->subtrees;
	return matches != 0 && !list->patterns[__builtin_ctzll(matches)].exclude;
}
