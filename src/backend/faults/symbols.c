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

#include "backend/faults/symbols.h"
#include "stack/code.h"

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
symbols_ignore_error(void *data, const char *message, int error)
{
}

/*
 * symbols_base_of
 *		Where the program or library is loaded that an address belongs to.
 */
static const void *
symbols_base_of(const void *address)
{
	Dl_info info;

	return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

void
SymbolsInit(void)
{
	state = backtrace_create_state(NULL, 0, symbols_ignore_error, NULL);
	program_base = symbols_base_of((const void *) palloc);
}

static void
symbols_begin_frame(SymbolsTarget *target, uintptr_t pc)
{
	ReportString(target->text, "  #");
	ReportNumber(target->text, target->count);
	ReportString(target->text, " ");
	ReportHex(target->text, pc);
	ReportString(target->text, " ");
	target->named = false;
}

/*
 * symbols_end_frame
 *		The library, and the offset in it, which addr2line understands.
 */
static void
symbols_end_frame(SymbolsTarget *target, uintptr_t pc)
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
 * symbols_put_name
 *		Callback of backtrace_syminfo: the symbol table knows the function.
 */
static void
symbols_put_name(void *data, uintptr_t pc, const char *name, uintptr_t value, uintptr_t size)
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
 * symbols_put_location
 *		Callback of backtrace_pcinfo: debug information knows the line.  Called
 *		once for each function that was inlined there.
 */
static int
symbols_put_location(void *data, uintptr_t pc, const char *file, int line, const char *function)
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
 * symbols_put_frame
 *		A return address can already belong to the next line, so the address to
 *		look up is not always the one to show.
 */
static void
symbols_put_frame(SymbolsTarget *target, uintptr_t shown, uintptr_t looked_up)
{
	symbols_begin_frame(target, shown);
	if (state != NULL)
	{
		(void) backtrace_pcinfo(state, looked_up, symbols_put_location, symbols_ignore_error,
								target);
		if (!target->named)
			(void) backtrace_syminfo(state, looked_up, symbols_put_name, symbols_ignore_error,
									 target);
	}
	if (!target->named)
		ReportString(target->text, "unknown");
	symbols_end_frame(target, shown);
}

void
SymbolsReport(ReportText *text, const uintptr_t *frames, int depth, bool exact)
{
	SymbolsTarget target = {.text = text};

	for (int i = 0; i < depth; i++)
		symbols_put_frame(&target, frames[i], exact && i == 0 ? frames[i] : frames[i] - 1);
}

/* Where a name is to be copied to. */
typedef struct SymbolsCopy
{
	char *name;
	size_t size;
	uintptr_t start;
	bool found;
} SymbolsCopy;

static void
symbols_copy_name(void *data, uintptr_t pc, const char *name, uintptr_t value, uintptr_t size)
{
	SymbolsCopy *copy = data;

	if (name == NULL)
		return;
	strlcpy(copy->name, name, copy->size);
	copy->start = value;
	copy->found = true;
}

/*
 * symbols_copy_function
 *		Callback of backtrace_pcinfo.  The last call is for the function that those
 *		before are inlined in.
 */
static int
symbols_copy_function(void *data, uintptr_t pc, const char *file, int line, const char *function)
{
	SymbolsCopy *copy = data;

	if (function != NULL)
	{
		strlcpy(copy->name, function, copy->size);
		copy->found = true;
	}
	return 0;
}

/*
 * SymbolsName
 *		The table of symbols is looked at first, since debug information takes long to
 *		read.  Where a function starts that only that knows, unwind tables say.
 */
bool
SymbolsName(uintptr_t pc, char *name, size_t size, uintptr_t *start)
{
	SymbolsCopy copy = {.name = name, .size = size};
	uintptr_t end;

	if (state != NULL)
		(void) backtrace_syminfo(state, pc, symbols_copy_name, symbols_ignore_error, &copy);
	if (state != NULL && !copy.found)
		(void) backtrace_pcinfo(state, pc, symbols_copy_function, symbols_ignore_error, &copy);
	if (copy.start == 0)
		ga_code_function(pc, &copy.start, &end);
	*start = copy.start;
	return copy.found;
}
