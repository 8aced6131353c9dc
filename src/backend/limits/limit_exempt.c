/*-------------------------------------------------------------------------
 *
 * limit_exempt.c
 *	  Contexts in which the server is not prepared for an allocation that fails.
 *
 * The server survives it nearly everywhere when memory is used up.  But that is rare, so few have
 * looked at what it leaves behind.  With a limit that any user can set, it becomes an everyday
 * event.  In bookkeeping that lives as long as the session, a failure at the wrong moment leaves
 *
 *	files without an owner: RelationCreateStorage() creates a file and then
 *		allocates the order to remove it if the transaction fails; mdopenfork()
 *		opens one and then allocates the place where that is noted
 *	malloc'd memory without an owner: locales and collators, connections
 *	tables of which only some are there: typcache.c (from 17 on) and
 *		ri_triggers.c create several, and know by the first that all exist, or
 *		register callbacks again with each attempt
 *	libraries that are loaded by half: the next attempt fails, since a setting is
 *		defined already
 *	statistics that cannot be sent, outside of a transaction, again and again
 *	parts of relation descriptors in CacheMemoryContext
 *
 * All of these are small.  So such contexts get what they ask for, as long as the process holds no
 * more than EXEMPT beyond the limit.  That bound keeps users from abusing it.
 *
 * The buffers of temporary tables are another matter: they can be large.
 * InitLocalBuffers() has their descriptors from calloc(), and then creates a hash
 * table.  If that is refused, the next attempt would allocate the descriptors again,
 * so they are freed here, and the unfinished table goes when the (sub)transaction is
 * rolled back.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "backend/faults/guard.h"
#include "backend/limits/limit_exempt.h"

#define EXEMPT ((Size) 4 << 20)

/* Between two messages, allocations of up to this many bytes are never refused. */
#define MAIN_LOOP_EXEMPT ((Size) 1 << 20)

/* Names of exempt contexts below TopMemoryContext; hash tables come on top. */
static const char *const exempt_names[] = {
	"CacheMemoryContext", /* relation descriptors that are being built, type cache */
	"MdSmgr",			  /* open files of relations */
	"PgStat Pending",	  /* statistics, see pgstat_report_stat() */
	"PgStat Shared Ref",
	"PgStat Shared Ref Hash",
};

static MemoryContext unfinished = NULL; /* the table of local buffers */

/*
 * exempt_is_hash_table
 *		Is this the context of a hash table that lives as long as the session? dynahash.c gives the
 *		contexts of all its tables one name.
 */
static bool
exempt_is_hash_table(MemoryContext context)
{
	return (context->parent == TopMemoryContext || context->parent == CacheMemoryContext) &&
		   strcmp(GuardName(context), "dynahash") == 0;
}

Size
LimitExemption(MemoryContext context)
{
	const char *name;

	if (context == TopMemoryContext || exempt_is_hash_table(context))
		return EXEMPT;
	if (context->parent != TopMemoryContext)
		return 0;
	name = GuardName(context);
	for (int i = 0; i < lengthof(exempt_names); i++)
		if (strcmp(name, exempt_names[i]) == 0)
			return EXEMPT;
	return 0;
}

/*
 * LimitExemptsMainLoop
 *		Before PostgresMain() reads a message it sends statistics, and allocates a buffer.  An
 *		error there leads back to the same place at once: the session would go round for ever,
 *		and hear neither its client nor a signal.  No user's code runs then.
 */
bool
LimitExemptsMainLoop(MemoryContext context, Size bytes)
{
	if (debug_query_string != NULL || bytes > MAIN_LOOP_EXEMPT)
		return false;
	return (context != NULL && context == MessageContext) ||
		   (MyBackendType == B_BACKEND && !IsTransactionOrTransactionBlock());
}

static void
exempt_free_descriptors(void)
{
	free(LocalBufferDescriptors);
	LocalBufferDescriptors = NULL;
	free(LocalBufferBlockPointers);
	LocalBufferBlockPointers = NULL;
	free(LocalRefCount);
	LocalRefCount = NULL;
}

/*
 * LimitExemptRefused
 *		Descriptors that count no buffers yet are there only while the hash table is
 *		being created, or after that failed.
 */
void
LimitExemptRefused(MemoryContext context)
{
	if (NLocBuffer != 0 || LocalBufferDescriptors == NULL)
		return;
	exempt_free_descriptors();
	if (exempt_is_hash_table(context))
		unfinished = context;
}

void
LimitExemptAfterError(void)
{
	if (unfinished != NULL)
		MemoryContextDelete(unfinished);
	unfinished = NULL;
}
