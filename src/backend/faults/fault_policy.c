/*-------------------------------------------------------------------------
 *
 * fault_policy.c
 *	  See fault_policy.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

#include "backend/faults/fault_policy.h"
#include "backend/faults/processor.h"
#include "backend/process/process.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_trace.h"
#include "stack/code.h"

/*
 * Functions in which a process must not end by itself.  They hold a lock that every process needs
 * to end, or leave data by half that other functions of the library use.  A fault can happen in
 * them, since they call back, or read memory that they are given.
 */
typedef struct Holder
{
	uintptr_t start;
	uintptr_t end;
} Holder;

static void *const holder_functions[] = {
	(void *) malloc,
	(void *) calloc,
	(void *) realloc,
	(void *) free,
	(void *) aligned_alloc,
	(void *) posix_memalign,
	(void *) malloc_trim,
	(void *) malloc_stats,
	(void *) malloc_info,
	(void *) malloc_usable_size,
	(void *) dl_iterate_phdr,
	(void *) dlopen,
	(void *) dlclose,
	(void *) dlsym,
	(void *) exit,
};

static Holder holders[lengthof(holder_functions)];

void
FaultPolicyInit(void)
{
	for (int i = 0; i < lengthof(holders); i++)
		ga_code_function((uintptr_t) holder_functions[i], &holders[i].start, &holders[i].end);
}

/*
 * fault_in_holder
 *		Is one of these functions running?
 */
static bool
fault_in_holder(const uintptr_t *frames, int depth)
{
	for (int i = 0; i < depth; i++)
		for (int j = 0; j < lengthof(holders); j++)
			if (frames[i] > holders[j].start && frames[i] <= holders[j].end)
				return true;
	return false;
}

/*
 * fault_has_blocked_signals
 *		Are more signals blocked than the server blocks while it works?  In a signal handler, its
 *		signal is.
 */
static bool
fault_has_blocked_signals(const ucontext_t *context)
{
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		if (sigismember(&context->uc_sigmask, signal_number) == 1 &&
			sigismember(&UnBlockSig, signal_number) != 1)
			return true;
	return false;
}

/*
 * fault_has_room
 *		Is this the server's own stack, with as much room left as the server counts on?
 */
static bool
fault_has_room(uintptr_t sp)
{
	return StackTraceDepth(sp) <= (Size) max_stack_depth * 1024;
}

/*
 * fault_is_right_process
 *		Is this a process that can end alone, and at a point where it may?  Interrupts are held off
 *		while it holds a lightweight lock.  Spinlocks cannot be seen, but by the server's own rules
 *		code that holds one touches only shared memory.
 */
static bool
fault_is_right_process(void)
{
	if (!ProcessRunsServer() || !IsUnderPostmaster || CritSectionCount > 0 ||
		InterruptHoldoffCount > 0 || proc_exit_inprogress || process_heap.sweeping)
		return false;
	return MyBackendType == B_BACKEND || MyBackendType == B_BG_WORKER ||
		   MyBackendType == B_AUTOVAC_WORKER || MyBackendType == B_WAL_SENDER;
}

bool
FaultMayTerminate(const ucontext_t *context, const uintptr_t *frames, int depth)
{
	return fault_is_right_process() && depth > 1 && !fault_in_holder(frames, depth) &&
		   !fault_has_blocked_signals(context) && ProcessorCanCall(context) &&
		   fault_has_room(ProcessorStackPointer(context));
}
