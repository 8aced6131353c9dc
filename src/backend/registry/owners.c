/*-------------------------------------------------------------------------
 *
 * owners.c
 *	  What the processes of each user hold together, and those of each database.
 *
 * There is an entry in shared memory for each user and each database that has processes, so there
 * are no more of them than processes.  A process finds its entries by a hash table when it logs in,
 * and corrects its part of their sums whenever it publishes what it holds, as it does with the sum
 * of all.  To read a sum takes one load.
 *
 * The tables are guarded by a spinlock, which is held for some steps along a
 * chain.  The sums are atomic and need none.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "backend/process/slot.h"
#include "backend/registry/owners.h"

#define NOBODY (-1)

typedef struct Owner
{
	pg_atomic_uint64 held;
	Oid id;
	int processes; /* 0: the entry is free */
	int next;	   /* in its chain, or of free ones */
} Owner;

typedef struct OwnerTable
{
	int first_free;
	int *chains; /* as many as entries, by hash */
	Owner *entries;
} OwnerTable;

typedef struct SharedOwners
{
	slock_t lock;
	OwnerTable of_kind[NUM_OWNER_KINDS];
} SharedOwners;

/* What this process belongs to. */
typedef struct Membership
{
	Oid id;
	int entry;
	uint64 counted; /* its part of the sum */
} Membership;

static SharedOwners *shared_owners = NULL;
static Membership memberships[NUM_OWNER_KINDS] = {{InvalidOid, NOBODY, 0}, {InvalidOid, NOBODY, 0}};

static Size
owners_table_size(void)
{
	Size count = (Size) SlotCount();

	return add_size(MAXALIGN(mul_size(sizeof(int), count)),
					MAXALIGN(mul_size(sizeof(Owner), count)));
}

Size
OwnersSize(void)
{
	return add_size(MAXALIGN(sizeof(SharedOwners)), mul_size(NUM_OWNER_KINDS, owners_table_size()));
}

/*
 * owners_table_init
 *		Set up a table of free entries.  It has pointers, since all processes have shared memory at
 *		the same address.
 */
static void
owners_table_init(OwnerTable *table, char *memory)
{
	int count = SlotCount();

	table->entries = (Owner *) memory;
	table->chains = (int *) (memory + MAXALIGN(sizeof(Owner) * (Size) count));
	table->first_free = 0;
	for (int i = 0; i < count; i++)
	{
		pg_atomic_init_u64(&table->entries[i].held, 0);
		table->entries[i].processes = 0;
		table->entries[i].next = i + 1 < count ? i + 1 : NOBODY;
		table->chains[i] = NOBODY;
	}
}

void
OwnersAttach(void *memory, bool anew)
{
	char *next = (char *) memory + MAXALIGN(sizeof(SharedOwners));

	shared_owners = memory;
	if (!anew)
		return;
	SpinLockInit(&shared_owners->lock);
	for (int i = 0; i < NUM_OWNER_KINDS; i++, next += owners_table_size())
		owners_table_init(&shared_owners->of_kind[i], next);
}

static int *
owners_chain(OwnerTable *table, Oid id)
{
	return &table->chains[murmurhash32(id) % (uint32) SlotCount()];
}

/*
 * owners_enter
 *		Count one more process for an owner.  The caller holds the lock.  Returns the entry.
 */
static int
owners_enter(OwnerTable *table, Oid id)
{
	int *chain = owners_chain(table, id);
	int number = *chain;
	Owner *owner;

	while (number != NOBODY && table->entries[number].id != id)
		number = table->entries[number].next;
	if (number == NOBODY)
	{
		number = table->first_free;
		if (number == NOBODY)
			return NOBODY;
		owner = &table->entries[number];
		table->first_free = owner->next;
		owner->id = id;
		owner->next = *chain;
		*chain = number;
		pg_atomic_write_u64(&owner->held, 0);
	}
	table->entries[number].processes++;
	return number;
}

/*
 * owners_exit
 *		Count one process less.  The caller holds the lock.
 */
static void
owners_exit(OwnerTable *table, int number)
{
	Owner *owner = &table->entries[number];
	int *link = owners_chain(table, owner->id);

	if (--owner->processes > 0)
		return;
	while (*link != number)
		link = &table->entries[*link].next;
	*link = owner->next;
	owner->next = table->first_free;
	table->first_free = number;
}

static void
owners_correct(OwnerKind kind, uint64 held)
{
	Membership *own = &memberships[kind];

	if (own->entry == NOBODY || held == own->counted)
		return;
	pg_atomic_fetch_add_u64(&shared_owners->of_kind[kind].entries[own->entry].held,
							(int64) (held - own->counted));
	own->counted = held;
}

/*
 * owners_change
 *		Let this process belong to another owner: when it has logged in, or is about to end.
 */
static void
owners_change(OwnerKind kind, Oid id)
{
	OwnerTable *table = &shared_owners->of_kind[kind];
	Membership *own = &memberships[kind];

	owners_correct(kind, 0);
	SpinLockAcquire(&shared_owners->lock);
	if (own->entry != NOBODY)
		owners_exit(table, own->entry);
	own->entry = OidIsValid(id) ? owners_enter(table, id) : NOBODY;
	SpinLockRelease(&shared_owners->lock);
	own->id = id;
}

void
OwnersCount(uint64 held)
{
	Oid ids[NUM_OWNER_KINDS];

	if (MyProc == NULL)
		return;
	ids[OWNER_USER] = MyProc->roleId;
	ids[OWNER_DATABASE] = MyProc->databaseId;
	for (int i = 0; i < NUM_OWNER_KINDS; i++)
	{
		if (unlikely(ids[i] != memberships[i].id))
			owners_change((OwnerKind) i, ids[i]);
		owners_correct((OwnerKind) i, held);
	}
}

void
OwnersLeave(void)
{
	for (int i = 0; i < NUM_OWNER_KINDS; i++)
		owners_change((OwnerKind) i, InvalidOid);
}

uint64
OwnersHeld(OwnerKind kind)
{
	int entry = memberships[kind].entry;

	if (entry == NOBODY)
		return 0;
	return pg_atomic_read_u64(&shared_owners->of_kind[kind].entries[entry].held);
}

int
OwnersCapacity(void)
{
	return shared_owners == NULL ? 0 : NUM_OWNER_KINDS * SlotCount();
}

bool
OwnersRead(int number, OwnerSum *sum)
{
	OwnerKind kind = (OwnerKind) (number / SlotCount());
	Owner *owner = &shared_owners->of_kind[kind].entries[number % SlotCount()];

	/* Most are free, and that can be seen without the lock. */
	if (*(volatile int *) &owner->processes == 0)
		return false;
	SpinLockAcquire(&shared_owners->lock);
	sum->kind = kind;
	sum->id = owner->id;
	sum->processes = owner->processes;
	sum->held = pg_atomic_read_u64(&owner->held);
	SpinLockRelease(&shared_owners->lock);
	return sum->processes > 0;
}
