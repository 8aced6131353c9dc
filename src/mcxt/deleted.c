/*-------------------------------------------------------------------------
 *
 * deleted.c
 *	  See deleted.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mcxt/compat.h"
#include "mcxt/deleted.h"
#include "mcxt/free_history.h"
#include "mcxt/process_heap.h"

/*
 * At most this many contexts wait, each with AllocSet's first block of at most DELETED_MAX bytes.
 * A sample of contexts, which servers in production have, must not cost a session much memory.
 */
#define DELETED_CONTEXTS 32
#define DELETED_SAMPLE	 8
#define DELETED_MAX		 ((Size) 8 << 10)

typedef struct DeletedContext
{
	MemoryContext context;
	MemoryContextData before;	/* what stood there */
	MemoryContextData poisoned; /* what was put in its place */
	uint64 arena_id;
	uint64 note;
} DeletedContext;

static DeletedContext deleted_ring[DELETED_CONTEXTS];
static uint64 deleted_began; /* to wait */
static uint64 deleted_ended; /* of those, first come, first served */

/*
 * deleted_describe
 *		Fill an event with what is known of a deletion, as for the free of an object.
 */
static void
deleted_describe(const DeletedContext *deleted, ga_event *event)
{
	const FreeRecord *record = FreeHistoryFind(deleted->note);
	const FreeKind *kind = record == NULL ? NULL : FreeHistoryKind(record);

	event->kind = GA_EVENT_USE_AFTER_DELETE;
	event->arena_id = deleted->arena_id;
	event->object = (uintptr_t) deleted->context;
	event->size = sizeof(MemoryContextData);
	if (kind != NULL)
		event->freed = kind->stack;
}

/*
 * deleted_check
 *		Report a context that was written to while it waited.
 */
static void
deleted_check(const DeletedContext *deleted)
{
	const uint64 *found = (const uint64 *) deleted->context;
	const uint64 *expected = (const uint64 *) &deleted->poisoned;
	ga_event event = {0};
	size_t i = 0;

	if (likely(memcmp(found, expected, sizeof(MemoryContextData)) == 0))
		return;
	while (i < sizeof(MemoryContextData) / sizeof(uint64) - 1 && found[i] == expected[i])
		i++;
	deleted_describe(deleted, &event);
	event.offset = i * sizeof(uint64);
	event.value = found[i];
	ga_heap_add_event(&process_heap, &event);
}

/*
 * deleted_end_oldest
 *		Delete the context that has waited longest.
 */
static void
deleted_end_oldest(void)
{
	DeletedContext *deleted = &deleted_ring[deleted_ended++ % DELETED_CONTEXTS];
	MemoryContext context = deleted->context;

	deleted_check(deleted);
	*context = deleted->before;
	deleted->context = NULL;
	context->methods->delete_context(context);
}

void
DeletedContextsAdd(MemoryContext context, uint64 arena_id, uint64 note)
{
	const MemoryContextMethods *methods = context->methods;
	uint64 most = process_heap.config.sample_rate >= 1 ? DELETED_CONTEXTS : DELETED_SAMPLE;
	void *poison = (void *) (uintptr_t) GA_POISON;
	DeletedContext *deleted;

	if (context->mem_allocated > DELETED_MAX)
	{
		methods->delete_context(context);
		return;
	}

	while (deleted_began - deleted_ended >= most)
		deleted_end_oldest();
	deleted = &deleted_ring[deleted_began++ % DELETED_CONTEXTS];
	deleted->before = *context;
	context->methods = poison;
	context->parent = context->firstchild = poison;
	context->prevchild = context->nextchild = poison;
	context->reset_cbs = poison;
	deleted->poisoned = *context;
	deleted->context = context;
	deleted->arena_id = arena_id;
	deleted->note = note;
}

bool
DeletedContextsFind(uintptr_t address, ga_event *found)
{
	for (int i = 0; i < DELETED_CONTEXTS; i++)
	{
		uintptr_t context = (uintptr_t) deleted_ring[i].context;

		if (context == 0 || address - context >= sizeof(MemoryContextData))
			continue;
		*found = (ga_event){.offset = address - context};
		deleted_describe(&deleted_ring[i], found);
		return true;
	}
	return false;
}
