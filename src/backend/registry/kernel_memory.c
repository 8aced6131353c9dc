/*-------------------------------------------------------------------------
 *
 * kernel_memory.c
 *	  What the kernel says of the memory of a process.
 *
 * The figures that were read last are in shared memory, so that a hundred sessions that watch do
 * not ask the kernel more often than one.  A session that finds them too old reads them again.  If
 * two sessions do so at a time, either result will do.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "utils/timestamp.h"

#include "backend/process/slot.h"
#include "backend/registry/kernel_file.h"
#include "backend/registry/kernel_memory.h"
#include "backend/registry/registry.h"

#define KEPT_MS 1000

/* Of each slot. */
typedef struct KernelEntry
{
	pg_atomic_uint32 pid; /* of the process that the rest is about, written last; 0: none */
	pg_atomic_uint64 at;  /* a TimestampTz */
	pg_atomic_uint64 anonymous;
	pg_atomic_uint64 shared;
} KernelEntry;

static KernelEntry *entries = NULL;

Size
KernelMemorySize(void)
{
	return mul_size(sizeof(KernelEntry), (Size) SlotCount());
}

void
KernelMemoryAttach(void *memory, bool anew)
{
	entries = memory;
	if (!anew)
		return;
	for (int i = 0; i < SlotCount(); i++)
	{
		pg_atomic_init_u32(&entries[i].pid, 0);
		pg_atomic_init_u64(&entries[i].at, 0);
		pg_atomic_init_u64(&entries[i].anonymous, 0);
		pg_atomic_init_u64(&entries[i].shared, 0);
	}
}

/*
 * kernel_find_field
 *		The value of a line "Name:  123 kB" in bytes.
 */
static bool
kernel_find_field(const char *text, const char *name, uint64 *bytes)
{
	const char *line = strstr(text, name);
	unsigned long long kb;

	if (line == NULL || sscanf(line + strlen(name), "%llu kB", &kb) != 1)
		return false;
	*bytes = (uint64) kb * 1024;
	return true;
}

bool
KernelMemoryRead(int pid, KernelMemory *memory)
{
	char path[64];
	char text[8192];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return KernelFileRead(path, text, sizeof(text)) &&
		   kernel_find_field(text, "\nRssAnon:", &memory->anonymous) &&
		   kernel_find_field(text, "\nRssShmem:", &memory->shared);
}

/*
 * kernel_read_entry
 *		Read the figures that are kept.  False if they are too old, or of another process.
 */
static bool
kernel_read_entry(KernelEntry *entry, int pid, KernelMemory *memory)
{
	TimestampTz at;

	if (pg_atomic_read_u32(&entry->pid) != (uint32) pid)
		return false;
	pg_read_barrier();
	at = (TimestampTz) pg_atomic_read_u64(&entry->at);
	memory->anonymous = pg_atomic_read_u64(&entry->anonymous);
	memory->shared = pg_atomic_read_u64(&entry->shared);
	pg_read_barrier();
	return pg_atomic_read_u32(&entry->pid) == (uint32) pid &&
		   !TimestampDifferenceExceeds(at, GetCurrentTimestamp(), KEPT_MS);
}

static void
kernel_write_entry(KernelEntry *entry, int pid, const KernelMemory *memory)
{
	pg_atomic_write_u32(&entry->pid, 0);
	pg_write_barrier();
	pg_atomic_write_u64(&entry->at, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u64(&entry->anonymous, memory->anonymous);
	pg_atomic_write_u64(&entry->shared, memory->shared);
	pg_write_barrier();
	pg_atomic_write_u32(&entry->pid, (uint32) pid);
}

/*
 * KernelMemoryOf
 *		If the process still has the slot after the reading, the figures are its own: it gives up
 *		the slot before it ends, and its pid can be used again.
 */
bool
KernelMemoryOf(int slot, int pid, KernelMemory *memory)
{
	KernelEntry *entry = &entries[slot];
	RegistryFigures figures;

	if (kernel_read_entry(entry, pid, memory))
		return true;
	if (!KernelMemoryRead(pid, memory) || !RegistryRead(slot, &figures) || figures.pid != pid)
		return false;
	kernel_write_entry(entry, pid, memory);
	return true;
}
