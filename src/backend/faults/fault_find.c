/*-------------------------------------------------------------------------
 *
 * fault_find.c
 *	  Finding out what a fault has to do with freed memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/faults/fault_find.h"
#include "backend/faults/processor.h"
#include "engine/careful.h"
#include "engine/delay.h"
#include "mcxt/deleted.h"
#include "mcxt/error_context.h"
#include "mcxt/process_heap.h"

/* Search this many words on top of the stack for an address of freed memory. */
#define STACK_WORDS 64

/* A function that looks for freed memory at an address. */
typedef bool (*Finder)(uintptr_t address, FaultMemory *memory);

/*
 * fault_find_poisoned
 *		Find a poisoned object, or a deleted context, at an address.
 */
static bool
fault_find_poisoned(uintptr_t address, FaultMemory *memory)
{
	memory->in_error_context = ErrorContextFind(address, &memory->object);
	memory->is_object = memory->in_error_context ||
						ga_delay_find(&process_heap, address, &memory->object) ||
						DeletedContextsFind(address, &memory->object);
	return memory->is_object;
}

/*
 * fault_end_of
 *		Where the used part of an arena's chunk ends.
 */
static uintptr_t
fault_end_of(const ga_chunk *chunk)
{
	return chunk == chunk->arena->active ? chunk->arena->ptr : chunk->used;
}

/*
 * fault_find_unpoisoned
 *		Find an object that was freed in an arena that is not quarantined.
 */
static bool
fault_find_unpoisoned(const ga_chunk *chunk, uintptr_t address, FaultMemory *memory)
{
	const void *object;

	if (chunk->large || chunk->arena == NULL)
		return false;
	object = ga_object_at(chunk->start, fault_end_of(chunk), address);
	if (object == NULL || (*ga_object_header(object) & GA_HDR_STATE_MASK) != GA_HDR_FREE)
		return false;
	memory->is_object = true;
	memory->object = (ga_event){
		.arena_id = chunk->arena->id,
		.object = (uintptr_t) object,
		.size = ga_object_size_any(object),
	};
	return true;
}

bool
FaultFindFreed(uintptr_t address, FaultMemory *memory)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, address);

	memory->freed = ga_history_explain(&process_heap, address, &memory->place);
	if (memory->freed)
		return true;
	if (chunk == NULL || chunk->arena == NULL)
	{
		memory->is_object = DeletedContextsFind(address, &memory->object);
		return memory->is_object;
	}
	if (!chunk->large && address >= fault_end_of(chunk) &&
		address < ga_min_size(chunk->base + chunk->touched, ga_chunk_front_end(chunk)))
	{
		memory->rewound = chunk->arena_id;
		return true;
	}
	return fault_find_poisoned(address, memory) || fault_find_unpoisoned(chunk, address, memory);
}

/*
 * fault_search
 *		Search the registers, and then the top of the stack, for an address of freed memory: the
 *		code that faulted often still has it there.
 */
static bool
fault_search(const ucontext_t *context, Finder find, FaultMemory *memory)
{
	static uintptr_t words[STACK_WORDS];
	size_t count;

	for (int i = 0; i < PROCESSOR_REGISTERS; i++)
	{
		memory->address = ProcessorRegister(context, i);
		memory->found_in = "register";
		if (find(memory->address, memory))
			return true;
	}
	count =
		process_heap.os->peek(words, (const void *) ProcessorStackPointer(context), sizeof(words)) /
		sizeof(words[0]);
	for (size_t i = 0; i < count; i++)
	{
		memory->address = words[i];
		memory->found_in = "stack";
		if (find(memory->address, memory))
			return true;
	}
	*memory = (FaultMemory){0};
	return false;
}

/*
 * fault_leads_from_freed
 *		Was the fault caused by following a pointer that was read from freed memory?  If so, sets
 *		*address to where it led; or to the pointer itself, if it is no possible address.
 */
static bool
fault_leads_from_freed(const siginfo_t *info, const ucontext_t *context, uintptr_t *address)
{
	if (ga_is_poison(*address))
		return true;
	if (!ProcessorHidesAddress(info))
		return false;
	for (int i = 0; i < PROCESSOR_REGISTERS; i++)
		if (ga_is_poison(ProcessorRegister(context, i)))
		{
			*address = ProcessorRegister(context, i);
			return true;
		}
	return false;
}

/*
 * fault_find_overrun
 *		Does an object end before the address that has pages of its own?
 */
static bool
fault_find_overrun(uintptr_t address, FaultMemory *memory)
{
	const void *object = ga_fence_find(&process_heap, address);
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, address);

	if (object == NULL)
		return false;
	memory->address = address;
	memory->is_object = true;
	memory->object = (ga_event){
		.arena_id = chunk->arena_id,
		.object = (uintptr_t) object,
		.size = ga_object_requested(object),
		.offset = address - (uintptr_t) object,
		.allocated = chunk->stack,
	};
	return true;
}

FaultKind
FaultFind(const siginfo_t *info, const ucontext_t *context, uintptr_t *address, bool *guessed,
		  FaultMemory *memory)
{
	*memory = (FaultMemory){0};
	*address = (uintptr_t) info->si_addr;
	*guessed = false;
	if (!process_heap_ready)
		return FAULT_FOREIGN;
	memory->freed = ga_history_explain(&process_heap, *address, &memory->place);
	if (memory->freed)
	{
		memory->address = *address;
		return FAULT_ACCESS;
	}
	if (fault_find_overrun(*address, memory))
		return FAULT_OVERRUN;
	if (fault_leads_from_freed(info, context, address))
	{
		/* Nothing shows directly from which object the pointer was read, so search for one. */
		*guessed = ProcessorHidesAddress(info);
		(void) fault_search(context, fault_find_poisoned, memory);
		return FAULT_FOLLOWED;
	}
	return FAULT_FOREIGN;
}

FaultKind
FaultFindNearby(const ucontext_t *context, FaultMemory *memory)
{
	if (process_heap_ready && fault_search(context, FaultFindFreed, memory))
		return FAULT_NEARBY;
	return FAULT_FOREIGN;
}
