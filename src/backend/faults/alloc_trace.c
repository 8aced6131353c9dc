/*-------------------------------------------------------------------------
 *
 * alloc_trace.c
 *	  goarena.debug = alloctrace: a log of allocations and frees.
 *
 * The server's own way to write its log allocates memory, and may itself be what is traced.  So
 * entries are written like reports of faults: in memory of their own, and straight to the log.  In
 * critical sections nothing is written, and the number of entries in a second is limited.  A line
 * in the log says how many were left out.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "backend/faults/alloc_trace.h"
#include "backend/faults/fault_log.h"
#include "backend/faults/fault_report.h"
#include "backend/faults/symbols.h"
#include "mcxt/foreign_text.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"

#define TRACES_PER_SECOND 200

/* Names of functions can be long. */
#define TRACE_SIZE 8192

/* Texts of stacks are kept, since it takes long to look up the names of functions. */
#define TRACE_STACKS	 64
#define TRACE_STACK_SIZE 2048

typedef struct TraceStack
{
	uint32 number; /* see stack_store.h; 0 in one never used */
	char text[TRACE_STACK_SIZE];
} TraceStack;

static TimestampTz second_began = 0;
static int traces_in_second = 0;
HOT_DATA uint64 alloc_traces_left_out = 0;
static bool tracing = false; /* an entry is being written */

/*
 * AllocTraceLeftOut
 *		Log how many entries were left out before this point.
 */
void
AllocTraceLeftOut(void)
{
	char line[128];

	snprintf(line, sizeof(line),
			 "alloctrace left out " UINT64_FORMAT " allocations and frees before this",
			 alloc_traces_left_out);
	alloc_traces_left_out = 0;
	FaultLogLine(line);
}

/*
 * trace_may_write
 *		May one more entry be written in this second?
 */
static bool
trace_may_write(void)
{
	TimestampTz now;

	if (tracing || CritSectionCount > 0)
		return false;
	now = FaultReportNow();
	if (now < second_began || now - second_began >= USECS_PER_SEC)
	{
		second_began = now;
		traces_in_second = 0;
	}
	return traces_in_second++ < TRACES_PER_SECOND;
}

/*
 * trace_stack
 *		Return a stack as text, by its number.
 */
static const char *
trace_stack(uint32 number)
{
	static TraceStack known[TRACE_STACKS];
	TraceStack *stack = &known[number % TRACE_STACKS];
	int depth;
	const uintptr_t *frames = StackStoreGet(number, &depth);
	ReportText text;

	if (depth == 0)
		return "  unknown\n";
	if (stack->number != number)
	{
		stack->number = number;
		ReportInit(&text, stack->text, sizeof(stack->text));
		SymbolsReport(&text, frames, depth, false);
	}
	return stack->text;
}

static void
trace_write(const AllocationTrace *trace)
{
	static char data[TRACE_SIZE];
	char name[CONTEXT_NAME_LENGTH];
	char line[256];
	ReportText text;

	snprintf(line, sizeof(line), "%s of %zu bytes%s in context \"%s\", arena " UINT64_FORMAT,
			 trace->what, trace->size, trace->object == NULL ? "" : " of an object",
			 ForeignNameCopy(name, trace->context->name, sizeof(name)), trace->arena_id);
	ReportInit(&text, data, sizeof(data));
	FaultLogBegin(&text, line);
	if (trace->object != NULL)
	{
		ReportKey(&text, "object");
		ReportHex(&text, (uint64) (uintptr_t) trace->object);
		ReportString(&text, "\n");
	}
	ReportString(&text, "stack:\n");
	ReportString(&text, trace_stack(trace->stack));
	FaultLogWrite(&text);
}

void
AllocTrace(const AllocationTrace *trace)
{
	int saved_errno = errno;

	if (!trace_may_write())
		alloc_traces_left_out++;
	else
	{
		tracing = true;
		if (alloc_traces_left_out > 0)
			AllocTraceLeftOut();
		trace_write(trace);
		tracing = false;
	}
	errno = saved_errno;
}
