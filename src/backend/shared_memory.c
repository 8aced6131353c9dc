/*-------------------------------------------------------------------------
 *
 * shared_memory.c
 *	  What goarena keeps in the server's shared memory.
 *
 * All of it is allocated when the server starts, so that no process has to allocate shared memory
 * at a moment that it cannot choose.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#include "backend/limits/limit_setting.h"
#include "backend/limits/total_limit.h"
#include "backend/limits/total_value.h"
#include "backend/process/counters.h"
#include "backend/process/slot.h"
#include "backend/profile/profile_table.h"
#include "backend/recorder/recorder.h"
#include "backend/registry/answers.h"
#include "backend/registry/kernel_memory.h"
#include "backend/registry/owners.h"
#include "backend/registry/registry.h"
#include "backend/registry/requests.h"
#include "backend/registry/snapshots.h"
#include "backend/shared_memory.h"
#include "backend/statements/statements.h"
#include "backend/statements/workers.h"

typedef struct SharedPart
{
	const char *name;
	Size (*size)(void);
	void (*attach)(void *memory, bool anew); /* sets where it lies; anew: it is not filled yet */
	void (*begin)(int slot);				 /* this process has taken its slot; or NULL */
	void (*end)(void);						 /* it is about to give it up; or NULL */
} SharedPart;

static const SharedPart parts[] = {
	{"goarena sums by user and database", OwnersSize, OwnersAttach},
	{"goarena registry", RegistrySize, RegistryAttach, RegistryBegin, RegistryEnd},
	{"goarena snapshots", SnapshotsSize, SnapshotsAttach, SnapshotsBegin},
	{"goarena answers", AnswersSize, AnswersAttach, NULL, AnswersEnd},
	{"goarena requests", RequestsSize, RequestsAttach, RequestsBegin, RequestsEnd},
	{"goarena kernel memory", KernelMemorySize, KernelMemoryAttach},
	{"goarena cancel requests", TotalLimitSize, TotalLimitAttach},
	{"goarena memory of the machine", TotalValueSize, TotalValueAttach},
	{"goarena limits", LimitSettingSize, LimitSettingAttach},
	{"goarena counters", CountersSize, CountersAttach},
	{"goarena statements", StatementsSize, StatementsAttach},
	{"goarena parallel workers", WorkersSize, WorkersAttach},
	{"goarena profile", ProfileTableSize, ProfileTableAttach, ProfileTableBegin, ProfileTableEnd},
	{"goarena recorder", RecorderSize, RecorderAttach},
};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
shared_request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (int i = 0; i < lengthof(parts); i++)
		RequestAddinShmemSpace(parts[i].size());
	StatementsRequest();
	ProfileTableRequest();
}

static void
shared_begin(int slot)
{
	for (int i = 0; i < lengthof(parts); i++)
		if (parts[i].begin != NULL)
			parts[i].begin(slot);
}

static void
shared_end(void)
{
	for (int i = lengthof(parts) - 1; i >= 0; i--)
		if (parts[i].end != NULL)
			parts[i].end();
}

/*
 * shared_attach
 *		Attach to all parts.  Also called after a crash, when no process is left and everything is
 *		filled again.
 */
static void
shared_attach(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	for (int i = 0; i < lengthof(parts); i++)
	{
		bool found;
		void *memory = ShmemInitStruct(parts[i].name, parts[i].size(), &found);

		parts[i].attach(memory, !found);
	}
	SlotInit(shared_begin, shared_end);
}

void
SharedMemoryInit(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = shared_request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shared_attach;
}
