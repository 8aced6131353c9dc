/*-------------------------------------------------------------------------
 *
 * shared_memory.c
 *	  What goarena keeps in the server's shared memory.
 *
 * All of it is there from the start of the server on, so that no process has
 * to allocate any at a moment that it cannot choose.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "backend/counters.h"
#include "backend/kernel_memory.h"
#include "backend/limit_setting.h"
#include "backend/registry.h"
#include "backend/requests.h"
#include "backend/shared_memory.h"
#include "backend/snapshots.h"
#include "backend/total_limit.h"

/* A part has a size, and is told where it lies; anew says that it is not filled yet. */
typedef struct SharedPart
{
	const char *name;
	Size (*size)(void);
	void (*attach)(void *memory, bool anew);
} SharedPart;

static const SharedPart parts[] = {
	{"goarena registry", RegistrySize, RegistryAttach},
	{"goarena snapshots", SnapshotsSize, SnapshotsAttach},
	{"goarena requests", RequestsSize, RequestsAttach},
	{"goarena kernel memory", KernelMemorySize, KernelMemoryAttach},
	{"goarena cancel requests", TotalLimitSize, TotalLimitAttach},
	{"goarena limits", LimitSettingSize, LimitSettingAttach},
	{"goarena counters", CountersSize, CountersAttach},
};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/*
 * SharedMemoryProcesses
 *		Those of prepared transactions are no processes.
 */
int
SharedMemoryProcesses(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS;
}

static void
RequestParts(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (int i = 0; i < lengthof(parts); i++)
		RequestAddinShmemSpace(parts[i].size());
}

/*
 * AttachParts
 *		Also after a crash: then nobody is left, and all begins anew.
 */
static void
AttachParts(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	for (int i = 0; i < lengthof(parts); i++)
	{
		bool found;
		void *memory = ShmemInitStruct(parts[i].name, parts[i].size(), &found);

		parts[i].attach(memory, !found);
	}
}

void
SharedMemoryInit(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = RequestParts;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = AttachParts;
}
