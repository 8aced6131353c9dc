/*-------------------------------------------------------------------------
 *
 * signals.c
 *	  Faults that are none of goarena's, another library's handler, and what
 *	  can be wrong with what goarena's handler needs.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "fault_test.h"

PG_FUNCTION_INFO_V1(fault_elsewhere);
PG_FUNCTION_INFO_V1(fault_probe);
PG_FUNCTION_INFO_V1(fault_alternate_stack);
PG_FUNCTION_INFO_V1(fault_bad_query_string);
PG_FUNCTION_INFO_V1(fault_limit_files);
PG_FUNCTION_INFO_V1(fault_read_on_bad_stack);

/* goarena_fault_test.handler */
typedef enum HandlerKind
{
	HANDLER_NONE,
	HANDLER_PLAIN,			/* puts the default back and returns */
	HANDLER_SMALL_STACK,	/* the same, on a stack that is enough for it */
	HANDLER_ONE_SHOT,		/* the kernel puts the default back: SA_RESETHAND */
	HANDLER_BEFORE_SIGINFO, /* as plain, but with one argument only */
} HandlerKind;

static const struct config_enum_entry handler_options[] = {
	{"none", HANDLER_NONE, false},
	{"plain", HANDLER_PLAIN, false},
	{"small stack", HANDLER_SMALL_STACK, false},
	{"one-shot", HANDLER_ONE_SHOT, false},
	{"before siginfo", HANDLER_BEFORE_SIGINFO, false},
	{NULL, 0, false},
};

#define SMALL_STACK_SIZE (16 * 1024)

static int handler_kind = HANDLER_NONE;
static sigjmp_buf probe_failed;
static volatile bool probing = false;

static void
Say(const char *text)
{
	(void) !write(STDERR_FILENO, text, strlen(text));
}

static void
HandleWithInfo(int signal_number, siginfo_t *info, void *data)
{
	static bool called = false;

	if (probing)
		siglongjmp(probe_failed, 1);
	if (called)
		(void) kill(getpid(), SIGKILL); /* not again and again for ever */
	called = true;
	if (handler_kind != HANDLER_ONE_SHOT)
		(void) signal(signal_number, SIG_DFL);
	Say("goarena_fault_test: handler called for a fault\n");
}

static void
HandleBeforeSiginfo(int signal_number)
{
	(void) signal(signal_number, SIG_DFL);
	Say("goarena_fault_test: old handler called for a fault\n");
}

/*
 * InstallSmallStack
 *		What runs over it faults.
 */
static void
InstallSmallStack(void)
{
	char *guard = mmap(NULL, 2 * SMALL_STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = {.ss_sp = guard + SMALL_STACK_SIZE, .ss_size = SMALL_STACK_SIZE};

	if (guard == MAP_FAILED || mprotect(stack.ss_sp, stack.ss_size, PROT_READ | PROT_WRITE) != 0 ||
		sigaltstack(&stack, NULL) != 0)
		elog(ERROR, "could not install a stack: %m");
}

void
FaultSignalsInit(void)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO, .sa_sigaction = HandleWithInfo};

	DefineCustomEnumVariable(
		"goarena_fault_test.handler", "Sets the handler of SIGSEGV that this library installs.",
		NULL, &handler_kind, HANDLER_NONE, handler_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	if (handler_kind == HANDLER_NONE)
		return;
	sigemptyset(&action.sa_mask);
	if (handler_kind == HANDLER_ONE_SHOT)
		action.sa_flags |= SA_RESETHAND;
	if (handler_kind == HANDLER_SMALL_STACK)
	{
		InstallSmallStack();
		action.sa_flags |= SA_ONSTACK;
	}
	if (handler_kind == HANDLER_BEFORE_SIGINFO)
	{
		action.sa_flags = 0;
		action.sa_handler = HandleBeforeSiginfo;
	}
	if (sigaction(SIGSEGV, &action, NULL) != 0)
		elog(ERROR, "could not install a handler: %m");
}

/*
 * Recurse
 *		Until the stack ends, without asking check_stack_depth().
 */
static pg_noinline int
Recurse(volatile char *above)
{
	volatile char here[4096];

	here[0] = above[0];
	return here[0] != 0 ? 0 : Recurse(here) + here[0];
}

/*
 * ReadBeyondFile
 *		A page of a mapping that the file does not reach: SIGBUS.
 */
static void
ReadBeyondFile(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	volatile char *end;

	end = mmap(NULL, 2 * 4096, PROT_READ, MAP_PRIVATE, fd, (size + 4095) & ~(off_t) 4095);
	if (end == MAP_FAILED)
		elog(ERROR, "could not map a file: %m");
	(void) end[4096];
}

Datum
fault_elsewhere(PG_FUNCTION_ARGS)
{
	const char *how = text_to_cstring(PG_GETARG_TEXT_PP(0));
	volatile char *volatile nowhere = NULL;
	char bottom = 0;
	EMPTY_FRAME;

	if (strcmp(how, "null") == 0)
		(void) *nowhere;
	else if (strcmp(how, "write") == 0)
		nowhere[16] = 'w';
	else if (strcmp(how, "code") == 0)
		*(volatile char *) (uintptr_t) fault_elsewhere = 0;
	else if (strcmp(how, "bus") == 0)
		ReadBeyondFile();
	else if (strcmp(how, "raise") == 0)
		(void) raise(SIGSEGV);
	else if (strcmp(how, "overflow") == 0)
		(void) Recurse(&bottom);
	else
		elog(ERROR, "no such fault: \"%s\"", how);
	PG_RETURN_VOID();
}

Datum
fault_probe(PG_FUNCTION_ARGS)
{
	volatile char *address = (volatile char *) PG_GETARG_INT64(0);
	volatile bool readable = false;

	if (sigsetjmp(probe_failed, 1) == 0)
	{
		probing = true;
		(void) *address;
		readable = true;
	}
	probing = false;
	PG_RETURN_BOOL(readable);
}

Datum
fault_alternate_stack(PG_FUNCTION_ARGS)
{
	const char *what = text_to_cstring(PG_GETARG_TEXT_PP(0));
	stack_t stack = {.ss_flags = SS_DISABLE};

	if (strcmp(what, "unmapped") == 0)
	{
		stack.ss_flags = 0;
		stack.ss_size = 64 * 1024;
		stack.ss_sp = mmap(NULL, stack.ss_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	else if (strcmp(what, "none") != 0)
		elog(ERROR, "no such stack: \"%s\"", what);
	if (sigaltstack(&stack, NULL) != 0)
		elog(ERROR, "could not set the alternate stack: %m");
	PG_RETURN_VOID();
}

Datum
fault_bad_query_string(PG_FUNCTION_ARGS)
{
	debug_query_string = (const char *) 16;
	PG_RETURN_VOID();
}

Datum
fault_limit_files(PG_FUNCTION_ARGS)
{
	struct rlimit limit = {.rlim_cur = (rlim_t) PG_GETARG_INT64(0), .rlim_max = RLIM_INFINITY};

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		elog(ERROR, "could not set the limit: %m");
	PG_RETURN_VOID();
}

/*
 * ReadOnStack
 *		Read a word after setting the stack pointer.  The unwind tables say that
 *		the return address is on that stack.
 */
extern void ReadOnStack(void *stack, volatile uint64 *address);

#if defined(__x86_64__)
__asm__(".text\n"
		".local ReadOnStack\n"
		".type ReadOnStack, @function\n"
		"ReadOnStack:\n"
		"	.cfi_startproc\n"
		"	mov %rdi, %rsp\n"
		"	mov (%rsi), %rax\n"
		"	ud2\n"
		"	.cfi_endproc\n"
		".size ReadOnStack, . - ReadOnStack\n");
#else
__asm__(".text\n"
		".local ReadOnStack\n"
		".type ReadOnStack, %function\n"
		"ReadOnStack:\n"
		"	.cfi_startproc\n"
		"	stp x29, x30, [sp, #-16]!\n"
		"	.cfi_def_cfa_offset 16\n"
		"	.cfi_offset x29, -16\n"
		"	.cfi_offset x30, -8\n"
		"	mov sp, x0\n"
		"	ldr x0, [x1]\n"
		"	brk #0\n"
		"	.cfi_endproc\n"
		".size ReadOnStack, . - ReadOnStack\n");
#endif

Datum
fault_read_on_bad_stack(PG_FUNCTION_ARGS)
{
	char *stack = mmap(NULL, 64 * 1024, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ReadOnStack(stack + 32 * 1024, FaultObject());
	PG_RETURN_VOID();
}
