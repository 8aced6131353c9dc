/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Accesses to freed memory: reporting them, and what happens then.
 *
 * The handler of SIGSEGV and SIGBUS runs on a stack of its own.  If the address lies in a chunk
 * that is not in use, or is one that poison leads to, the handler writes a report to the server log
 * and to a file, and then does what goarena.on_fault says.  Any other fault is for the handler that
 * was there before: it is put back, and the instruction faults again. "crash" works in the same
 * way, so that the core dump shows the very instruction.
 *
 * For "terminate" the handler does not return to the instruction but to a
 * function that raises FATAL, on the ordinary stack, as if the instruction had
 * called it.  (Go's runtime does the same: sigpanic.)  The process is then
 * watched until it has ended.
 *
 * The process, its memory and its stack may be in any state.  So a report is made in steps, each of
 * which is cut off when it faults or does not end.  Everything here is async-signal-safe, except
 * that looking up names of functions takes the dynamic linker's lock.  Other threads may fault as
 * well: they wait, since one report is made at a time.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "port/atomics.h"
#include "tcop/tcopprot.h"
#include "utils/elog.h"

#include "backend/faults/fault.h"
#include "backend/faults/fault_advice.h"
#include "backend/faults/fault_files.h"
#include "backend/faults/fault_find.h"
#include "backend/faults/fault_log.h"
#include "backend/faults/fault_policy.h"
#include "backend/faults/fault_report.h"
#include "backend/faults/guard.h"
#include "backend/faults/processor.h"
#include "backend/faults/symbols.h"
#include "backend/process/counters.h"
#include "engine/poison.h"
#include "engine/probes.h"
#include "mcxt/arena_context.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_trace.h"

/* Reading debug information takes stack. */
#define SIGNAL_STACK_SIZE (512 * 1024)

/* Seconds that a step of a report may take, and that other threads wait for a report. */
#define STEP_TIME 20

/* Seconds that the following steps may take after one was cut off. */
#define SHORT_STEP_TIME 2

/* At most this many writes to freed objects are reported with their stacks in a second. */
#define WRITES_PER_SECOND 8

/* Nanoseconds between two looks whether another thread's report has ended. */
#define NAP 10000000

int goarena_on_fault = FAULT_TERMINATE;

/* What is being reported. */
typedef struct Fault
{
	const siginfo_t *info;
	ucontext_t *context;
	FaultKind kind;
	FaultAccess access;
	FaultMemory memory;
	ReportText stacks; /* the end of the text */
	ReportText text;
} Fault;

/*
 * What the probe has for reports without a FaultKind.  The numbers are documented, and must not
 * change.
 */
#define PROBE_WRITE		  (FAULT_NEARBY + 1)
#define PROBE_BAD_POINTER (FAULT_NEARBY + 2)

static char signal_stack[SIGNAL_STACK_SIZE] __attribute__((aligned(16)));
static struct sigaction previous_segv;
static struct sigaction previous_bus;

static pg_atomic_uint32 reporting; /* the thread that makes a report, or 0 */
static Fault fault;				   /* the fault that this thread reports */
static char report[FAULT_REPORT_SIZE];
static char stacks[FAULT_REPORT_SIZE / 2];
static char summary[1024];

static bool terminating = false; /* a fault of this process led to FATAL before */

/*
 * fault_terminate_backend
 *		The faulting code goes on here, outside of the signal handler: raise FATAL. Without error
 *		context callbacks and the text of the statement, since these may use the freed memory.
 */
static void
fault_terminate_backend(void)
{
	error_context_stack = NULL;
	ereport(FATAL,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 fault.kind == FAULT_OVERRUN
				 ? errmsg("terminating connection because of an access beyond an object")
				 : errmsg("terminating connection because of an access to freed memory"),
			 errdetail("%s", summary),
			 errhint("The server log and goarena_faults() have the report."), errhidestmt(true)));
}

/*
 * fault_begin
 *		Wait until no other thread makes a report.  False if that takes too long, or if this thread
 *		is making one.
 */
static bool
fault_begin(void)
{
	uint32 self = (uint32) syscall(SYS_gettid);
	struct timespec nap = {.tv_nsec = NAP};

	for (int naps = 0; naps < 2 * STEP_TIME * (1000000000 / NAP); naps++)
	{
		uint32 nobody = 0;

		if (pg_atomic_compare_exchange_u32(&reporting, &nobody, self))
			return true;
		if (nobody == self)
			return false;

		/* The thread is gone, or belongs to the process that forked this one. */
		if (syscall(SYS_tgkill, getpid(), nobody, 0) != 0)
			(void) pg_atomic_compare_exchange_u32(&reporting, &nobody, 0);
		(void) nanosleep(&nap, NULL);
	}
	return false;
}

static void
fault_end(void)
{
	GuardSetTime(0);
	pg_atomic_write_u32(&reporting, 0);
}

/*
 * fault_try
 *		Run a step of a report.  After one that was cut off, the others have less time.
 */
static bool
fault_try(void (*step)(void *), void *arg)
{
	bool whole = GuardTry(step, arg);

	if (!whole)
		GuardSetTime(SHORT_STEP_TIME);
	return whole;
}

/*
 * fault_ends_process
 *		Will a fault that is not ours end the process?
 */
static bool
fault_ends_process(int signal_number)
{
	const struct sigaction *previous = signal_number == SIGBUS ? &previous_bus : &previous_segv;

	return (previous->sa_flags & SA_SIGINFO) == 0 &&
		   (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN);
}

static void
fault_find_step(void *arg)
{
	Fault *f = arg;

	f->kind = FaultFind(f->info, f->context, &f->access.address, &f->access.guessed, &f->memory);
	if (f->kind == FAULT_FOREIGN && fault_ends_process(f->info->si_signo))
		f->kind = FaultFindNearby(f->context, &f->memory);
}

/*
 * fault_stack_step
 *		Take the stack.  If code jumped to an address where no function is, the address has no
 *		frame; it is then treated as if that call had returned.
 */
static void
fault_stack_step(void *arg)
{
	Fault *f = arg;
	mcontext_t interrupted = f->context->uc_mcontext;
	ga_place place;

	if (ProcessorProgramCounter(f->context) == f->access.address)
		(void) ProcessorUndoCall(f->context);
	ProcessorPlace(f->context, &place);
	f->context->uc_mcontext = interrupted;
	f->access.stack[0] = place.pc;
	f->access.depth = 1;
	f->access.depth = StackTraceOf(&place, f->access.stack, FAULT_STACK_DEPTH);
}

static void
fault_stacks_text_step(void *arg)
{
	Fault *f = arg;

	FaultReportStacks(&f->stacks, f->kind, &f->access, &f->memory);
}

static void
fault_summary_step(void *arg)
{
	Fault *f = arg;
	ReportText text;

	ReportInit(&text, summary, sizeof(summary));
	FaultSummary(&text, f->kind, &f->memory);
	FaultAdviceFrame(&text, f->stacks.data);
	FaultSummaryStatement(&text);
}

static void
fault_text_step(void *arg)
{
	Fault *f = arg;

	FaultReport(&f->text, f->kind, &f->access, &f->memory);
}

static void
fault_head_step(void *arg)
{
	Fault *f = arg;

	FaultReportHead(&f->text, f->kind, &f->access);
}

static void
fault_begin_text(Fault *f)
{
	static const char *const entries[] = {
		[FAULT_FOREIGN] = "",
		[FAULT_ACCESS] = "access to freed memory",
		[FAULT_FOLLOWED] = "use of a pointer from freed memory",
		[FAULT_NEARBY] = "crash with a pointer to freed memory",
		[FAULT_OVERRUN] = "overrun of an object",
	};

	ReportInit(&f->text, report, sizeof(report));
	FaultLogBegin(&f->text, entries[f->kind]);
}

/*
 * fault_make_text
 *		Make the text.  The steps most likely to be cut off come first: after one of those, the
 *		process crashes and does not go on.
 */
static bool
fault_make_text(Fault *f)
{
	bool terminate = fault_try(fault_stack_step, f);

	ReportInit(&f->stacks, stacks, sizeof(stacks));
	terminate = fault_try(fault_stacks_text_step, f) && terminate;
	terminate = fault_try(fault_summary_step, f) && terminate;
	terminate = terminate && goarena_on_fault == FAULT_TERMINATE && !terminating &&
				f->kind != FAULT_NEARBY &&
				FaultMayTerminate(f->context, f->access.stack, f->access.depth) &&
				GuardPrepareExit();

	f->access.kind = ProcessorAccess(f->context);
	f->access.outcome = terminate ? "terminate" : "crash";
	fault_begin_text(f);
	if (!fault_try(fault_text_step, f))
	{
		/* It is not known what can be read, so the report says no more. */
		terminate = false;
		f->access.outcome = "crash";
		fault_begin_text(f);
		(void) fault_try(fault_head_step, f);
	}
	ReportString(&f->text, stacks);
	return terminate;
}

static void
fault_log_step(void *arg)
{
	FaultLogWrite(arg);
}

static void
fault_file_step(void *arg)
{
	if (!FaultFileWrite(arg, false))
		FaultLogLine("the report could not be kept in " FAULT_DIRECTORY);
}

/*
 * fault_pass_on
 *		Pass a signal on to the handler that was there before: call it, or put the default back,
 *		which acts when the instruction faults again.  If the signal was sent, and did not come from
 *		a fault, it has to be sent once more.
 */
static void
fault_pass_on(int signal_number, siginfo_t *info, void *data)
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
 * fault_consider
 *		Report a fault if it has to do with freed memory.  True if the process then goes on, and
 *		ends by FATAL.
 */
static bool
fault_consider(siginfo_t *info, ucontext_t *context)
{
	bool terminate = false;

	if (info->si_code <= 0 || !fault_begin())
		return false;
	fault = (Fault){.info = info, .context = context};
	if (fault_try(fault_find_step, &fault) && fault.kind != FAULT_FOREIGN)
	{
		GuardSetTime(STEP_TIME);
		CountersAdd(COUNT_FAULTS);
		GA_PROBE2(fault, fault.access.address, (int) fault.kind);
		terminate = fault_make_text(&fault);
		(void) fault_try(fault_log_step, &fault.text);
		(void) fault_try(fault_file_step, FaultLogBody(&fault.text));
	}
	fault_end();
	return terminate;
}

static void
fault_handle(int signal_number, siginfo_t *info, void *data)
{
	ucontext_t *context = data;
	int saved_errno = errno;

	ProcessorEnterHandler();
	if (!GuardTakes(info, context))
	{
		if (fault_consider(info, context))
		{
			terminating = true;
			GuardWatchExit(signal_number);
			ProcessorContinueAt(context, fault_terminate_backend);
		}
		else
			fault_pass_on(signal_number, info, data);
	}
	errno = saved_errno;
}

/*
 * fault_has_reported_much
 *		Were many writes reported in this second already?  A user may cause them in a loop.
 */
static bool
fault_has_reported_much(void)
{
	static TimestampTz since = 0;
	static int count = 0;
	TimestampTz now = FaultReportNow();

	if (now < since || now - since > USECS_PER_SEC)
	{
		since = now;
		count = 0;
	}
	return ++count > WRITES_PER_SECOND;
}

static void
fault_event_step(void *arg)
{
	FaultReportEvent(&fault.text, arg);
}

void
FaultReportWrite(const ga_event *event)
{
	CountersAdd(COUNT_FAULTS);
	GA_PROBE2(fault, event->object + event->offset, PROBE_WRITE);
	if (fault_has_reported_much() || !fault_begin())
		return;
	ReportInit(&fault.text, report, sizeof(report));
	FaultLogBegin(&fault.text, "write to freed memory");
	(void) fault_try(fault_event_step, (void *) event);
	FaultLogWrite(&fault.text);
	(void) FaultFileWrite(FaultLogBody(&fault.text), true);
	fault_end();
}

/* What fault_pfree_step reports. */
typedef struct BadPointerCall
{
	const BadPointer *bad;
	int depth;
	uintptr_t stack[FAULT_STACK_DEPTH];
} BadPointerCall;

static void
fault_pfree_step(void *arg)
{
	BadPointerCall *call = arg;

	FaultReportBadPointer(&fault.text, call->bad, call->stack, call->depth);
}

/*
 * FaultReportPfree
 *		Limited as well: a user may cause such calls in a loop, and catch the errors.
 */
void
FaultReportPfree(const BadPointer *bad)
{
	BadPointerCall call = {.bad = bad};

	CountersAdd(COUNT_FAULTS);
	GA_PROBE2(fault, bad->pointer, PROBE_BAD_POINTER);
	if (fault_has_reported_much() || !fault_begin())
		return;
	call.depth = StackTraceTake(call.stack, FAULT_STACK_DEPTH);
	ReportInit(&fault.text, report, sizeof(report));
	FaultLogBegin(&fault.text, "pfree of what is no object");
	(void) fault_try(fault_pfree_step, &call);
	FaultLogWrite(&fault.text);
	(void) FaultFileWrite(FaultLogBody(&fault.text), true);
	fault_end();
}

/*
 * fault_reserve_poison
 *		Reserve the addresses that poison leads to, so that nothing else is mapped there.  The
 *		postmaster's children inherit that.
 */
static void
fault_reserve_poison(void)
{
	size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
	uintptr_t from = ga_align_down(GA_POISON - GA_POISON_REACH, page_size);
	size_t size = ga_align_up(GA_POISON + GA_POISON_REACH, page_size) - from;
	void *got = mmap((void *) from, size, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got == (void *) from)
		return;

	/* Before Linux 4.17 the flag is unknown, and the mapping may lie elsewhere. */
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
	static const int not_masked[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGQUIT};
	struct sigaction action = {
		.sa_sigaction = fault_handle,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART,
	};

	pg_atomic_init_u32(&reporting, 0);
	StackTraceInit();
	SymbolsInit();
	FaultPolicyInit();
	fault_reserve_poison();

	/* These signals mean faults of the handler itself; all others can wait. */
	sigfillset(&action.sa_mask);
	for (int i = 0; i < lengthof(not_masked); i++)
		sigdelset(&action.sa_mask, not_masked[i]);
	if (sigaltstack(NULL, &existing) == 0 && (existing.ss_flags & SS_DISABLE) != 0)
		(void) sigaltstack(&stack, NULL);
	if (sigaction(SIGSEGV, &action, &previous_segv) != 0 ||
		sigaction(SIGBUS, &action, &previous_bus) != 0)
		ereport(WARNING, (errmsg("goarena could not install its fault handler: %m")));
}
