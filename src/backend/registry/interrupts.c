/*-------------------------------------------------------------------------
 *
 * interrupts.c
 *	  A safe point at each CHECK_FOR_INTERRUPTS().
 *
 * A process that computes, sleeps or waits for a lock checks for interrupts all the time, but the
 * server has no hook there.  There is one interrupt that any process takes at any time and without
 * any effect: the one by which parallel workers announce a message.  The function that handles it
 * looks for messages, finds none, and resets a memory context of its own, once when it begins and
 * once when it ends.
 *
 * A reset deletes the children of a context before it calls the context's callbacks.  So goarena
 * keeps an empty child there.  The deletion of the child calls a function of ours, which asks to be
 * called again when the context itself is reset.  There it leaves another child for the next time.
 * AllocSet makes that of the child that was just deleted, so nothing is allocated.
 *
 * The server's own interrupt for memory contexts would do as well, but it writes
 * to the log each time, and walks all contexts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "storage/procsignal.h"
#include "utils/memutils.h"

#include "backend/faults/guard.h"
#include "backend/process/proc_compat.h"
#include "backend/process/slot.h"
#include "backend/registry/interrupts.h"

#if PG_VERSION_NUM < 180000
#define HANDLER_NAME  "HandleParallelMessages"
#define CallHandler() HandleParallelMessages()
#else
#define HANDLER_NAME  "ProcessParallelMessages"
#define CallHandler() ProcessParallelMessages()
#endif

static void (*serve_interrupt)(void) = NULL;
static MemoryContext handlers = NULL; /* the context of the server's handler */
static MemoryContextCallback child_deleted;
static MemoryContextCallback rest_reset;

static void
interrupts_leave_child(void)
{
	MemoryContext child =
		AllocSetContextCreate(handlers, "goarena interrupts", ALLOCSET_SMALL_SIZES);

	MemoryContextRegisterResetCallback(child, &child_deleted);
}

static void
interrupts_rest_reset(void *arg)
{
	interrupts_leave_child();
}

static void
interrupts_child_deleted(void *arg)
{
	MemoryContextRegisterResetCallback(handlers, &rest_reset);
	serve_interrupt();
}

/*
 * interrupts_find_handlers
 *		Find the context of the server's handler, which makes it when it is called for the first
 *		time.
 */
static MemoryContext
interrupts_find_handlers(void)
{
	MemoryContext context;

	CallHandler();
	context = TopMemoryContext->firstchild;
	while (context != NULL && strcmp(GuardName(context), HANDLER_NAME) != 0)
		context = context->nextchild;
	return context;
}

bool
InterruptsListen(void (*serve)(void))
{
	static bool tried = false;

	if (tried)
		return handlers != NULL;
	tried = true;
	serve_interrupt = serve;
	child_deleted.func = interrupts_child_deleted;
	rest_reset.func = interrupts_rest_reset;
	handlers = interrupts_find_handlers();
	if (handlers != NULL)
		interrupts_leave_child();
	return handlers != NULL;
}

void
InterruptsSend(int slot, int pid)
{
	(void) SendProcSignal(pid, PROCSIG_PARALLEL_MESSAGE, ProcSignalNumber(SlotProc(slot)));
}

void
InterruptsSendSelf(void)
{
	HandleParallelMessageInterrupt();
}
