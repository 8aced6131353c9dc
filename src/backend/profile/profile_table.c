/*-------------------------------------------------------------------------
 *
 * profile_table.c
 *	  See profile_table.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "backend/process/process.h"
#include "backend/process/slot.h"
#include "backend/profile/profile_table.h"
#include "mcxt/process_heap.h"

#define TRANCHE "goarena profile"

/* A row of a site: none yet, or there was no room for one. */
#define NO_ROW		(-1)
#define ROW_DROPPED (-2)

/* What the table has of a process. */
typedef enum ProcessState
{
	PROCESS_NO_PROFILE, /* there is nothing to have */
	PROCESS_BEHIND,		/* not all */
	PROCESS_PUBLISHED	/* all */
} ProcessState;

typedef struct TableRow
{
	uint64 hash;
	int next; /* in a chain, or NO_ROW */
	Oid database;
	Oid role;
	int depth;
	int64 query_id;
	SiteFigures figures;
	int names_length;
	char names[PROFILE_NAMES];
	ModuleOffset frames[SITE_STACK_DEPTH]; /* modules are those of the table */
} TableRow;

typedef struct ProfileTable
{
	LWLock *lock;	   /* for all below but state */
	uint64 generation; /* from 1 on; a reset begins another one */
	TimestampTz since;
	int rows;
	uint64 dropped;
	uint64 lost;
	SiteFigures rest; /* of those that were dropped */
	int modules;
	Module module[MAX_MODULES];
	pg_atomic_uint32 state[FLEXIBLE_ARRAY_MEMBER]; /* ProcessState of each slot */
} ProfileTable;

int goarena_profile_max;

static ProfileTable *shared = NULL;
static int max_rows;
static int *chains; /* as many as rows */
static TableRow *rows;

static pg_atomic_uint32 *own_state = NULL;
static uint64 seen_generation = 0;
static uint64 published_lost = 0;
static int
	table_modules[MAX_MODULES + 1]; /* numbers in the table of this process's modules, or 0 */

static Size
table_head_size(void)
{
	return MAXALIGN(add_size(offsetof(ProfileTable, state),
							 mul_size(sizeof(pg_atomic_uint32), (Size) SlotCount())));
}

static Size
table_chains_size(int count)
{
	return MAXALIGN(mul_size(sizeof(int), (Size) count));
}

Size
ProfileTableSize(void)
{
	Size size = add_size(table_head_size(), table_chains_size(goarena_profile_max));

	return add_size(size, mul_size(sizeof(TableRow), (Size) goarena_profile_max));
}

void
ProfileTableRequest(void)
{
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
table_clear(void)
{
	shared->generation++;
	shared->since = GetCurrentTimestamp();
	shared->rows = shared->modules = 0;
	shared->dropped = shared->lost = 0;
	memset(&shared->rest, 0, sizeof(shared->rest));
	for (int i = 0; i < max_rows; i++)
		chains[i] = NO_ROW;
}

void
ProfileTableAttach(void *memory, bool anew)
{
	shared = memory;
	max_rows = goarena_profile_max;
	chains = (int *) ((char *) memory + table_head_size());
	rows = (TableRow *) ((char *) chains + table_chains_size(max_rows));
	if (!anew)
		return;
	shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	shared->generation = 0;
	for (int i = 0; i < SlotCount(); i++)
		pg_atomic_init_u32(&shared->state[i], PROCESS_NO_PROFILE);
	table_clear();
}

/*
 * table_note_behind
 *		Note that this process has something to add.  Called in the midst of allocations.
 */
static void
table_note_behind(void)
{
	if (own_state != NULL && ProcessIsOurs())
		pg_atomic_write_u32(own_state, PROCESS_BEHIND);
}

void
ProfileTableBegin(int slot)
{
	own_state = &shared->state[slot];
	pg_atomic_write_u32(own_state, SitesCount() > 1 ? PROCESS_BEHIND : PROCESS_NO_PROFILE);
	sites_changed = table_note_behind;
}

bool
ProfileTableExists(void)
{
	return shared != NULL;
}

bool
ProfileTableIsBehind(int slot)
{
	return pg_atomic_read_u32(&shared->state[slot]) == PROCESS_BEHIND;
}

/*
 * table_module
 *		The number in the table of a module of this process, which is added if need be.
 */
static int
table_module(int number)
{
	const Module *module;

	if (number == 0 || table_modules[number] != 0)
		return table_modules[number];
	module = ModulesGet(number);
	for (int i = 0; i < shared->modules; i++)
		if (ModuleIsSame(&shared->module[i], module))
			return table_modules[number] = i + 1;
	if (shared->modules == MAX_MODULES)
		return 0;
	shared->module[shared->modules] = *module;
	return table_modules[number] = ++shared->modules;
}

/*
 * table_row_of
 *		Fill a row from a site.
 */
static void
table_row_of(TableRow *row, const Site *site)
{
	memset(row, 0, sizeof(*row));
	row->query_id = site->key.query_id;
	row->database = site->key.database;
	row->role = site->key.role;
	row->depth = (int) site->key.depth;
	row->names_length = PackNames(row->names, site->key.names);
	row->hash = (uint64) row->query_id + row->database + row->role + (uint64) row->names_length;
	for (int i = 0; i < row->depth; i++)
	{
		ModuleOffset address = ModulesFind(site->key.stack[i]);

		row->frames[i] =
			ModuleOffsetMake(table_module(ModuleNumber(address)), ModuleOffsetIn(address));
		row->hash = (row->hash ^ row->frames[i]) * UINT64CONST(0x9e3779b97f4a7c15);
	}
	row->hash ^= row->hash >> 32;
}

static bool
table_is_same(const TableRow *a, const TableRow *b)
{
	return a->hash == b->hash && a->query_id == b->query_id && a->database == b->database &&
		   a->role == b->role && a->depth == b->depth && a->names_length == b->names_length &&
		   memcmp(a->names, b->names, (size_t) a->names_length) == 0 &&
		   memcmp(a->frames, b->frames, sizeof(ModuleOffset) * (size_t) a->depth) == 0;
}

/*
 * table_has_room
 *		May a role have one more row?
 */
static bool
table_has_room(Oid role)
{
	int count = 0;

	if (shared->rows == max_rows)
		return false;
	if (shared->rows < max_rows / 2)
		return true;
	for (int i = 0; i < shared->rows; i++)
		count += rows[i].role == role ? 1 : 0;
	return count < max_rows / 2;
}

/*
 * table_find
 *		The row of a site, which is added if there is room.
 */
static int
table_find(const Site *site)
{
	static TableRow wanted;
	int *chain;

	table_row_of(&wanted, site);
	chain = &chains[wanted.hash % (uint64) max_rows];
	for (int i = *chain; i != NO_ROW; i = rows[i].next)
		if (table_is_same(&rows[i], &wanted))
			return i;
	if (!table_has_room(wanted.role))
	{
		shared->dropped++;
		return ROW_DROPPED;
	}
	wanted.next = *chain;
	rows[shared->rows] = wanted;
	return *chain = shared->rows++;
}

/*
 * table_move_figures
 *		Add to a sum what figures grew by since they were published.
 */
static void
table_move_figures(SiteFigures *sum, const SiteFigures *now, const SiteFigures *published)
{
	sum->live_samples += now->live_samples - published->live_samples;
	sum->samples += now->samples - published->samples;
	sum->live_objects += now->live_objects - published->live_objects;
	sum->live_bytes += now->live_bytes - published->live_bytes;
	sum->objects += now->objects - published->objects;
	sum->bytes += now->bytes - published->bytes;
	if (sum->live_samples == 0)
		sum->live_objects = sum->live_bytes = 0.0;
}

/*
 * table_publish_site
 *		Add what has changed in a site: its published figures are then these.
 */
static void
table_publish_site(Site *site, const SiteFigures *figures)
{
	if (site->generation != shared->generation)
	{
		site->row = table_find(site);
		site->generation = shared->generation;
	}
	table_move_figures(site->row == ROW_DROPPED ? &shared->rest : &rows[site->row].figures, figures,
					   &site->published);
	site->published = *figures;
}

/*
 * table_follow_reset
 *		After a reset of the table, add what lives once more.
 */
static void
table_follow_reset(void)
{
	if (seen_generation == shared->generation)
		return;
	memset(table_modules, 0, sizeof(table_modules));
	for (int i = 0; seen_generation != 0 && i < SitesCount(); i++)
	{
		Site *site = SitesGet(i);
		SiteFigures figures = site->figures;

		if (site->generation == 0)
			continue; /* it was never published */
		site->published.live_samples = 0;
		site->published.live_objects = site->published.live_bytes = 0.0;
		if (figures.live_samples > 0)
			table_publish_site(site, &figures);
	}
	seen_generation = shared->generation;
}

bool
ProfileTablePublish(void)
{
	if (own_state == NULL || !ProcessIsOurs())
		return true;
	if (!LWLockConditionalAcquire(shared->lock, LW_EXCLUSIVE))
		return false;
	pg_atomic_write_u32(own_state, PROCESS_PUBLISHED);
	table_follow_reset();
	for (Site *site = SitesTakeChanged(); site != NULL; site = site->next_changed)
	{
		SiteFigures figures = site->figures;

		table_publish_site(site, &figures);
	}
	shared->lost += SitesLost() - published_lost;
	published_lost = SitesLost();
	LWLockRelease(shared->lock);
	return true;
}

/*
 * ProfileTableEnd
 *		Called when the memory of this process is about to go.
 */
void
ProfileTableEnd(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	table_follow_reset();
	for (int i = 0; i < SitesCount(); i++)
	{
		Site *site = SitesGet(i);
		SiteFigures figures = site->figures;

		figures.live_samples = 0;
		figures.live_objects = figures.live_bytes = 0.0;
		if (figures.samples != site->published.samples || site->published.live_samples > 0)
			table_publish_site(site, &figures);
	}
	shared->lost += SitesLost() - published_lost;
	LWLockRelease(shared->lock);
	pg_atomic_write_u32(own_state, PROCESS_NO_PROFILE);
	own_state = NULL;
}

PackedProfile *
ProfileTablePack(void)
{
	Size size = add_size(PackHeadSize(),
						 mul_size(PackRowSize(SITE_STACK_DEPTH, PROFILE_NAMES), (Size) max_rows));
	void *memory = palloc_extended(size, MCXT_ALLOC_HUGE);
	PackedProfile *packed = PackBegin(memory, size);

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < shared->rows; i++)
	{
		ProfileRow row = {
			.figures = rows[i].figures,
			.query_id = rows[i].query_id,
			.database = rows[i].database,
			.role = rows[i].role,
			.depth = rows[i].depth,
			.frames = rows[i].frames,
			.names_length = rows[i].names_length,
			.names = rows[i].names,
		};

		PackRow(packed, &row);
	}
	for (int i = 0; i < shared->modules; i++)
		PackModule(packed, &shared->module[i]);
	packed->left_out = shared->dropped;
	packed->rest = shared->rest;
	packed->lost = shared->lost;
	packed->rate = goarena_profile_rate;
	LWLockRelease(shared->lock);
	return packed;
}

void
ProfileTableReset(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	table_clear();
	LWLockRelease(shared->lock);
	for (int i = 0; i < SlotCount(); i++)
	{
		uint32 expected = PROCESS_PUBLISHED;

		(void) pg_atomic_compare_exchange_u32(&shared->state[i], &expected, PROCESS_BEHIND);
	}
}

void
ProfileTableGetInfo(ProfileTableInfo *info)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	*info = (ProfileTableInfo){
		.rows = shared->rows,
		.rows_max = max_rows,
		.dropped = shared->dropped,
		.rest = shared->rest,
		.since = shared->since,
	};
	LWLockRelease(shared->lock);
}
