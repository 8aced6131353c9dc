/*-------------------------------------------------------------------------
 *
 * debug.c
 *	  goarena.debug: checks that cost much, for those who look for a bug.
 *
 * After Go's GODEBUG variables clobberfree, efence, gccheckmark and allocfreetrace
 * (runtime, extern.go).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mcxt/compat.h"
#include "mcxt/debug.h"
#include "mcxt/patterns.h"

char *goarena_debug;
char *goarena_debug_contexts;
int goarena_allocation_stacks = ALLOCATION_STACKS_STRICT;

unsigned debug_checks = 0;
static const struct PatternList *debug_contexts = NULL;

typedef struct DebugWord
{
	const char *word;
	unsigned check;
} DebugWord;

static const DebugWord debug_words[] = {
	{"clobber", DEBUG_CLOBBER},
	{"efence", DEBUG_EFENCE},
	{"checkmark", DEBUG_CHECKMARK},
	{"alloctrace", DEBUG_ALLOCTRACE},
};

/*
 * debug_word
 *		Return the check that a word of the list stands for, or 0.
 */
static unsigned
debug_word(const char *word, size_t length)
{
	for (int i = 0; i < lengthof(debug_words); i++)
		if (strlen(debug_words[i].word) == length &&
			pg_strncasecmp(word, debug_words[i].word, length) == 0)
			return debug_words[i].check;
	return 0;
}

bool
CheckDebug(char **newval, void **extra, GucSource source)
{
	static const char separators[] = ", \t\n";
	const char *at = *newval + strspn(*newval, separators);
	unsigned checks = 0;
	unsigned *result;

	while (*at != '\0')
	{
		size_t length = strcspn(at, separators);
		unsigned check = debug_word(at, length);

		if (check == 0)
		{
			GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
			GUC_check_errdetail("\"%.*s\" is no check.", (int) Min(length, NAMEDATALEN), at);
			GUC_check_errhint("Give a list of the words \"clobber\", \"efence\", \"checkmark\" and "
							  "\"alloctrace\", separated by commas, or nothing.");
			return false;
		}
		checks |= check;
		at += length;
		at += strspn(at, separators);
	}
	result = GucAlloc(sizeof(*result));
	if (result == NULL)
		return false;
	*result = checks;
	*extra = result;
	return true;
}

/*
 * AssignDebug
 *		Contexts that a check looks at have to be arenas, however small they are.
 */
void
AssignDebug(const char *newval, void *extra)
{
	debug_checks = *(const unsigned *) extra;
	ContextPatternsNameAll(NAME_ALL_FOR_DEBUG, (debug_checks & DEBUG_OF_LIVES) != 0);
}

void
AssignDebugContexts(const char *newval, void *extra)
{
	debug_contexts = extra;
}

unsigned
DebugCareful(MemoryContext context)
{
	unsigned careful = (debug_checks & DEBUG_CLOBBER) != 0 ? GA_CAREFUL_CLOBBER : 0;

	if ((debug_checks & (DEBUG_EFENCE | DEBUG_ALLOCTRACE)) == 0 ||
		!PatternListMatches(debug_contexts, context))
		return careful;
	if ((debug_checks & DEBUG_EFENCE) != 0)
		careful |= GA_CAREFUL_FENCE;
	if ((debug_checks & DEBUG_ALLOCTRACE) != 0)
		careful |= GA_CAREFUL_WATCH;
	return careful;
}
