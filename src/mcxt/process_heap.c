/*-------------------------------------------------------------------------
 *
 * process_heap.c
 *	  The one heap of this process, and the settings it follows.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdio.h>
#include <sys/auxv.h>

#include "common/hashfn.h"
#include "miscadmin.h"

#include "engine/profile.h"
#include "mcxt/hot.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"

/*
 * In strict, a reset spends a slot, whatever the arena held.  If few slots made a sweep due, sweeps
 * would take two hundred times as long as the resets.
 */
#define LEAST_TO_SWEEP (16 * GA_SLOT_SIZE)

HOT_DATA bool goarena_enabled = true;
int goarena_quarantine = GA_QUARANTINE_ON;
double goarena_sample_rate;
int goarena_chunk_size_kb;
int goarena_sweep_percent;
int goarena_sweep_min_kb;
int goarena_retain_kb;
int goarena_huge_pages;
bool goarena_free_stacks = true;
int goarena_method_id = METHOD_ID_AUTO;
int goarena_free_history;
int goarena_profile_rate = 0;
HOT_DATA bool goarena_settings_changed = false;

HOT_DATA ga_sampler process_sampler;
static bool sampler_ready = false; /* it is set up, and has the present settings */

ga_heap process_heap pg_attribute_aligned(64);
HOT_DATA bool process_heap_ready = false;
HOT_DATA size_t process_heap_shown_low = SIZE_MAX / 2;
HOT_DATA size_t process_heap_shown_range = 0;
static const uint32 nothing_wanted = 0;
HOT_DATA const volatile uint32 *process_heap_wanted = &nothing_wanted;
const ProcessHeapCallbacks *process_heap_callbacks = NULL;
Size process_heap_watch = SIZE_MAX;
TimestampTz process_heap_message = 0;
HOT_DATA Refusal refusal;

/*
 * Other processes are shown what this one holds in steps of a quarter, but within these bounds in
 * bytes.
 */
#define LEAST_STEP	 ((size_t) 16 << 10)
#define LARGEST_STEP ((size_t) 256 << 10)

/* Linux's default for vm.max_map_count. */
#define DEFAULT_MAX_MAP_COUNT 65530

/*
 * heap_max_mappings
 *		How many mappings the heap may use: half of what the kernel allows a process, since
 *		libraries and the rest of the server need some, too.
 */
static size_t
heap_max_mappings(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long limit = DEFAULT_MAX_MAP_COUNT;

	if (file != NULL)
	{
		if (fscanf(file, "%lu", &limit) != 1)
			limit = DEFAULT_MAX_MAP_COUNT;
		fclose(file);
	}
	return limit / 2;
}

void
ProcessHeapShown(void)
{
	size_t step = Max(LEAST_STEP, Min(LARGEST_STEP, process_heap.in_use / 4));

	process_heap_shown_low = process_heap.in_use - step;
	process_heap_shown_range = 2 * step;
}

/*
 * heap_seed
 *		The kernel's random bytes for this program, which all children of a
 *		postmaster share, mixed with what differs between them.
 */
static uint64
heap_seed(void)
{
	uint64 seed = 0;
	const void *random = (const void *) getauxval(AT_RANDOM);

	if (random != NULL)
		memcpy(&seed, random, sizeof(seed));
	return murmurhash32((uint32) seed ^ (uint32) MyProcPid) |
		   (uint64) murmurhash32((uint32) (seed >> 32) + (uint32) MyStartTimestamp) << 32;
}

/*
 * ProcessHeapStatementBegun
 *		The callbacks are missing if the library was loaded only because a function of it was
 *		called.
 */
void
ProcessHeapStatementBegun(TimestampTz message)
{
	process_heap_message = message;
	if (process_heap_callbacks != NULL)
		process_heap_callbacks->statement_begun();
}

/*
 * heap_prepare_sampler
 *		Set up the sampler, or let it follow the settings.
 */
static void
heap_prepare_sampler(void)
{
	if (process_sampler.os == NULL)
		ga_sampler_init(&process_sampler, ga_os_default(), heap_seed());
	ga_sampler_set_rate(&process_sampler,
						goarena_quarantine == GA_QUARANTINE_OFF ? 0 : goarena_sample_rate);
	sampler_ready = true;
}

void
ProcessHeapPrepare(void)
{
	ga_config config = {
		.quarantine = (ga_quarantine) goarena_quarantine,
		.sample_rate = goarena_quarantine == GA_QUARANTINE_OFF ? 0 : goarena_sample_rate,
		.chunk_size = (size_t) goarena_chunk_size_kb * 1024,
		.retain = (size_t) goarena_retain_kb * 1024,
		.sweep_percent = goarena_sweep_percent,
		.sweep_min = Max((size_t) goarena_sweep_min_kb * 1024, LEAST_TO_SWEEP),
		.huge_pages = goarena_huge_pages != 0,
		.history = (size_t) goarena_free_history,
	};

	heap_prepare_sampler();
	if (process_heap_ready)
	{
		config.max_mappings = process_heap.config.max_mappings;
		ga_heap_configure(&process_heap, &config);
	}
	else
	{
		config.max_mappings = heap_max_mappings();
		ga_heap_init(&process_heap, ga_os_default(), &process_sampler, &config, heap_seed());
		process_heap.note_free = process_heap_callbacks->note_free;
		process_heap.profile.begun = process_heap_callbacks->sample_begun;
		process_heap.profile.ended = process_heap_callbacks->sample_ended;
		process_heap.limit = 0; /* so that the first allocation looks what the limit is */
		process_heap_ready = true;
	}
	process_heap.take_stack = goarena_free_stacks ? process_heap_callbacks->take_stack : NULL;
	if (!ga_profile_set_rate(&process_heap, (size_t) goarena_profile_rate))
		process_heap.profile.lost++;
	goarena_settings_changed = false;
}

void
ProcessHeapSettingsChanged(void)
{
	goarena_settings_changed = true;
	sampler_ready = false;
	process_sampler.unsampled = 0;
}

/*
 * ProcessHeapSampleSlow
 *		Draws nothing in the postmaster: all its children would inherit the same numbers.
 */
bool
ProcessHeapSampleSlow(void)
{
	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		return false;
	if (!sampler_ready)
		heap_prepare_sampler();
	return ga_sampler_draw(&process_sampler);
}
