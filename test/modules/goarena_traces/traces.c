/*-------------------------------------------------------------------------
 *
 * traces.c
 *	  A library that looks at what goarena might leave behind for others to see:
 *	  error contexts, the current memory context, interrupts that are held off,
 *	  blocked signals, timeouts and signal handlers.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/time.h>

#include "executor/executor.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#if PG_VERSION_NUM < 180000
#define RUN_PARAMETERS                                                                             \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define RUN_ARGUMENTS queryDesc, direction, count, execute_once
#else
#define RUN_PARAMETERS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define RUN_ARGUMENTS  queryDesc, direction, count
#endif

PG_MODULE_MAGIC;

void _PG_init(void);

PG_FUNCTION_INFO_V1(traces_begin);
PG_FUNCTION_INFO_V1(traces_look);
PG_FUNCTION_INFO_V1(traces_seen);

static ExecutorStart_hook_type next_start = NULL;
static ExecutorRun_hook_type next_run = NULL;
static ExecutorFinish_hook_type next_finish = NULL;
static ExecutorEnd_hook_type next_end = NULL;
static ProcessUtility_hook_type next_utility = NULL;

/* Static, so that to write it down changes nothing that is looked at. */
static char seen[256 * 1024];
static size_t length = 0;
static bool looking = false;

static int
ErrorContexts(void)
{
	int count = 0;

	for (ErrorContextCallback *at = error_context_stack; at != NULL; at = at->previous)
		count++;
	return count;
}

static int
BlockedSignals(void)
{
	sigset_t blocked;
	int count = 0;

	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int signal = 1; signal < 32; signal++)
		count += sigismember(&blocked, signal);
	return count;
}

static void
Look(const char *where)
{
	int room = (int) (sizeof(seen) - length);
	int written;

	if (!looking)
		return;
	written =
		snprintf(seen + length, (size_t) room,
				 "%s: %d error contexts, in %s, held off %d %d %d, %d signals blocked\n", where,
				 ErrorContexts(), CurrentMemoryContext->name, (int) InterruptHoldoffCount,
				 (int) QueryCancelHoldoffCount, (int) CritSectionCount, BlockedSignals());
	if (written < room)
		length += (size_t) written;
}

static void
LookAtStart(QueryDesc *queryDesc, int eflags)
{
	Look("start");
	if (next_start)
		next_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	Look("started");
}

static void
LookAtRun(RUN_PARAMETERS)
{
	Look("run");
	if (next_run)
		next_run(RUN_ARGUMENTS);
	else
		standard_ExecutorRun(RUN_ARGUMENTS);
	Look("has run");
}

static void
LookAtFinish(QueryDesc *queryDesc)
{
	Look("finish");
	if (next_finish)
		next_finish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
	Look("finished");
}

static void
LookAtEnd(QueryDesc *queryDesc)
{
	Look("end");
	if (next_end)
		next_end(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
	Look("ended");
}

static void
LookAtUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			  ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
			  DestReceiver *dest, QueryCompletion *qc)
{
	ProcessUtility_hook_type next = next_utility ? next_utility : standard_ProcessUtility;

	Look("utility");
	next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	Look("utility is over");
}

void
_PG_init(void)
{
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = LookAtStart;
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = LookAtRun;
	next_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = LookAtFinish;
	next_end = ExecutorEnd_hook;
	ExecutorEnd_hook = LookAtEnd;
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = LookAtUtility;
}

Datum
traces_begin(PG_FUNCTION_ARGS)
{
	length = 0;
	looking = true;
	PG_RETURN_VOID();
}

Datum
traces_look(PG_FUNCTION_ARGS)
{
	Look("query");
	PG_RETURN_INT32(1);
}

/*
 * AppendTimeouts
 *		Those of other libraries get the first numbers, in their order.
 */
static void
AppendTimeouts(StringInfo text)
{
	struct itimerval timer;
	int active = 0;

	for (int id = 0; id < USER_TIMEOUT + 10; id++)
		active += get_timeout_active((TimeoutId) id) ? 1 : 0;
	getitimer(ITIMER_REAL, &timer);
	appendStringInfo(text, "timeouts: %d active, %d of libraries, timer %s\n", active,
					 (int) RegisterTimeout(USER_TIMEOUT, NULL) - USER_TIMEOUT,
					 timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0 ? "off" : "on");
}

/*
 * AppendHandlers
 *		Whose handler is called for each signal.  Faults are what goarena waits for.
 */
static void
AppendHandlers(StringInfo text)
{
	Dl_info server;
	Dl_info info;

	if (dladdr((void *) proc_exit, &server) == 0)
		return;
	for (int signal = 1; signal < 32; signal++)
	{
		struct sigaction action;
		const char *whose = "another library's";

		if (signal == SIGSEGV || signal == SIGBUS || sigaction(signal, NULL, &action) != 0)
			continue;
		if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
			whose = action.sa_handler == SIG_DFL ? "default" : "ignored";
		else if (dladdr((void *) action.sa_handler, &info) != 0 &&
				 info.dli_fbase == server.dli_fbase)
			whose = "the server's";
		appendStringInfo(text, "signal %d: %s\n", signal, whose);
	}
}

Datum
traces_seen(PG_FUNCTION_ARGS)
{
	StringInfoData text;

	looking = false;
	initStringInfo(&text);
	appendBinaryStringInfo(&text, seen, (int) length);
	AppendTimeouts(&text);
	AppendHandlers(&text);
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}
