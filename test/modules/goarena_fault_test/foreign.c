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

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "fault_test.h"

PG_FUNCTION_INFO_V1(fault_in_child);

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
 * Fork
 *		In a way that a library may choose.
 */
static pid_t
Fork(const char *how)
{
	if (strcmp(how, "fork") == 0)
		return fork();
	if (strcmp(how, "clone") == 0)
		return (pid_t) syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	elog(ERROR, "no such way: \"%s\"", how);
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
	child = Fork(how);
	if (child == 0)
	{
		RunChild(what);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		elog(ERROR, "could not start or await a child: %m");
	PG_RETURN_TEXT_P(cstring_to_text(WIFSIGNALED(status)
										 ? psprintf("signal %d", WTERMSIG(status))
										 : psprintf("exit %d", WEXITSTATUS(status))));
}
