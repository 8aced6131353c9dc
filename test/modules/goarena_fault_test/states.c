/*-------------------------------------------------------------------------
 *
 * states.c
 *	  The state that the process, the processor and the stack are in when freed
 *	  memory is touched.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "fault_test.h"

PG_FUNCTION_INFO_V1(fault_with);

#define OTHER_STACK_SIZE (256 * 1024)

/* Deeper than max_stack_depth is by default. */
#define DEEP (3 * 1024 * 1024)

typedef void (*State)(void);

static volatile uint64 *dangling;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void
Touch(void)
{
	(void) dangling[8];
}

#if defined(__x86_64__)

static void
SetFlagAndTouch(unsigned long flag)
{
	__asm__ volatile("pushf\n\torq %0, (%%rsp)\n\tpopf\n\tmovq (%1), %%rax"
					 :
					 : "r"(flag), "r"(&dangling[8])
					 : "rax", "memory", "cc");
}

static void
WithDirectionFlag(void)
{
	SetFlagAndTouch(0x400);
}

static void
WithAlignmentFlag(void)
{
	SetFlagAndTouch(0x40000);
}

#else /* aarch64 has neither */

static void
WithDirectionFlag(void)
{
	*(volatile int *) NULL = 0;
}

static void
WithAlignmentFlag(void)
{
	*(volatile int *) NULL = 0;
}

#endif

static void
OnOtherStack(void)
{
	static char stack[OTHER_STACK_SIZE];
	static ucontext_t here;
	static ucontext_t there;

	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &here;
	makecontext(&there, Touch, 0);
	swapcontext(&here, &there);
}

static void
HandleSignal(int signal_number)
{
	Touch();
}

static void
InSignalHandler(void)
{
	(void) signal(SIGUSR2, HandleSignal);
	(void) raise(SIGUSR2);
}

static void
WithBlockedSignals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
	Touch();
}

static pg_noinline int
Deep(volatile char *above, int left)
{
	volatile char here[4096];

	here[0] = above[0];
	if (left > 0)
		return Deep(here, left - (int) sizeof(here)) + here[0];
	Touch();
	return 0;
}

static void
OnDeepStack(void)
{
	volatile char top = 0;

	(void) Deep(&top, DEEP);
}

static int
TouchForObject(struct dl_phdr_info *info, size_t size, void *arg)
{
	Touch();
	return 1;
}

static void
InLoader(void)
{
	(void) dl_iterate_phdr(TouchForObject, NULL);
}

/*
 * InFree
 *		What malloc gives out is aligned; it looks at nothing else before it reads.
 */
static void
InFree(void)
{
	void *volatile pointer = (void *) TYPEALIGN(16, &dangling[8]);

	free(pointer);
}

static void
LockMutex(void)
{
	pthread_mutex_lock(&mutex);
}

/*
 * HoldingMutex
 *		What the library does when the process ends wants the mutex that it holds.
 */
static void
HoldingMutex(void)
{
	(void) atexit(LockMutex);
	LockMutex();
	Touch();
}

static void
BlockSignalsAndLockMutex(void)
{
	sigset_t set;

	sigfillset(&set);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
	LockMutex();
}

static void
HoldingMutexBlocked(void)
{
	(void) atexit(BlockSignalsAndLockMutex);
	LockMutex();
	Touch();
}

/*
 * WithFullSocket
 *		The client does not read.  The socket is the first member of a Port.
 */
static void
WithFullSocket(void)
{
	static const char filling[65536];

	while (send(*(const int *) MyProcPort, filling, sizeof(filling), MSG_DONTWAIT) > 0)
		;
	while (send(*(const int *) MyProcPort, filling, 1, MSG_DONTWAIT) > 0)
		;
	Touch();
}

Datum
fault_with(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *name;
		State state;
	} states[] = {
		{"direction flag", WithDirectionFlag},
		{"alignment flag", WithAlignmentFlag},
		{"other stack", OnOtherStack},
		{"signal handler", InSignalHandler},
		{"blocked signals", WithBlockedSignals},
		{"deep stack", OnDeepStack},
		{"loader", InLoader},
		{"free", InFree},
		{"mutex of an exit function", HoldingMutex},
		{"mutex and blocked signals", HoldingMutexBlocked},
		{"full socket", WithFullSocket},
	};
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	dangling = FaultDangling();
	for (int i = 0; i < lengthof(states); i++)
		if (strcmp(name, states[i].name) == 0)
			states[i].state();
	elog(ERROR, "no such state: \"%s\"", name);
}
