/*-------------------------------------------------------------------------
 *
 * error_context.c
 *	  Filling with poison what ErrorContext gives up.
 *
 * Where all arenas are strict, or goarena.debug says clobber, allocations in ErrorContext are
 * noted.  After a reset, those that lie in its first block are filled with poison.  AllocSet keeps
 * that block, right behind the context, and gives the others back.  Nothing in it is in use then.
 * Nothing here takes memory or can fail.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "engine/poison.h"
#include "mcxt/compat.h"
#include "mcxt/debug.h"
#include "mcxt/error_context.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"

/* The least that AllocSet asks malloc for when ErrorContext is created, see mcxt.c; bytes. */
#define FIRST_BLOCK ((Size) 8 * 1024)

/* An error has some texts; one that is raised while another is handled has more. */
#define NOTED_OBJECTS 64

typedef struct NotedObject
{
	uintptr_t address;
	Size size; /* bytes that were asked for */
} NotedObject;

static const MemoryContextMethods *origin_methods;
static MemoryContextMethods error_methods;

/* The objects of the present life, and those of the life before. */
static NotedObject noted[NOTED_OBJECTS];
static int num_noted = 0;
static NotedObject poisoned[NOTED_OBJECTS];
static int num_poisoned = 0;
static uint32 reset_stack; /* see stack_store.h */

/*
 * error_is_watched
 *		Is ErrorContext watched?  Not where only a sample of the arenas is strict.
 */
static bool
error_is_watched(void)
{
	return (debug_checks & DEBUG_CLOBBER) != 0 ||
		   (goarena_enabled && goarena_quarantine == GA_QUARANTINE_STRICT &&
			goarena_sample_rate >= 1);
}

/*
 * error_is_in_first_block
 *		Does the object lie in the block that a reset keeps?
 */
static bool
error_is_in_first_block(MemoryContext context, uintptr_t address, Size size)
{
	uintptr_t start = (uintptr_t) context;

	return address >= start + sizeof(MemoryContextData) && address < start + FIRST_BLOCK &&
		   size <= start + FIRST_BLOCK - address;
}

static void *
error_alloc(MemoryContext context, Size size FLAGS_PARAMETER)
{
	void *object = origin_methods->alloc(context, size FLAGS_ARGUMENT);

	if (object != NULL && num_noted < NOTED_OBJECTS && error_is_watched() &&
		error_is_in_first_block(context, (uintptr_t) object, size))
		noted[num_noted++] = (NotedObject){(uintptr_t) object, size};
	return object;
}

static void
error_reset(MemoryContext context)
{
	int count = num_noted;

	origin_methods->reset(context);
	num_noted = num_poisoned = 0;
	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
		ga_poison_fill((void *) noted[i].address, noted[i].size & ~(Size) 7);
	memcpy(poisoned, noted, sizeof(noted[0]) * (Size) count);
	num_poisoned = count;
	reset_stack = goarena_free_stacks ? StackStoreTakeHere(DELAY_STACK_DEPTH) : 0;
}

void
ErrorContextWatch(const MemoryContextMethods *origin)
{
	ErrorContext->methods = origin;
	if (ErrorContext->mem_allocated < FIRST_BLOCK)
		return;
	origin_methods = origin;
	error_methods = *origin;
	error_methods.alloc = error_alloc;
	error_methods.reset = error_reset;
	ErrorContext->methods = &error_methods;
}

/*
 * error_is_live
 *		Is the address in an object of the present life?
 */
static bool
error_is_live(uintptr_t address)
{
	for (int i = 0; i < num_noted; i++)
		if (address - noted[i].address < noted[i].size)
			return true;
	return false;
}

bool
ErrorContextFind(uintptr_t address, ga_event *found)
{
	if (error_is_live(address))
		return false;
	for (int i = 0; i < num_poisoned; i++)
	{
		const NotedObject *object = &poisoned[i];

		if (address - object->address >= object->size)
			continue;
		*found = (ga_event){
			.object = object->address,
			.size = object->size,
			.offset = address - object->address,
			.freed = reset_stack,
		};
		return true;
	}
	return false;
}
