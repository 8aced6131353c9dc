/*-------------------------------------------------------------------------
 *
 * recorder.c
 *	  Record what the server does with its AllocSet contexts.
 *
 * Preloaded instead of goarena, this library replaces methods of AllocSet by
 * functions that call them and write down what was done, in the contexts that
 * goarena would adopt by default.  A session records while
 * goarena_bench.record_to names a file; the process id is appended to the name,
 * and recording ends after goarena_bench.record_limit operations.
 *
 * Only for PostgreSQL 15, where each method is told the context.  Recordings
 * can be replayed with any major.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "goarena_bench.h"
#include "recording.h"

#if PG_VERSION_NUM < 160000

#define BUFFERED 4096

static char *record_to = NULL;
static int record_limit = 2000000;

static MemoryContextMethods original;
static RecordedOp buffer[BUFFERED];
static int num_buffered = 0;
static int num_recorded = 0;
static int record_file = -1;

static void
Flush(void)
{
	const char *from = (const char *) buffer;
	Size left = sizeof(RecordedOp) * (Size) num_buffered;

	num_buffered = 0;
	while (left > 0)
	{
		ssize_t written = write(record_file, from, left);

		if (written <= 0)
			elog(PANIC, "could not write a recording: %m");
		from += written;
		left -= (Size) written;
	}
}

/*
 * IsAdoptable
 *		Would goarena make it an arena?
 */
static bool
IsAdoptable(MemoryContext context)
{
	if (context == TopMemoryContext || context == ErrorContext || context == PostmasterContext)
		return false;
	for (; context != NULL; context = context->parent)
		if (context == CacheMemoryContext)
			return false;
	return true;
}

static void
Record(RecordedKind kind, MemoryContext context, const void *object, uint64 target, Size size)
{
	RecordedOp *op;

	if (record_file < 0 || num_recorded >= record_limit || !IsAdoptable(context))
		return;
	op = &buffer[num_buffered++];
	op->kind = (uint64) kind;
	op->context = (uint64) (uintptr_t) context;
	op->object = (uint64) (uintptr_t) object;
	op->target = target;
	op->size = size;
	if (++num_recorded == record_limit || num_buffered == BUFFERED)
		Flush();
}

static void *
RecordingAlloc(MemoryContext context, Size size)
{
	Size before = context->mem_allocated;
	void *object = original.alloc(context, size);

	if (object != NULL)
		Record(RECORDED_ALLOC, context, object, before, size);
	return object;
}

static void
RecordingFree(MemoryContext context, void *pointer)
{
	original.free_p(context, pointer);
	Record(RECORDED_FREE, context, pointer, 0, 0);
}

static void *
RecordingRealloc(MemoryContext context, void *pointer, Size size)
{
	void *object = original.realloc(context, pointer, size);

	if (object != NULL)
		Record(RECORDED_REALLOC, context, pointer, (uint64) (uintptr_t) object, size);
	return object;
}

static void
RecordingReset(MemoryContext context)
{
	original.reset(context);
	Record(RECORDED_RESET, context, NULL, 0, 0);
}

static void
RecordingDelete(MemoryContext context)
{
	Record(RECORDED_DELETE, context, NULL, 0, 0);
	original.delete_context(context);
}

static void
StopRecording(void)
{
	if (record_file < 0)
		return;
	Flush();
	close(record_file);
	record_file = -1;
}

static void
StopAtExit(int code, Datum arg)
{
	StopRecording();
}

/*
 * AssignRecordTo
 *		The postmaster and background processes read their settings as well,
 *		but do not record.
 */
static void
AssignRecordTo(const char *newval, void *extra)
{
	static bool registered = false;
	char path[MAXPGPATH];

	StopRecording();
	if (newval == NULL || newval[0] == '\0' || MyBackendType != B_BACKEND)
		return;
	snprintf(path, sizeof(path), "%s.%d", newval, MyProcPid);
	record_file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (record_file < 0)
		elog(WARNING, "could not create the recording \"%s\": %m", path);
	num_recorded = 0;
	if (!registered)
		on_proc_exit(StopAtExit, 0);
	registered = true;
}

static void
ReplaceMethods(void)
{
	MemoryContextMethods *table = (MemoryContextMethods *) TopMemoryContext->methods;
	uintptr_t page_size = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t) table & ~(page_size - 1);
	Size size = (uintptr_t) (table + 1) - from;

	if (mprotect((void *) from, size, PROT_READ | PROT_WRITE) != 0)
		elog(ERROR, "could not make the method table writable: %m");
	original = *table;
	table->alloc = RecordingAlloc;
	table->free_p = RecordingFree;
	table->realloc = RecordingRealloc;
	table->reset = RecordingReset;
	table->delete_context = RecordingDelete;
	if (mprotect((void *) from, size, PROT_READ) != 0)
		elog(ERROR, "could not protect the method table again: %m");
}

void
RecorderInit(void)
{
	DefineCustomStringVariable("goarena_bench.record_to", "Names the file to record to.", NULL,
							   &record_to, "", PGC_SUSET, 0, NULL, AssignRecordTo, NULL);
	DefineCustomIntVariable("goarena_bench.record_limit", "Ends a recording.", NULL, &record_limit,
							2000000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	ReplaceMethods();
}

#else

void
RecorderInit(void)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("goarena_bench can record with PostgreSQL 15 only")));
}

#endif
