/*-------------------------------------------------------------------------
 *
 * foreign.c
 *	  Children and threads of a backend, of which the server knows nothing.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "fault_test.h"

PG_FUNCTION_INFO_V1(fault_in_child);
PG_FUNCTION_INFO_V1(fault_in_thread);
PG_FUNCTION_INFO_V1(fault_keep_loader_locked);

/* What a child allocates in all, and at a time. */
#define CHILD_BYTES	 ((Size) 100 * 1024 * 1024)
#define CHILD_OBJECT ((Size) 100 * 1000)

static volatile uint64 *dangling;

/*
 * HoldMemory
 *		Take much memory, and give half of it back.
 */
static void
HoldMemory(void)
{
	MemoryContext context =
		AllocSetContextCreate(TopMemoryContext, "fault child", ALLOCSET_DEFAULT_SIZES);

	for (Size taken = 0; taken < CHILD_BYTES; taken += CHILD_OBJECT)
	{
		if (taken == CHILD_BYTES / 2)
			MemoryContextReset(context);
		memset(MemoryContextAlloc(context, CHILD_OBJECT), 'c', CHILD_OBJECT);
	}
}

/*
 * RunChild
 *		What a child does before it ends.
 */
static void
RunChild(const char *what)
{
	if (strcmp(what, "hold memory") == 0)
		HoldMemory();
	else if (strcmp(what, "fault") == 0)
		(void) dangling[8];
}

/*
 * StartChild
 *		In a way that a library may choose.
 */
static pid_t
StartChild(const char *how, const char *what)
{
	pid_t child;

	if (strcmp(how, "fork") == 0)
		child = fork();
	else if (strcmp(how, "clone") == 0)
		child = (pid_t) syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	else if (strcmp(how, "vfork") == 0)
		child = vfork();
	else
		elog(ERROR, "no such way: \"%s\"", how);
	if (child == 0)
	{
		RunChild(what);
		_exit(0);
	}
	return child;
}

/*
 * fault_in_child(how text, what text) returns text
 *		How the child ended.
 */
Datum
fault_in_child(PG_FUNCTION_ARGS)
{
	const char *how = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *what = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int status = 0;
	pid_t child;

	dangling = FaultDangling();
	child = StartChild(how, what);
	if (child < 0 || waitpid(child, &status, 0) != child)
		elog(ERROR, "could not start or await a child: %m");
	PG_RETURN_TEXT_P(cstring_to_text(WIFSIGNALED(status)
										 ? psprintf("signal %d", WTERMSIG(status))
										 : psprintf("exit %d", WEXITSTATUS(status))));
}

static void *
RunThread(void *arg)
{
	/* The main thread is at work by then. */
	usleep(100000);
	(void) dangling[8];
	return NULL;
}

/*
 * fault_in_thread() returns void
 *		The main thread goes on with its statement.
 */
Datum
fault_in_thread(PG_FUNCTION_ARGS)
{
	pthread_t thread;

	dangling = FaultDangling();
	if (pthread_create(&thread, NULL, RunThread, NULL) != 0)
		elog(ERROR, "could not start a thread");
	PG_RETURN_VOID();
}

static volatile bool loader_locked = false;

/*
 * SleepLocked
 *		Callback of dl_iterate_phdr, which holds the dynamic linker's lock.
 */
static int
SleepLocked(struct dl_phdr_info *info, size_t size, void *arg)
{
	loader_locked = true;
	for (;;)
		(void) pause();
	return 0;
}

static void *
LockLoader(void *arg)
{
	(void) dl_iterate_phdr(SleepLocked, NULL);
	return NULL;
}

/*
 * fault_keep_loader_locked() returns void
 *		By a thread that never gives it back.
 */
Datum
fault_keep_loader_locked(PG_FUNCTION_ARGS)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, LockLoader, NULL) != 0)
		elog(ERROR, "could not start a thread");
	while (!loader_locked)
		usleep(1000);
	PG_RETURN_VOID();
}
