/*-------------------------------------------------------------------------
 *
 * sampler.c
 *	  One sample: what each process and the machine hold at a moment.
 *
 * When a process has crashed, the server makes all others end at once.  Shared memory then still
 * has what that process showed last, and the last sample reads it.  So samples take no locks, and
 * treat everything that they read as possibly damaged.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "backend/faults/guard.h"
#include "backend/recorder/sampler.h"
#include "backend/registry/registry.h"
#include "backend/registry/snapshots.h"
#include "backend/usage/contexts.h"

/* A sample takes at most this part of the file, so that some are always there. */
#define SAMPLE_SHARE 8

/* How often the status of a process is read again that changes meanwhile. */
#define STATUS_TRIES 100

/* The number of different names of contexts in a snapshot that are counted apart. */
#define MOST_NAMES 128

/* A process that holds something. */
typedef struct Holder
{
	uint64 held;
	int slot;
} Holder;

static Holder *holders = NULL; /* one for each slot */

/* As it was last read. */
static MachineMemory machine_memory;

/* Of the process that is looked at. */
static HistoryRecord record;
static RegistryFigures figures;
static HistoryContext names[MOST_NAMES];
static union
{
	char bytes[SNAPSHOT_SIZE];
	uint64 alignment;
} snapshot;

void
SamplerPrepare(void)
{
	memset(&machine_memory, 0xff, sizeof(machine_memory)); /* MACHINE_UNKNOWN */
	holders = MemoryContextAlloc(TopMemoryContext, sizeof(Holder) * (Size) Max(RegistrySlots(), 1));
}

void
SamplerReadMachine(void)
{
	MachineMemoryRead(&machine_memory);
}

static int
sampler_compare(const void *left, const void *right)
{
	uint64 a = ((const Holder *) left)->held;
	uint64 b = ((const Holder *) right)->held;

	return a < b ? 1 : a > b ? -1 : 0;
}

/*
 * sampler_list
 *		List all processes, the largest first.  Returns their number.
 */
static int
sampler_list(uint64 *total_held)
{
	int count = 0;

	*total_held = 0;
	for (int i = 0; i < RegistrySlots(); i++)
		if (RegistryRead(i, &figures))
		{
			holders[count].held = figures.held;
			holders[count++].slot = i;
			*total_held += figures.held;
		}
	qsort(holders, (size_t) count, sizeof(Holder), sampler_compare);
	return count;
}

/*
 * sampler_whole_length
 *		The length of a text without a character of UTF-8 at its end that was cut off.  In
 *		another encoding a character too much may go.
 */
static size_t
sampler_whole_length(const char *text, size_t length)
{
	size_t begin = length;
	size_t needed;
	unsigned char lead;

	while (begin > 0 && length - begin < 4 && ((unsigned char) text[begin - 1] & 0xc0) == 0x80)
		begin--;
	if (begin == 0)
		return length;
	lead = (unsigned char) text[--begin];
	needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	return length - begin < needed ? begin : length;
}

static void
sampler_clip(char *to, const char *from, size_t room)
{
	size_t length = strnlen(from, room - 1);

	memcpy(to, from, length);
	to[sampler_whole_length(to, length)] = '\0';
}

static HistoryState
sampler_state(BackendState state)
{
	switch (state)
	{
		case STATE_IDLE:
			return STATE_IS_IDLE;
		case STATE_RUNNING:
			return STATE_IS_ACTIVE;
		case STATE_IDLEINTRANSACTION:
			return STATE_IS_IDLE_IN_TRANSACTION;
		case STATE_IDLEINTRANSACTION_ABORTED:
			return STATE_IS_IDLE_ABORTED;
		case STATE_FASTPATH:
			return STATE_IS_FASTPATH;
		case STATE_DISABLED:
			return STATE_IS_DISABLED;
		default:
			return STATE_OTHER;
	}
}

/*
 * sampler_copy_status
 *		Copy what the server knows of the statement of a process.
 */
static void
sampler_copy_status(const PgBackendStatus *status, HistoryProcess *process)
{
	const char *query = status->st_activity_raw;
	size_t room = Min((size_t) Max(pgstat_track_activity_query_size, 1), HISTORY_QUERY);

	process->database = status->st_databaseid;
	process->state = sampler_state(status->st_state);
	process->backend_start = status->st_proc_start_timestamp;
	process->query_start = status->st_activity_start_timestamp;
	process->query_id = (int64) status->st_query_id;
	process->query[0] = '\0';
	if (ShmemAddrIsValid(query) && ShmemAddrIsValid(query + room))
		sampler_clip(process->query, query, room);
}

/*
 * sampler_read_status
 *		Read the status of a process.  If it crashed in the midst of writing that, what is there is
 *		better than nothing.
 */
static void
sampler_read_status(HistoryProcess *process)
{
	const PgBackendStatus *status = figures.status;

	if (status == NULL || !ShmemAddrIsValid(status) || !ShmemAddrIsValid(status + 1))
		return;
	for (int i = 0; i < STATUS_TRIES; i++)
	{
		int before;
		int after;

		pgstat_begin_read_activity((const volatile PgBackendStatus *) status, before);
		if (status->st_procpid != figures.pid)
			return;
		sampler_copy_status(status, process);
		pgstat_end_read_activity((const volatile PgBackendStatus *) status, after);
		if (pgstat_read_activity_complete(before, after))
			return;
	}
}

/*
 * sampler_add_name
 *		Add a row of a snapshot to the contexts of its name.  Returns the number of names.
 */
static int
sampler_add_name(int count, const ContextRow *row)
{
	const char *name = row->name == NULL ? "contexts of other names" : row->name;
	int i;

	for (i = 0; i < count && strncmp(names[i].name, name, HISTORY_NAME - 1) != 0; i++)
		;
	if (i == MOST_NAMES)
		return count;
	if (i == count)
	{
		memset(&names[i], 0, sizeof(names[i]));
		sampler_clip(names[i].name, name, HISTORY_NAME);
	}
	names[i].held += row->held_bytes;
	names[i].contexts += row->contexts;
	return Max(count, i + 1);
}

/*
 * sampler_read_contexts
 *		Read the largest contexts of a process, with those of one name together.
 */
static void
sampler_read_contexts(int slot, HistoryProcess *process)
{
	TimestampTz at;
	Size offset = 0;
	ContextRow row;
	int count = 0;

	if (!SnapshotRead(slot, snapshot.bytes, &at))
		return;
	while (offset < SNAPSHOT_SIZE && ContextsNext(snapshot.bytes, &offset, &row))
		count = sampler_add_name(count, &row);
	for (int i = 0; i < HISTORY_CONTEXTS && count > 0; i++)
	{
		int largest = 0;

		for (int j = 1; j < count; j++)
			if (names[j].held > names[largest].held)
				largest = j;
		process->largest[i] = names[largest];
		process->contexts = i + 1;
		names[largest] = names[--count];
	}
}

/*
 * sampler_fill
 *		Fill the record of the process in a slot, as figures show it.
 */
static void
sampler_fill(void *arg)
{
	int slot = *(const int *) arg;
	HistoryProcess *process = &record.u.process;

	memset(&record, 0, sizeof(record));
	record.kind = HISTORY_PROCESS;
	process->pid = figures.pid;
	process->backend_type = (int32) figures.backend_type;
	process->role = figures.role;
	process->published = figures.at;
	process->held = figures.held;
	process->statement_peak = figures.statement_peak;
	process->transaction_peak = figures.transaction_peak;
	process->process_peak = figures.process_peak;
	sampler_read_status(process);
	sampler_read_contexts(slot, process);
}

/*
 * sampler_put_machine
 *		Write the record of the machine, which ends the sample.  False if that fails.
 */
static bool
sampler_put_machine(HistoryRing *ring, int records, int processes, uint64 total_held)
{
	HistoryMachine *machine = &record.u.machine;

	memset(&record, 0, sizeof(record));
	record.kind = HISTORY_MACHINE;
	machine->at = GetCurrentTimestamp();
	machine->records = (uint32) records;
	machine->processes = (uint32) processes;
	machine->total_held = total_held;
	machine->memory = machine_memory;
	return HistoryRingPut(ring, &record);
}

bool
SamplerTake(HistoryRing *ring)
{
	uint64 total_held;
	int processes;
	int records;

	HistoryRingForget(ring);
	processes = sampler_list(&total_held);
	records = (int) Min((uint64) processes, ring->places / SAMPLE_SHARE);
	for (int i = 0; i < records; i++)
	{
		int slot = holders[i].slot;

		/* If the process has gone meanwhile, the record has process ID 0. */
		(void) RegistryRead(slot, &figures);
		(void) GuardTry(sampler_fill, &slot);
		record.u.process.left = (uint32) (records - i);
		if (!HistoryRingPut(ring, &record))
			return false;
	}
	if (!sampler_put_machine(ring, records, processes, total_held))
		return false;
	HistoryRingCommit(ring);
	return true;
}
