/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Accesses to freed memory: reporting them, and what happens then.
 *
 * The handler of SIGSEGV and SIGBUS runs on a stack of its own.  If the address
 * lies in a chunk that is not in use, or is one that poison leads to, it writes
 * a report to the server log and to a file, and then does what goarena.on_fault
 * says.  Any other fault is left to whoever handled it before: the earlier
 * handler is put back, and the instruction faults again.  That is also how
 * "crash" works, so that the core dump shows the very instruction.
 *
 * For "terminate" the handler does not return to the instruction but to a
 * function that raises FATAL, on the ordinary stack, as if the instruction had
 * called it.  (Go's runtime does the same: sigpanic.)
 *
 * Everything here is async-signal-safe.  A fault inside the handler meets a
 * blocked signal, which ends the process at once; should the report never end,
 * an alarm does.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "postmaster/syslogger.h"
#include "storage/ipc.h"
#include "utils/elog.h"

#include "backend/fault.h"
#include "backend/fault_files.h"
#include "backend/fault_report.h"
#include "backend/processor.h"
#include "backend/symbols.h"
#include "engine/delay.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_trace.h"

/* elog.c keeps this to itself, but for EXEC_BACKEND: stderr is the log collector's pipe. */
extern bool redirection_done;

/* Reading debug information takes stack. */
#define SIGNAL_STACK_SIZE (512 * 1024)

/* Seconds that a report may take. */
#define REPORT_TIMEOUT 20

/* So much of the stack is searched for the address of a freed object, in words. */
#define STACK_WORDS 64

int goarena_on_fault = FAULT_CRASH;

static char signal_stack[SIGNAL_STACK_SIZE] __attribute__((aligned(16)));
static struct sigaction previous_segv;
static struct sigaction previous_bus;
static char report[FAULT_REPORT_SIZE];
static char summary[512];
static bool terminating = false; /* a fault of this process led to FATAL before */

/*
 * FreedChunkOf
 *		The chunk not in use that an address lies in, or NULL.
 */
static const ga_chunk *
FreedChunkOf(uintptr_t address)
{
	const ga_chunk *chunk;

	if (!process_heap_ready)
		return NULL;
	chunk = ga_heap_lookup(&process_heap, address);
	return chunk != NULL && ga_state_is_idle(chunk->state) ? chunk : NULL;
}

/*
 * LeadsFromFreed
 *		Has a pointer been followed that was read from freed memory?  Then set the
 *		address that it led to, or the pointer if no processor has such an address.
 */
static bool
LeadsFromFreed(const siginfo_t *info, const ucontext_t *context, uintptr_t *address)
{
	*address = (uintptr_t) info->si_addr;
	if (info->si_code > 0 && ga_is_poison(*address))
		return true;
	if (!ProcessorHidesAddress(info))
		return false;
	for (int i = 0; i < PROCESSOR_REGISTERS; i++)
	{
		*address = ProcessorRegister(context, i);
		if (ga_is_poison(*address))
			return true;
	}
	return false;
}

/*
 * FindSource
 *		Nothing tells from which object a pointer was read, but the code that did
 *		so often still knows where that is.  Says where the address of a freed
 *		object was found, or NULL.
 */
static const char *
FindSource(const ucontext_t *context, ga_event *object)
{
	static uintptr_t words[STACK_WORDS];
	size_t count;

	if (!process_heap_ready)
		return NULL;
	for (int i = 0; i < PROCESSOR_REGISTERS; i++)
		if (ga_delay_find(&process_heap, ProcessorRegister(context, i), object))
			return "register";
	count =
		process_heap.os->peek(words, (const void *) ProcessorStackPointer(context), sizeof(words)) /
		sizeof(words[0]);
	for (size_t i = 0; i < count; i++)
		if (ga_delay_find(&process_heap, words[i], object))
			return "stack";
	return NULL;
}

/*
 * MayTerminate
 *		Can this process end by itself, its locks being released on the way?
 *		While a lightweight lock is held, interrupts are held off.  Code that holds
 *		a spinlock touches nothing but shared memory, by the server's own rules.
 */
static bool
MayTerminate(void)
{
	if (terminating || CritSectionCount > 0 || InterruptHoldoffCount > 0 || proc_exit_inprogress ||
		!IsUnderPostmaster)
		return false;
	return MyBackendType == B_BACKEND || MyBackendType == B_BG_WORKER ||
		   MyBackendType == B_AUTOVAC_WORKER || MyBackendType == B_WAL_SENDER;
}

/*
 * TerminateBackend
 *		Where the faulting code goes on: in no signal handler any more.
 */
static void
TerminateBackend(void)
{
	ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
					errmsg("terminating connection because of an access to freed memory"),
					errdetail("%s", summary),
					errhint("The server log and goarena_faults() have the report.")));
}

/*
 * WriteToCollector
 *		The log collector wants pieces with a header, see syslogger.h.
 */
static void
WriteToCollector(const char *data, size_t length)
{
	PipeProtoChunk piece;

	piece.proto.nuls[0] = piece.proto.nuls[1] = '\0';
	piece.proto.pid = MyProcPid;
	while (length > 0)
	{
		size_t part = Min(length, PIPE_MAX_PAYLOAD);

		piece.proto.flags = PIPE_PROTO_DEST_STDERR | (part == length ? PIPE_PROTO_IS_LAST : 0);
		piece.proto.len = (uint16) part;
		memcpy(piece.proto.data, data, part);
		(void) !write(STDERR_FILENO, &piece, PIPE_HEADER_SIZE + part);
		data += part;
		length -= part;
	}
}

/*
 * WriteToLog
 *		One entry.
 */
static void
WriteToLog(const ReportText *text)
{
	if (redirection_done)
		WriteToCollector(text->data, text->length);
	else
		(void) !write(STDERR_FILENO, text->data, text->length);
}

/*
 * BeginEntry
 *		The line of the log entry that comes before the report.
 */
static void
BeginEntry(ReportText *text, const char *what)
{
	ReportInit(text, report, sizeof(report));
	ReportTime(text, FaultReportNow());
	ReportString(text, " [");
	ReportNumber(text, MyProcPid);
	ReportString(text, "] LOG:  goarena: ");
	ReportString(text, what);
	ReportString(text, "\n");
}

/*
 * Publish
 *		Send a report to the log, and without its first line to a file.
 */
static void
Publish(const ReportText *text)
{
	const char *body = strchr(text->data, '\n') + 1;

	WriteToLog(text);
	(void) FaultFileWrite(body, text->length - (size_t) (body - text->data));
}

/*
 * GuardReport
 *		See to it that a report that hangs ends the process.  The timer is that of
 *		the server's timeouts, which a process that ends does not need.  One of
 *		them may be due just now: it must not end the report.
 */
static void
GuardReport(struct sigaction *previous_alarm)
{
	struct itimerval timer = {.it_value = {.tv_sec = REPORT_TIMEOUT}};
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t alarm_only;

	(void) sigaction(SIGALRM, &action, previous_alarm);
	setitimer(ITIMER_REAL, &timer, NULL);
	action.sa_handler = SIG_DFL;
	(void) sigaction(SIGALRM, &action, NULL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
}

static void
EndGuard(const struct sigaction *previous_alarm)
{
	struct itimerval off = {0};

	setitimer(ITIMER_REAL, &off, NULL);
	(void) sigaction(SIGALRM, previous_alarm, NULL);
}

/*
 * PassOn
 *		Leave a signal to whoever handled it before: call that handler, or put
 *		the default back, which acts when the instruction faults again.  A signal
 *		that was sent does not come again by itself.
 */
static void
PassOn(int signal_number, siginfo_t *info, void *data)
{
	struct sigaction *previous = signal_number == SIGBUS ? &previous_bus : &previous_segv;
	struct sigaction action = *previous;

	if ((action.sa_flags & SA_RESETHAND) != 0)
	{
		previous->sa_flags = 0;
		previous->sa_handler = SIG_DFL;
	}
	if ((action.sa_flags & SA_SIGINFO) != 0)
		action.sa_sigaction(signal_number, info, data);
	else if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
		action.sa_handler(signal_number);
	else
	{
		(void) sigaction(signal_number, &action, NULL);
		if (info->si_code <= 0)
			(void) raise(signal_number);
	}
}

/*
 * ReportFollowed
 *		Report that a pointer read from freed memory was followed, and prepare
 *		what is said to the client.
 */
static void
ReportFollowed(ReportText *text, const FaultAccess *access, const ucontext_t *context)
{
	ga_event object;
	const char *found_in = FindSource(context, &object);

	BeginEntry(text, "use of a pointer from freed memory");
	FaultReportFollowed(text, access, found_in == NULL ? NULL : &object, found_in);
	Publish(text);
	ReportInit(text, summary, sizeof(summary));
	FaultFollowedSummary(text, found_in == NULL ? NULL : &object);
}

/*
 * ReportAccess
 *		The same for an access to a chunk that is not in use.
 */
static void
ReportAccess(ReportText *text, const FaultAccess *access, const ga_chunk *chunk)
{
	BeginEntry(text, "access to freed memory");
	FaultReportAccess(text, access, chunk);
	Publish(text);
	ReportInit(text, summary, sizeof(summary));
	FaultSummary(text, chunk);
}

static void
HandleFault(int signal_number, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	mcontext_t interrupted;
	int saved_errno = errno;
	uintptr_t address = (uintptr_t) info->si_addr;
	const ga_chunk *chunk = info->si_code > 0 ? FreedChunkOf(address) : NULL;
	struct sigaction previous_alarm;
	FaultAccess access;
	bool terminate;
	ReportText text;

	if (chunk == NULL && !LeadsFromFreed(info, context, &address))
	{
		PassOn(signal_number, info, data);
		return;
	}

	GuardReport(&previous_alarm);
	terminate = goarena_on_fault == FAULT_TERMINATE && MayTerminate();
	access.address = address;
	access.guessed = chunk == NULL && ProcessorHidesAddress(info);
	access.kind = ProcessorAccess(context);
	access.outcome = terminate ? "terminate" : "crash";

	/* What was jumped to has no frame, so that the caller's would not be found. */
	interrupted = context->uc_mcontext;
	if (ProcessorProgramCounter(context) == address && process_heap_ready)
		(void) ProcessorUndoCall(context);
	access.pc = ProcessorProgramCounter(context);
	if (chunk != NULL)
		ReportAccess(&text, &access, chunk);
	else
		ReportFollowed(&text, &access, context);
	EndGuard(&previous_alarm);

	if (terminate)
	{
		terminating = true;
		ProcessorContinueAt(context, TerminateBackend);
	}
	else
	{
		context->uc_mcontext = interrupted;
		PassOn(signal_number, info, data);
	}
	errno = saved_errno;
}

void
FaultReportWrite(const ga_event *event)
{
	ReportText text;

	BeginEntry(&text, "write to freed memory");
	FaultReportEvent(&text, event);
	Publish(&text);
}

/*
 * ReservePoison
 *		See to it that nobody else is given the addresses that poison leads to.
 *		The postmaster's children inherit them.
 */
static void
ReservePoison(void)
{
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	uintptr_t from = ga_align_down(GA_POISON - GA_POISON_REACH, page_size);
	size_t size = ga_align_up(GA_POISON + GA_POISON_REACH, page_size) - from;
	void *got = mmap((void *) from, size, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == (void *) from)
		return;

	/* Before Linux 4.17 the flag is not known, and they may lie elsewhere. */
	if (got != MAP_FAILED)
	{
		(void) munmap(got, size);
		errno = EEXIST;
	}
	ereport(LOG, (errmsg("goarena could not reserve the addresses that freed memory points to: %m"),
				  errdetail("Memory of others there would not be told from them.")));
}

void
FaultInit(void)
{
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	stack_t existing;
	struct sigaction action = {
		.sa_sigaction = HandleFault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};

	StackTraceInit();
	SymbolsInit();
	ReservePoison();
	sigemptyset(&action.sa_mask);
	if (sigaltstack(NULL, &existing) == 0 && (existing.ss_flags & SS_DISABLE) != 0)
		(void) sigaltstack(&stack, NULL);
	if (sigaction(SIGSEGV, &action, &previous_segv) != 0 ||
		sigaction(SIGBUS, &action, &previous_bus) != 0)
		ereport(WARNING, (errmsg("goarena could not install its fault handler: %m")));
}
