/*-------------------------------------------------------------------------
 *
 * symbols.c
 *	  Names for addresses of code.
 *
 * libbacktrace, which comes with gcc, is made for use in signal handlers: it
 * maps the files it reads, and allocates with mmap instead of malloc.  Names
 * of libraries come from dladdr.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <backtrace.h>
#include <dlfcn.h>

#include "backend/symbols.h"

/* What is being appended to. */
typedef struct SymbolsTarget
{
	ReportText *text;
	int count;	/* frames so far */
	bool named; /* the present address has a function */
} SymbolsTarget;

static struct backtrace_state *state;
static const void *program_base; /* where the server program is loaded */

static void
IgnoreError(void *data, const char *message, int error)
{
}

/*
 * BaseOf
 *		Where the program or library is loaded that an address belongs to.
 */
static const void *
BaseOf(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

void
SymbolsInit(void)
{
	state = backtrace_create_state(NULL, 0, IgnoreError, NULL);
	program_base = BaseOf((const void *) palloc);
}

static void
BeginFrame(SymbolsTarget *target, uintptr_t pc)
{
	ReportString(target->text, "  #");
	ReportNumber(target->text, target->count);
	ReportString(target->text, " ");
	ReportHex(target->text, pc);
	ReportString(target->text, " ");
	target->named = false;
}

/*
 * EndFrame
 *		The library, and the offset in it, which addr2line understands.
 */
static void
EndFrame(SymbolsTarget *target, uintptr_t pc)
{
	Dl_info info;

	if (dladdr((void *) pc, &info) != 0 && info.dli_fname != NULL)
	{
		const char *slash = strrchr(info.dli_fname, '/');
		const char *name = slash != NULL ? slash + 1 : info.dli_fname;

		/* The program's own name was overwritten by the title of the process. */
		ReportString(target->text, " (");
		ReportString(target->text, info.dli_fbase == program_base ? "postgres" : name);
		ReportString(target->text, "+");
		ReportHex(target->text, pc - (uintptr_t) info.dli_fbase);
		ReportString(target->text, ")");
	}
	ReportString(target->text, "\n");
	target->count++;
}

/*
 * PutSymbol
 *		Callback of backtrace_syminfo: the symbol table knows the function.
 */
static void
PutSymbol(void *data, uintptr_t pc, const char *name, uintptr_t value, uintptr_t size)
{
	SymbolsTarget *target = data;

	if (name == NULL)
		return;
	ReportString(target->text, name);
	ReportString(target->text, "+");
	ReportHex(target->text, pc - value);
	target->named = true;
}

/*
 * PutLocation
 *		Callback of backtrace_pcinfo: debug information knows the line.  Called
 *		once for each function that was inlined there.
 */
static int
PutLocation(void *data, uintptr_t pc, const char *file, int line, const char *function)
{
	SymbolsTarget *target = data;

	if (function == NULL || file == NULL)
		return 0;
	if (target->named)
		ReportString(target->text, ", ");
	ReportString(target->text, function);
	ReportString(target->text, " at ");
	ReportString(target->text, file);
	ReportString(target->text, ":");
	ReportNumber(target->text, line);
	target->named = true;
	return 0;
}

/*
 * PutFrame
 *		A return address can already belong to the next line, so the address to
 *		look up is not always the one to show.
 */
static void
PutFrame(SymbolsTarget *target, uintptr_t shown, uintptr_t looked_up)
{
	BeginFrame(target, shown);
	if (state != NULL)
	{
		(void) backtrace_pcinfo(state, looked_up, PutLocation, IgnoreError, target);
		if (!target->named)
			(void) backtrace_syminfo(state, looked_up, PutSymbol, IgnoreError, target);
	}
	if (!target->named)
		ReportString(target->text, "unknown");
	EndFrame(target, shown);
}

void
SymbolsReport(ReportText *text, const uintptr_t *frames, int depth, bool exact)
{
	SymbolsTarget target = {.text = text};

	for (int i = 0; i < depth; i++)
		PutFrame(&target, frames[i], exact && i == 0 ? frames[i] : frames[i] - 1);
}
