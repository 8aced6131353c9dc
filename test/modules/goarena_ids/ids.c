/*-------------------------------------------------------------------------
 *
 * ids.c
 *	  A library that takes entries of the server's table of memory context
 *	  methods, as goarena does, and before it.
 *
 * goarena_ids.take says how many, from the top down.  On PostgreSQL 15, which
 * has no such table, it takes none.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/memnodes.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 170000
#include "utils/memutils_internal.h"
#endif

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(ids_taken);
PG_FUNCTION_INFO_V1(ids_freed);

void _PG_init(void);

#define MAX_IDS 16

static int take = 1;
static int num_taken = 0;
static Datum taken[MAX_IDS];
static int num_freed = 0;
static Datum freed[MAX_IDS];

static Datum
IdArray(Datum *ids, int count)
{
	return PointerGetDatum(construct_array(ids, count, INT4OID, sizeof(int32), true, 'i'));
}

Datum
ids_taken(PG_FUNCTION_ARGS)
{
	return IdArray(taken, num_taken);
}

Datum
ids_freed(PG_FUNCTION_ARGS)
{
	num_freed = 0;
	for (int i = 0; i < num_taken; i++)
	{
		uint64 object[2] = {(uint64) DatumGetInt32(taken[i]), 0};

		pfree(&object[1]);
	}
	return IdArray(freed, num_freed);
}

#if PG_VERSION_NUM >= 170000
static void
IdsFree(void *pointer)
{
	freed[num_freed++] = Int32GetDatum((int32) ((uint64 *) pointer)[-1]);
}

/*
 * TakeId
 *		Make one entry ours.
 */
static void
TakeId(MemoryContextMethods *entry)
{
	uintptr_t page_size = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t from = (uintptr_t) entry & ~(page_size - 1);
	uintptr_t to = ((uintptr_t) (entry + 1) + page_size - 1) & ~(page_size - 1);

	if (mprotect((void *) from, to - from, PROT_READ | PROT_WRITE) != 0)
		elog(ERROR, "could not make the method table writable: %m");
	entry->free_p = IdsFree;
	if (mprotect((void *) from, to - from, PROT_READ) != 0)
		elog(ERROR, "could not protect the method table again: %m");
}
#endif

void
_PG_init(void)
{
	DefineCustomIntVariable("goarena_ids.take", "How many method ids to take.", NULL, &take, 1, 0,
							MAX_IDS - 1, PGC_SUSET, 0, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 170000
	for (int id = MCTX_15_RESERVED_WIPEDMEM_ID - 1; id > MCTX_BUMP_ID && num_taken < take; id--)
	{
		TakeId((MemoryContextMethods *) TopMemoryContext->methods - MCTX_ASET_ID + id);
		taken[num_taken++] = Int32GetDatum(id);
	}
#endif
}
