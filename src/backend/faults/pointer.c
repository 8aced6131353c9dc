/*-------------------------------------------------------------------------
 *
 * pointer.c
 *	  See pointer.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/faults/fault_find.h"
#include "backend/faults/pointer.h"
#include "engine/find.h"
#include "mcxt/arena_set.h"
#include "mcxt/foreign_text.h"
#include "mcxt/free_history.h"
#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"

StaticAssertDecl(GOARENA_POINTER_STACK >= STORE_DEEPEST, "stacks of frees must fit");
StaticAssertDecl(GOARENA_POINTER_QUERY >= FREE_QUERY_LENGTH, "queries must fit");

/*
 * pointer_put_owner
 *		Fill in the context of an arena, which may be gone.
 */
static void
pointer_put_owner(GoarenaPointer *result, uint64 arena_id)
{
	const ArenaSet *set = FreeHistoryLiveSet(arena_id);
	const char *name = FreeHistoryContextName(arena_id);

	result->arena_id = arena_id;
	if (set != NULL)
		result->context = set->context;
	if (name != NULL)
		(void) ForeignNameCopy(result->context_name, name, sizeof(result->context_name));
}

/*
 * pointer_put_object
 *		Fill in the object that the address lies in.
 */
static void
pointer_put_object(GoarenaPointer *result, uintptr_t address, uintptr_t object, Size size)
{
	result->object = (void *) object;
	result->size = size;
	result->offset = address - object;
}

/*
 * pointer_requested
 *		How many bytes were asked for, as far as the header of an object, in whatever state, shows
 *		that.
 */
static Size
pointer_requested(const void *object)
{
	return (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_FREE
			   ? ga_object_size_any(object)
			   : ga_object_requested(object);
}

static void
pointer_put_stack(GoarenaPointer *result, uint32 number)
{
	int depth;
	const uintptr_t *stack = StackStoreGet(number, &depth);

	result->freed_depth = depth;
	for (int i = 0; i < depth; i++)
		result->freed_stack[i] = (void *) stack[i];
}

/*
 * pointer_is_live
 *		Does the address lie in an object that was not freed?  Reads only the object: the rest of a
 *		large one's chunk may fault.
 */
static bool
pointer_is_live(uintptr_t address, const ga_chunk *chunk, GoarenaPointer *result)
{
	const ga_arena *arena = chunk->arena;
	const void *object;
	ga_found found;

	/* The type map finds typed objects without trusting the chunk. */
	if (ga_object_find(&process_heap, address, &found))
	{
		result->state = GOARENA_POINTER_LIVE;
		pointer_put_owner(result, arena->id);
		pointer_put_object(result, address, found.start, found.size);
		result->type = (const GoarenaType *) found.type;
		return true;
	}
	if (ga_chunk_in_back(chunk, address))
		return false;
	if (chunk->large)
		object = (void *) (chunk->start + GA_HEADER_SIZE);
	else
		object = ga_object_at(chunk->start, ga_bump_of(arena, chunk), address);
	if (object == NULL || (*ga_object_header(object) & GA_HDR_STATE_MASK) != GA_HDR_LIVE ||
		address - (uintptr_t) object >= ga_object_size(object))
		return false;
	result->state = GOARENA_POINTER_LIVE;
	pointer_put_owner(result, arena->id);
	pointer_put_object(result, address, (uintptr_t) object, ga_object_requested(object));
	return true;
}

/*
 * pointer_put_place
 *		Fill in memory that was given up as a whole.  If its pages are still there, they show which
 *		object it was.
 */
static void
pointer_put_place(GoarenaPointer *result, uintptr_t address, const ga_freed_place *place)
{
	const ga_freed *freed = place->freed;
	const FreeRecord *record;
	const FreeKind *kind;
	const char *query;
	const void *object = NULL;

	if (freed == NULL)
		return;
	pointer_put_owner(result, freed->arena_id);
	if (freed->large)
		pointer_put_object(result, address, freed->from + GA_HEADER_SIZE,
						   freed->to - freed->from - GA_HEADER_SIZE - freed->slack);
	else if (place->readable && !freed->noscan)
		object = ga_object_at(freed->from + place->moved, freed->to + place->moved,
							  address + place->moved);
	if (object != NULL)
		pointer_put_object(result, address, (uintptr_t) object - place->moved,
						   pointer_requested(object));

	record = FreeHistoryFind(freed->note);
	if (record == NULL)
		return;
	result->freed_at = record->at;
	query = FreeHistoryQuery(record);
	if (query != NULL)
		strlcpy(result->freed_query, query, sizeof(result->freed_query));
	kind = FreeHistoryKind(record);
	if (kind == NULL)
		return;
	result->freed_by = FreedByName(kind->how);
	(void) ForeignNameCopy(result->context_name, kind->name, sizeof(result->context_name));
	pointer_put_stack(result, kind->stack);
}

/*
 * pointer_put_freed
 *		Fill in what a report would say of freed memory.
 */
static void
pointer_put_freed(GoarenaPointer *result, uintptr_t address, const FaultMemory *memory)
{
	const ga_event *object = &memory->object;

	if (memory->rewound != 0)
	{
		/*
		 * A reset, or a free of the last object, took the bump pointer back; or nothing was there.
		 */
		pointer_put_owner(result, memory->rewound);
		return;
	}
	result->state = GOARENA_POINTER_FREED;
	if (memory->freed)
		pointer_put_place(result, address, &memory->place);
	else
	{
		pointer_put_owner(result, object->arena_id);
		pointer_put_object(result, address, object->object, object->size);
		result->freed_by = FreedByName(
			object->kind == GA_EVENT_USE_AFTER_DELETE ? GA_FREED_BY_DELETE : GA_FREED_BY_PFREE);
		pointer_put_stack(result, object->freed);
	}
}

void
PointerDescribe(const void *pointer, GoarenaPointer *result, Size size)
{
	uintptr_t address = (uintptr_t) pointer;
	GoarenaPointer all = {.state = GOARENA_POINTER_ELSEWHERE};
	FaultMemory memory = {0};

	if (process_heap_ready)
	{
		const ga_chunk *chunk = ga_heap_lookup(&process_heap, address);

		if (ga_segment_of(&process_heap, address) != NULL)
			all.state = GOARENA_POINTER_UNUSED;
		if ((chunk == NULL || chunk->arena == NULL || !pointer_is_live(address, chunk, &all)) &&
			FaultFindFreed(address, &memory))
			pointer_put_freed(&all, address, &memory);
	}
	memset(result, 0, size);
	memcpy(result, &all, Min(size, sizeof(all)));
}
