/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  The table of what statements used, in shared memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "backend/process/hooks.h"
#include "backend/process/process.h"
#include "backend/statements/statements.h"
#include "backend/statements/statements_file.h"

/* When the table is full, this share of its entries is dropped, and at least this number. */
#define DROP_PERCENT 5
#define DROP_LEAST	 10

/* Whenever entries are dropped, the usage of the others is multiplied by this. */
#define USAGE_FADES 0.99

typedef struct Entry
{
	StatementKey key; /* must be first */
	StatementSums sums;
	double usage;
	bool live;	   /* in the table; else its memory waits for another key */
	slock_t mutex; /* of all but the key */
} Entry;

/* An entry and its usage when it was looked at, for dropping. */
typedef struct Candidate
{
	Entry *entry;
	double usage;
} Candidate;

typedef struct SharedState
{
	LWLock *lock;
	int64 dropped; /* times that entries were dropped; under the lock */
	TimestampTz reset_at;
	Candidate by_usage[FLEXIBLE_ARRAY_MEMBER]; /* for dropping, under the exclusive lock */
} SharedState;

int goarena_statements_max;

static SharedState *shared = NULL;
static HTAB *table = NULL;

/*
 * Entries that this process found last, by their queryid.  Meanwhile they may have
 * been dropped, and their memory may have become another entry.
 */
#define NUM_RECENT 64
static Entry *recent[NUM_RECENT];

#define TRANCHE "goarena statements"

Size
StatementsSize(void)
{
	return add_size(offsetof(SharedState, by_usage),
					mul_size(sizeof(Candidate), goarena_statements_max));
}

void
StatementsRequest(void)
{
	RequestAddinShmemSpace(hash_estimate_size(goarena_statements_max, sizeof(Entry)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

bool
StatementsReady(void)
{
	return table != NULL;
}

static int
statements_compare_use(const void *a, const void *b)
{
	double left = ((const Candidate *) a)->usage;
	double right = ((const Candidate *) b)->usage;

	return (left > right) - (left < right);
}

/*
 * statements_remove
 *		Remove an entry.  The caller holds the exclusive lock.  Processes that remember the entry
 *		see that it is gone.
 */
static void
statements_remove(Entry *entry)
{
	SpinLockAcquire(&entry->mutex);
	entry->live = false;
	SpinLockRelease(&entry->mutex);
	hash_search(table, &entry->key, HASH_REMOVE, NULL);
}

/*
 * statements_drop_least
 *		Make room for others.  The caller holds the exclusive lock.
 */
static void
statements_drop_least(void)
{
	HASH_SEQ_STATUS seq;
	Entry *entry;
	int count = 0;
	int victims;

	hash_seq_init(&seq, table);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		Candidate *candidate = &shared->by_usage[count++];

		SpinLockAcquire(&entry->mutex);
		entry->usage *= USAGE_FADES;
		candidate->entry = entry;
		candidate->usage = entry->usage;
		SpinLockRelease(&entry->mutex);
	}
	qsort(shared->by_usage, (size_t) count, sizeof(Candidate), statements_compare_use);
	victims = Min(count, Max(DROP_LEAST, count * DROP_PERCENT / 100));
	for (int i = 0; i < victims; i++)
		statements_remove(shared->by_usage[i].entry);
	shared->dropped++;
}

/*
 * statements_make_entry
 *		Find or make an entry.  The caller holds the exclusive lock.
 */
static Entry *
statements_make_entry(const StatementKey *key)
{
	TimestampTz now = GetCurrentTimestamp();
	Entry *entry;
	bool found;

	while (hash_get_num_entries(table) >= goarena_statements_max &&
		   hash_search(table, key, HASH_FIND, NULL) == NULL)
		statements_drop_least();
	entry = hash_search(table, key, HASH_ENTER_NULL, &found);
	if (entry == NULL || found)
		return entry;
	SpinLockAcquire(&entry->mutex);
	memset(&entry->sums, 0, sizeof(entry->sums));
	entry->sums.since = now;
	entry->usage = 0;
	entry->live = true;
	SpinLockRelease(&entry->mutex);
	return entry;
}

/*
 * statements_add_use
 *		Add an execution to the sums.  The variance is after Welford, Technometrics 4 (1962),
 *		419-420.
 */
static void
statements_add_use(StatementSums *sums, const StatementUse *use)
{
	double peak = (double) use->peak;
	double off = peak - sums->peak_mean;

	sums->calls++;
	sums->peak_max = Max(sums->peak_max, (int64) use->peak);
	sums->peak_mean += off / (double) sums->calls;
	sums->peak_squares += off * (peak - sums->peak_mean);
	UsageAdd(&sums->counters, &use->counters);
}

/*
 * statements_add_to
 *		Add an execution to an entry.  False if the entry is not, or is no longer, that of the key.
 */
static bool
statements_add_to(Entry *entry, const StatementKey *key, const StatementUse *use)
{
	bool right;

	SpinLockAcquire(&entry->mutex);
	right = entry->live && memcmp(&entry->key, key, sizeof(*key)) == 0;
	if (likely(right))
	{
		statements_add_use(&entry->sums, use);
		entry->usage += 1.0;
	}
	SpinLockRelease(&entry->mutex);
	return right;
}

/*
 * StatementsRecord
 *		For entries that this process found not long ago, takes neither the lock of the table, to
 *		which all processes would write, nor a look into it.
 */
void
StatementsRecord(const StatementKey *key, const StatementUse *use)
{
	Entry **entry = &recent[(uint64) key->queryid % NUM_RECENT];

	if (table == NULL || !ProcessIsOurs() ||
		(*entry != NULL && statements_add_to(*entry, key, use)))
		return;
	LWLockAcquire(shared->lock, LW_SHARED);
	*entry = hash_search(table, key, HASH_FIND, NULL);
	if (unlikely(*entry == NULL))
	{
		LWLockRelease(shared->lock);
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		*entry = statements_make_entry(key);
	}
	if (likely(*entry != NULL))
		(void) statements_add_to(*entry, key, use);
	LWLockRelease(shared->lock);
}

static void
statements_copy_entry(StatementRow *row, const Entry *entry)
{
	row->key = entry->key;
	row->sums = entry->sums;
	row->usage = entry->usage;
}

StatementRow *
StatementsCopy(int *count)
{
	StatementRow *rows;
	HASH_SEQ_STATUS seq;
	Entry *entry;
	int n = 0;

	LWLockAcquire(shared->lock, LW_SHARED);
	rows = MemoryContextAllocHuge(CurrentMemoryContext,
								  sizeof(StatementRow) * (Size) hash_get_num_entries(table));
	hash_seq_init(&seq, table);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		SpinLockAcquire(&entry->mutex);
		statements_copy_entry(&rows[n++], entry);
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(shared->lock);
	*count = n;
	return rows;
}

void
StatementsInfo(int64 *dropped, TimestampTz *reset_at)
{
	LWLockAcquire(shared->lock, LW_SHARED);
	*dropped = shared->dropped;
	*reset_at = shared->reset_at;
	LWLockRelease(shared->lock);
}

void
StatementsReset(void)
{
	HASH_SEQ_STATUS seq;
	Entry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&seq, table);
	while ((entry = hash_seq_search(&seq)) != NULL)
		statements_remove(entry);
	shared->dropped = 0;
	shared->reset_at = GetCurrentTimestamp();
	LWLockRelease(shared->lock);
}

/*
 * statements_init_mutexes
 *		Initialize all mutexes.  A mutex must outlive its entry, since a process may remember an
 *		entry that is gone.  So fill the table once: then all memory that entries will ever have
 *		gets a mutex.
 */
static void
statements_init_mutexes(void)
{
	StatementKey key = {0};
	bool found;

	for (int i = 0; i < goarena_statements_max; i++)
	{
		Entry *entry;

		key.queryid = i;
		entry = hash_search(table, &key, HASH_ENTER_NULL, &found);
		if (entry == NULL)
			break;
		SpinLockInit(&entry->mutex);
		entry->live = false;
	}
	for (int i = 0; i < goarena_statements_max; i++)
	{
		key.queryid = i;
		hash_search(table, &key, HASH_REMOVE, NULL);
	}
}

/*
 * statements_restore
 *		Fill the empty table from the file, which has those used most first.  No
 *		other process is there yet.
 */
static void
statements_restore(void)
{
	int count;
	StatementRow *rows = StatementsFileRead(goarena_statements_max, &count);

	for (int i = 0; i < count; i++)
	{
		Entry *entry = statements_make_entry(&rows[i].key);

		if (entry == NULL)
			break;
		entry->sums = rows[i].sums;
		entry->usage = rows[i].usage;
	}
	if (rows != NULL)
		pfree(rows);
}

static int
statements_compare_rows(const void *a, const void *b)
{
	double left = ((const StatementRow *) a)->usage;
	double right = ((const StatementRow *) b)->usage;

	return (left < right) - (left > right);
}

/*
 * statements_save
 *		Save the table when the postmaster shuts down and all other processes are gone.  Takes no
 *		lock: in an immediate shutdown, a process may have gone while it held one.
 */
static void
statements_save(int code, Datum arg)
{
	StatementRow *rows;
	HASH_SEQ_STATUS seq;
	Entry *entry;
	int count = 0;

	if (code != 0 || table == NULL || !ProcessIsOurs())
		return;
	rows = MemoryContextAllocHuge(CurrentMemoryContext,
								  sizeof(StatementRow) * (Size) goarena_statements_max);
	hash_seq_init(&seq, table);
	while (count < goarena_statements_max && (entry = hash_seq_search(&seq)) != NULL)
		statements_copy_entry(&rows[count++], entry);
	qsort(rows, (size_t) count, sizeof(StatementRow), statements_compare_rows);
	StatementsFileWrite(rows, count);
	pfree(rows);
}

void
StatementsAttach(void *memory, bool anew)
{
	HASHCTL info = {0};

	shared = memory;
	info.keysize = sizeof(StatementKey);
	info.entrysize = sizeof(Entry);
	table = ShmemInitHashFixed("goarena statements hash", goarena_statements_max, &info,
							   HASH_ELEM | HASH_BLOBS);
	if (anew)
	{
		shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
		shared->dropped = 0;
		shared->reset_at = GetCurrentTimestamp();
		statements_init_mutexes();
	}
	if (!IsUnderPostmaster)
		on_shmem_exit(statements_save, (Datum) 0);
	if (anew)
		statements_restore();
}
