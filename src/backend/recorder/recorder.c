/*-------------------------------------------------------------------------
 *
 * recorder.c
 *	  A background worker that keeps a history of who held memory.
 *
 * The worker is connected to no database.  It starts with the server, also on standbys, and
 * after a crash with all other processes.  What it finds at the end of the history tells how
 * the run before ended: a run that ends in order says so.  When a process crashes, or the
 * server's main process is gone, the worker takes a last sample on its way out, since shared
 * memory is still there.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "backend/process/slot.h"
#include "backend/recorder/history_file.h"
#include "backend/recorder/history_reader.h"
#include "backend/recorder/last_crash.h"
#include "backend/recorder/recorder.h"
#include "backend/recorder/sampler.h"
#include "backend/registry/requests.h"

/* Seconds until the server starts the worker again if it ended alone. */
#define RESTART_SECONDS 5

/*
 * Milliseconds from asking processes what they hold to the sample.  Those that do not
 * answer by then are taken as they were last seen.
 */
#define ANSWER_MS 50

int goarena_history_interval = 10000;
int goarena_history_size_kb = 16384;

typedef struct RecorderShared
{
	bool started; /* a worker has run since shared memory was made */
} RecorderShared;

static RecorderShared *shared = NULL;
static HistoryRing ring;
static volatile sig_atomic_t ring_ready = false;
static volatile sig_atomic_t at_rest = false; /* it waits, and is in no function of libc */

extern PGDLLEXPORT void goarena_recorder_main(Datum arg);

bool
CheckHistoryInterval(int *newval, void **extra, GucSource source)
{
	if (*newval > 0 && *newval < HISTORY_LEAST_INTERVAL)
	{
		GUC_check_errdetail("goarena.history_interval must be 0, or at least %d ms.",
							HISTORY_LEAST_INTERVAL);
		return false;
	}
	return true;
}

Size
RecorderSize(void)
{
	return sizeof(RecorderShared);
}

void
RecorderAttach(void *memory, bool anew)
{
	shared = memory;
	if (anew)
		shared->started = false;
}

void
RecorderInit(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS,
		.bgw_start_time = BgWorkerStart_PostmasterStart,
		.bgw_restart_time = RESTART_SECONDS,
		.bgw_name = "goarena recorder",
		.bgw_type = "goarena recorder",
		.bgw_library_name = "goarena",
		.bgw_function_name = "goarena_recorder_main",
	};

	if (!IsBinaryUpgrade)
		RegisterBackgroundWorker(&worker);
}

/*
 * recorder_put_event
 *		Write the first or the last record of a run.  Async-signal-safe.
 */
static void
recorder_put_event(HistoryKind kind, HistoryEnding ending)
{
	HistoryRecord record;

	memset(&record, 0, sizeof(record));
	record.kind = kind;
	record.u.event.at = GetCurrentTimestamp();
	record.u.event.ending = (int32) ending;
	HistoryRingForget(&ring);
	if (HistoryRingPut(&ring, &record))
		HistoryRingCommit(&ring);
}

/*
 * recorder_last_words
 *		Take the last sample.  The worker does not go on after this.  Reading the machine's figures
 *		takes memory from malloc, so if the worker was interrupted at work, the last figures are
 *		used.
 */
static void
recorder_last_words(HistoryEnding ending)
{
	if (!ring_ready)
		return;
	ring_ready = false;
	if (at_rest)
		SamplerReadMachine();
	(void) SamplerTake(&ring);
	recorder_put_event(HISTORY_END, ending);
}

/*
 * recorder_quit
 *		SIGQUIT: the server ends all processes at once, since one crashed or it is to stop
 *		immediately.
 */
static void
recorder_quit(SIGNAL_ARGS)
{
	recorder_last_words(GetQuitSignalReason() == PMQUIT_FOR_CRASH ? ENDING_CRASH
																  : ENDING_IMMEDIATE);
	_exit(2);
}

/*
 * recorder_ended_uncleanly
 *		Did the last run end uncleanly, and how?  It does not count if only the worker ended.
 */
static bool
recorder_ended_uncleanly(HistoryReader *reader, HistoryEnding *ending)
{
	HistoryRecord record;

	*ending = ENDING_STOPPED;
	while (HistoryReaderNext(reader, &record))
		*ending =
			record.kind == HISTORY_END ? (HistoryEnding) record.u.event.ending : ENDING_SILENT;
	return !shared->started && *ending != ENDING_STOPPED && *ending != ENDING_OFF;
}

/*
 * recorder_look_back
 *		See how the run before ended.  False if there is no history that can be used.
 */
static bool
recorder_look_back(void)
{
	const char *reason;
	HistoryReader *reader = HistoryReaderOpen(HISTORY_FILE, &reason);
	HistoryEnding ending;

	if (reader == NULL)
	{
		if (reason != NULL)
			ereport(LOG, (errcode(ERRCODE_DATA_CORRUPTED),
						  errmsg("goarena does not use file \"%s\", and starts its history anew",
								 HISTORY_FILE),
						  errdetail_internal("%s", reason)));
		return false;
	}
	if (recorder_ended_uncleanly(reader, &ending) && LastCrashKeep(reader, ending))
	{
		Crash *crash = LastCrashRead(&reason);

		if (crash != NULL)
			LastCrashLog(crash);
	}
	HistoryReaderClose(reader);
	return true;
}

/*
 * recorder_next_number
 *		The number of the record to go on with in a file that can be used.
 */
static uint64
recorder_next_number(void)
{
	const char *reason;
	HistoryReader *reader = HistoryReaderOpen(HISTORY_FILE, &reason);
	uint64 next;

	if (reader == NULL)
		return 0;
	next = HistoryReaderNextNumber(reader);
	HistoryReaderClose(reader);
	return next;
}

/*
 * recorder_open
 *		Map the file to go on with it, or make a new one.  False after a WARNING if that
 *		fails.
 */
static bool
recorder_open(void)
{
	uint64 places = HistoryPlaces((uint64) goarena_history_size_kb * 1024);
	HistoryHead head;
	const char *reason;
	int file = HistoryFileOpen(HISTORY_FILE, true, &head, &reason);
	bool opened;

	if (file >= 0 && head.places != places)
	{
		ereport(LOG, (errmsg("goarena starts its history anew, since goarena.history_size was "
							 "changed")));
		CloseTransientFile(file);
		file = -1;
	}
	if (file >= 0)
	{
		opened = HistoryRingMap(&ring, file, &head, recorder_next_number());
		CloseTransientFile(file);
	}
	else
		opened = HistoryRingCreate(&ring, HISTORY_FILE, places) &&
				 HistoryRingInstall(&ring, HISTORY_FILE);
	if (!opened)
	{
		HistoryRingUnmap(&ring);
		return false;
	}
	recorder_put_event(HISTORY_START, ENDING_SILENT);
	ring_ready = true;
	return true;
}

static void
recorder_close(HistoryEnding ending)
{
	if (!ring_ready)
		return;
	ring_ready = false;
	recorder_put_event(HISTORY_END, ending);
	HistoryRingUnmap(&ring);
}

/*
 * recorder_give_up_file
 *		Unmap a file that was changed or removed.  The next sample makes a new one.
 */
static void
recorder_give_up_file(void)
{
	ring_ready = false;
	HistoryRingUnmap(&ring);
	ereport(LOG,
			(errmsg("goarena starts its history anew, since file \"%s\" was changed or removed",
					HISTORY_FILE)));
}

/*
 * recorder_sample
 *		Take a sample.  False if there is no file to write to, and none can be made.
 */
static bool
recorder_sample(void)
{
	if (ring_ready && !HistoryRingIsThere(&ring, HISTORY_FILE))
		recorder_give_up_file();
	if (!ring_ready && !recorder_open())
		return false;
	SamplerReadMachine();
	if (!SamplerTake(&ring))
		recorder_give_up_file();
	return true;
}

/*
 * recorder_wait
 *		Wait for timeout milliseconds, or until a signal comes; -1 waits for a signal alone.
 */
static void
recorder_wait(long timeout)
{
	int events = WL_LATCH_SET | WL_POSTMASTER_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0);
	int happened;

	at_rest = true;
	happened = WaitLatch(MyLatch, events, timeout, PG_WAIT_EXTENSION);
	at_rest = false;
	if ((happened & WL_POSTMASTER_DEATH) != 0)
	{
		recorder_last_words(ENDING_POSTMASTER);
		_exit(1);
	}
	ResetLatch(MyLatch);
}

/* What the worker does next, and when. */
typedef struct RecorderPlan
{
	bool failed; /* there is no file, and none can be made */
	bool asked;	 /* processes were asked to show what they hold */
	TimestampTz due;
} RecorderPlan;

/*
 * recorder_advance
 *		Ask or take the sample, and say when to do the next.  Time that samples take comes
 *		on top of the interval, so a machine that is slow has fewer.
 */
static void
recorder_advance(RecorderPlan *plan)
{
	long delay = ANSWER_MS;

	if (!plan->asked)
		RequestAllFigures();
	else
	{
		plan->failed = !recorder_sample();
		delay = goarena_history_interval - ANSWER_MS;
	}
	plan->asked = !plan->asked;
	plan->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
}

/*
 * recorder_delay
 *		Milliseconds until there is something to do; -1: only when a signal comes.  A clock
 *		that is put back does not stop the history.
 */
static long
recorder_delay(const RecorderPlan *plan)
{
	long delay;

	if (goarena_history_interval == 0 || plan->failed)
		return -1;
	delay = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), plan->due);
	return Min(delay, goarena_history_interval);
}

/*
 * recorder_loop
 *		Take samples until the server stops.  If no file can be made, nothing is recorded until the
 *		server reads its settings again.
 */
static void
recorder_loop(MemoryContext context)
{
	RecorderPlan plan = {.due = GetCurrentTimestamp()};

	while (!ShutdownRequestPending)
	{
		long delay = recorder_delay(&plan);

		if (delay < 0)
			recorder_close(ENDING_OFF);
		if (delay != 0)
			recorder_wait(delay);
		else
		{
			recorder_advance(&plan);
			MemoryContextReset(context);
		}
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			plan.failed = plan.asked = false;
			plan.due = GetCurrentTimestamp();
		}
	}
	recorder_close(ENDING_STOPPED);
}

/*
 * goarena_recorder_main
 *		The worker.  It exits with status 1 so that the server starts it again, unless the
 *		server stops.
 */
void
goarena_recorder_main(Datum arg)
{
	MemoryContext context;
	bool known;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGQUIT, recorder_quit);
	SlotDecline();
	BackgroundWorkerUnblockSignals();

	context = AllocSetContextCreate(TopMemoryContext, "goarena recorder", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	SamplerPrepare();
	known = recorder_look_back();
	shared->started = true;
	/*
	 * What the log says of the last run must not be said again at the next start, even if nothing
	 * is recorded.
	 */
	if (goarena_history_interval > 0 || known)
		(void) recorder_open();
	MemoryContextReset(context);
	recorder_loop(context);
	proc_exit(1);
}
