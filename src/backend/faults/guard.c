/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  See guard.h.
 *
 * Timers of the kernel send SIGSEGV to one thread.  SIGSEGV is the right signal since its handler
 * is goarena's, and since neither timeouts nor signal masks of the server touch it.  If a process
 * that is to end hangs with SIGSEGV blocked, another timer ends it with SIGKILL.
 *
 * Everything here is async-signal-safe.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "utils/wait_event.h"

#include "backend/faults/fault_log.h"
#include "backend/faults/guard.h"
#include "engine/os.h"
#include "mcxt/foreign_text.h"

/*
 * Seconds that a process may take to end: IDLE_LIMIT without doing anything and without waiting for
 * anything that the server knows of, CLIENT_LIMIT for a client that does not read, and EXIT_LIMIT
 * in all.  SIGKILL comes later, if even the end of that time is not noticed.
 */
#define IDLE_LIMIT	 5
#define CLIENT_LIMIT 5
#define EXIT_LIMIT	 60
#define KILL_LIMIT	 (EXIT_LIMIT + 10)

/* Nanoseconds of CPU time: a process that uses less in a second does nothing. */
#define IDLE_US 2000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

typedef int KernelTimer;

/* Where to go on after a fault; NULL if no step runs. */
static sigjmp_buf *volatile way_out = NULL;
static pthread_t way_out_thread;

static KernelTimer exit_timer;
static KernelTimer kill_timer;
static KernelTimer step_timer;
static bool step_timer_exists = false;

/*
 * While the process is watched: the signal that ends it at last, and what it did in the last
 * seconds.
 */
static int exit_signal;
static int exit_ticks = 0;
static int idle_ticks = 0;
static int client_ticks = 0;
static int64 cpu_time = 0;

/* Timers send the addresses of these along, to say what they are for. */
static char step_mark;
static char exit_mark;

bool
GuardTry(void (*step)(void *), void *arg)
{
	sigjmp_buf here;
	sigjmp_buf *outer = way_out;
	pthread_t outer_thread = way_out_thread;
	volatile bool whole = false;

	if (sigsetjmp(here, 0) == 0)
	{
		way_out_thread = pthread_self();
		way_out = &here;
		step(arg);
		whole = true;
	}
	way_out = outer;
	way_out_thread = outer_thread;
	return whole;
}

typedef struct ReadableText
{
	const char *text;
	size_t limit;
	bool is_text;
} ReadableText;

static void
guard_read_step(void *arg)
{
	ReadableText *r = arg;

	r->is_text = ForeignTextIsText(r->text, r->limit);
}

bool
GuardReadable(const char *text, size_t limit)
{
	ReadableText r = {text, limit, false};

	return text != NULL && GuardTry(guard_read_step, &r) && r.is_text;
}

const char *
GuardName(MemoryContext context)
{
	const char *name = context->name;

	return ForeignTextIsConstant(name) || GuardReadable(name, CONTEXT_NAME_LENGTH)
			   ? name
			   : UNREADABLE_NAME;
}

/*
 * guard_make_timer
 *		Make a timer by system calls, since glibc's functions may allocate memory.
 */
static bool
guard_make_timer(KernelTimer *timer, struct sigevent *event)
{
	return syscall(SYS_timer_create, CLOCK_MONOTONIC, event, timer) == 0;
}

/*
 * guard_make_thread_timer
 *		Make a timer that sends SIGSEGV to this thread.
 */
static bool
guard_make_thread_timer(KernelTimer *timer, void *mark)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGSEGV,
		.sigev_value = {.sival_ptr = mark},
	};

	event.sigev_notify_thread_id = (int) syscall(SYS_gettid);
	return guard_make_timer(timer, &event);
}

static void
guard_start_timer(KernelTimer timer, int first, int interval)
{
	struct itimerspec when = {.it_value = {.tv_sec = first}, .it_interval = {.tv_sec = interval}};

	(void) syscall(SYS_timer_settime, timer, 0, &when, NULL);
}

static void
guard_drop_timer(KernelTimer timer)
{
	(void) syscall(SYS_timer_delete, timer);
}

void
GuardSetTime(int seconds)
{
	if (step_timer_exists)
		guard_drop_timer(step_timer);
	step_timer_exists = seconds > 0 && guard_make_thread_timer(&step_timer, &step_mark);
	if (step_timer_exists)
		guard_start_timer(step_timer, seconds, seconds);
}

/*
 * guard_crash_now
 *		End the process by a signal, as if that had no handler.
 */
static void
guard_crash_now(int signal_number)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t only;

	FaultLogLine("process does not end after an access to freed memory, so it crashes");
	sigemptyset(&only);
	sigaddset(&only, signal_number);
	(void) sigaction(signal_number, &action, NULL);
	(void) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal_number);
	(void) sigprocmask(SIG_UNBLOCK, &only, NULL);
}

/*
 * guard_disconnect_client
 *		Shut down the client's socket.  It is the first member of Port, whose declaration needs
 *		headers that may not be installed.
 */
static void
guard_disconnect_client(void)
{
	if (MyProcPort != NULL)
		(void) shutdown(*(const pgsocket *) MyProcPort, SHUT_RDWR);
}

/*
 * guard_tick
 *		Runs once a second until the process has ended.  Crashes it if it hangs, and disconnects a
 *		client that does not read its message.
 */
static void
guard_tick(void)
{
	uint32 waits_for = *(volatile uint32 *) my_wait_event_info;
	int64 now = ga_os_default()->processor_time();

	exit_ticks++;
	idle_ticks = waits_for == 0 && now - cpu_time < IDLE_US ? idle_ticks + 1 : 0;
	client_ticks = waits_for == WAIT_EVENT_CLIENT_WRITE ? client_ticks + 1 : 0;
	cpu_time = now;

	if (client_ticks >= CLIENT_LIMIT)
		guard_disconnect_client();
	if (idle_ticks >= IDLE_LIMIT || exit_ticks >= EXIT_LIMIT)
		guard_crash_now(exit_signal);
}

bool
GuardTakes(const siginfo_t *info, const ucontext_t *context)
{
	bool step_time_over = info->si_code == SI_TIMER && info->si_ptr == &step_mark;

	if (info->si_code == SI_TIMER && info->si_ptr == &exit_mark)
	{
		guard_tick();
		return true;
	}
	if ((info->si_code > 0 || step_time_over) && way_out != NULL &&
		pthread_equal(way_out_thread, pthread_self()))
	{
		(void) sigprocmask(SIG_SETMASK, &context->uc_sigmask, NULL);
		siglongjmp(*way_out, 1);
	}
	return step_time_over;
}

bool
GuardPrepareExit(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};

	if (!guard_make_timer(&kill_timer, &event))
		return false;
	if (guard_make_thread_timer(&exit_timer, &exit_mark))
		return true;
	guard_drop_timer(kill_timer);
	return false;
}

void
GuardWatchExit(int signal_number)
{
	exit_signal = signal_number;
	guard_start_timer(kill_timer, KILL_LIMIT, 0);
	guard_start_timer(exit_timer, 1, 1);
}
