/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Accesses to freed memory: reporting them, and what happens then.
 *
 * The handler of SIGSEGV and SIGBUS runs on a stack of its own.  If the address
 * lies in a chunk that is not in use, it writes a report to the server log and
 * to a file, and then does what goarena.on_fault says.  Any other fault is left
 * to whoever handled it before: the earlier handler is put back, and the
 * instruction faults again.  That is also how "crash" works, so that the core
 * dump shows the very instruction.
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
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "postmaster/syslogger.h"
#include "storage/ipc.h"
#include "utils/elog.h"

#include "backend/fault.h"
#include "backend/fault_files.h"
#include "backend/fault_report.h"
#include "backend/symbols.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_trace.h"

/* elog.c keeps this to itself, but for EXEC_BACKEND: stderr is the log collector's pipe. */
extern bool redirection_done;

/* Reading debug information takes stack. */
#define SIGNAL_STACK_SIZE (512 * 1024)

/* Seconds that a report may take. */
#define REPORT_TIMEOUT 20

/* What the instruction may still use below the stack pointer (x86-64). */
#define RED_ZONE 128

int goarena_on_fault = FAULT_CRASH;

static char signal_stack[SIGNAL_STACK_SIZE] __attribute__((aligned(16)));
static struct sigaction previous_segv;
static struct sigaction previous_bus;
static char report[FAULT_REPORT_SIZE];
static char summary[512];
static bool terminating = false; /* a fault of this process led to FATAL before */

/*
 * AccessKind
 *		What the processor says about the access.
 */
static const char *
AccessKind(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0 ? "write" : "read";
#else
	/* The exception syndrome is one of the records behind the registers. */
	const struct _aarch64_ctx *record =
		(const struct _aarch64_ctx *) context->uc_mcontext.__reserved;

	while (record->magic != 0 && record->size != 0)
	{
		if (record->magic == ESR_MAGIC)
		{
			const struct esr_context *esr = (const struct esr_context *) record;

			return (esr->esr & (1 << 6)) != 0 ? "write" : "read";
		}
		record = (const struct _aarch64_ctx *) ((const char *) record + record->size);
	}
	return NULL;
#endif
}

static uintptr_t
ProgramCounter(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t) context->uc_mcontext.gregs[REG_RIP];
#else
	return (uintptr_t) context->uc_mcontext.pc;
#endif
}

/*
 * ContinueAt
 *		Let the interrupted code go on in a function that does not return.
 */
static void
ContinueAt(ucontext_t *context, void (*function)(void))
{
#if defined(__x86_64__)
	greg_t *registers = context->uc_mcontext.gregs;

	/* On entry the stack is 8 bytes off 16: the return address has been pushed. */
	registers[REG_RSP] = ((registers[REG_RSP] - RED_ZONE) & ~(greg_t) 15) - 8;
	*(greg_t *) registers[REG_RSP] = registers[REG_RIP];
	registers[REG_RIP] = (greg_t) (uintptr_t) function;
#else
	context->uc_mcontext.regs[30] = context->uc_mcontext.pc;
	context->uc_mcontext.pc = (uintptr_t) function;
#endif
}

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
 *		the server's timeouts, which a process that ends does not need.
 */
static void
GuardReport(struct sigaction *previous_alarm)
{
	struct itimerval timer = {.it_value = {.tv_sec = REPORT_TIMEOUT}};
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t alarm_only;

	(void) sigaction(SIGALRM, &action, previous_alarm);
	setitimer(ITIMER_REAL, &timer, NULL);
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

static void
HandleFault(int signal_number, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	int saved_errno = errno;
	uintptr_t address = (uintptr_t) info->si_addr;
	const ga_chunk *chunk = info->si_code > 0 ? FreedChunkOf(address) : NULL;
	struct sigaction previous_alarm;
	bool terminate;
	ReportText text;

	if (chunk == NULL)
	{
		PassOn(signal_number, info, data);
		return;
	}

	GuardReport(&previous_alarm);
	terminate = goarena_on_fault == FAULT_TERMINATE && MayTerminate();
	BeginEntry(&text, "access to freed memory");
	FaultReportAccess(&text,
					  &(FaultAccess){
						  .address = address,
						  .pc = ProgramCounter(context),
						  .kind = AccessKind(context),
						  .outcome = terminate ? "terminate" : "crash",
					  },
					  chunk);
	Publish(&text);
	EndGuard(&previous_alarm);

	if (terminate)
	{
		terminating = true;
		ReportInit(&text, summary, sizeof(summary));
		FaultSummary(&text, chunk);
		ContinueAt(context, TerminateBackend);
	}
	else
		PassOn(signal_number, info, data);
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
	sigemptyset(&action.sa_mask);
	if (sigaltstack(NULL, &existing) == 0 && (existing.ss_flags & SS_DISABLE) != 0)
		(void) sigaltstack(&stack, NULL);
	if (sigaction(SIGSEGV, &action, &previous_segv) != 0 ||
		sigaction(SIGBUS, &action, &previous_bus) != 0)
		ereport(WARNING, (errmsg("goarena could not install its fault handler: %m")));
}
