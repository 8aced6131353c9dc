/*-------------------------------------------------------------------------
 *
 * fault_advice.c
 *	  Advice in a report for the author of the code that it is about.
 *
 * The reader of a report sees what was freed, but often not why: the server resets many contexts at
 * moments that the author's code does not show.  The advice goes by the names of these contexts,
 * which are the server's own.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/faults/fault_advice.h"

typedef struct Advice
{
	const char *context;
	const char *text;
} Advice;

#define OF_TRANSACTION                                                                             \
	"It was memory of a transaction or subtransaction that has ended.  Forget pointers to it in "  \
	"a transaction callback, or keep the data in a context below TopMemoryContext."
#define OF_PORTAL "It was memory of a cursor or statement that has been closed."
#define OF_RELATION                                                                                \
	"Entries of the relation cache are built anew when invalidations arrive.  Open the relation "  \
	"while it is used, and copy what is kept."
#define OF_SPI                                                                                     \
	"Memory of SPI goes with SPI_finish, rows with SPI_freetuptable.  Copy results before, with "  \
	"SPI_copytuple, or with datumCopy in another context."

static const Advice of_contexts[] = {
	{"ExprContext",
	 "It was memory for one row.  State that lives longer belongs in fn_mcxt, or in the context of "
	 "AggCheckCallContext."},
	{"SPI Proc", OF_SPI},
	{"SPI Exec", OF_SPI},
	{"SPI TupTable", OF_SPI},
	{"SPI Plan", "A plan of SPI goes with SPI_finish, unless SPI_keepplan was called, or with "
				 "SPI_freeplan."},
	{"CachedPlan", "A cached plan may be replaced once ReleaseCachedPlan was called."},
	{"TopTransactionContext", OF_TRANSACTION},
	{"CurTransactionContext", OF_TRANSACTION},
	{"MessageContext",
	 "It was memory for one message of the client: trees of a statement are gone with the next "
	 "message.  Copy them with copyObject."},
	{"PortalContext", OF_PORTAL},
	{"PortalHoldContext", OF_PORTAL},
	{"ExecutorState", "It was memory of the execution of one query, which ends with ExecutorEnd."},
	{"ErrorContext",
	 "It was memory of an error, which goes with FlushErrorState.  Switch to another context before "
	 "CopyErrorData, and use the copy."},
	{"index info", OF_RELATION},
	{"relation rules", OF_RELATION},
	{"partition descriptor", OF_RELATION},
	{"partition key", OF_RELATION},
};

const char *
FaultAdvice(const char *context, ga_freed_by how)
{
	if (how == GA_FREED_BY_PFREE || how == GA_FREED_BY_REPALLOC)
		return "The object was freed by itself.  Whoever frees or enlarges it must forget all "
			   "pointers to it.";
	for (int i = 0; i < lengthof(of_contexts); i++)
	{
		if (strcmp(context, of_contexts[i].context) == 0)
			return of_contexts[i].text;
	}
	return "The context was reset or deleted while a pointer to its memory was kept.  Keep the "
		   "data in a context that lives as long as the pointer, or forget the pointer in a reset "
		   "callback.";
}

const char *
FaultAdviceOverrun(void)
{
	return "The object is smaller than the code takes it to be.  See where it was allocated, and "
		   "whether its size leaves room for a terminating zero, or was computed for another type.";
}

static const char *
advice_find_in_line(const char *line, const char *end, const char *what)
{
	return memmem(line, (size_t) (end - line), what, strlen(what));
}

/*
 * advice_put_function
 *		Put the name of a frame's function into a text, without an offset such as "+0x12".
 */
static void
advice_put_function(ReportText *text, const char *at, const char *end)
{
	char piece[2] = {0};

	while (at < end)
	{
		if (*at == '+' && at[1] == '0' && at[2] == 'x')
			at += 3 + strspn(at + 3, "0123456789abcdef");
		else
		{
			piece[0] = *at++;
			ReportLine(text, piece);
		}
	}
}

/*
 * advice_put_frame
 *		Put a line such as "  #1 0x7f0f2e5efa21 lookup at cache.c:62 (my_extension.so+0x2a21)"
 *		into a sentence.  False if it is of another kind: the program itself, our own
 *		library, or one of the system, which has a version behind ".so".
 */
static bool
advice_put_frame(ReportText *text, const char *line, const char *end)
{
	const char *address = advice_find_in_line(line, end, " 0x");
	const char *function = address != NULL ? advice_find_in_line(address + 1, end, " ") : NULL;
	const char *suffix = advice_find_in_line(line, end, ".so+0x");

	if (function == NULL || suffix == NULL ||
		advice_find_in_line(line, end, "(goarena.so+") != NULL)
		return false;
	ReportString(text, "  It was used in");
	advice_put_function(text, function, suffix);
	ReportString(text, ".so).");
	return true;
}

void
FaultAdviceFrame(ReportText *text, const char *stack)
{
	const char *line = strchr(stack, '\n'); /* where the heading ends */
	const char *end;

	while (line != NULL && strncmp(line, "\n  #", 4) == 0)
	{
		end = strchr(line + 1, '\n');
		if (end == NULL || advice_put_frame(text, line + 1, end))
			return;
		line = end;
	}
}
