/*-------------------------------------------------------------------------
 *
 * chunk_format_id.c
 *	  Chunk headers of PostgreSQL 16 and later: a method id.
 *
 * mcxt.c takes the low four bits of the word before a pointer as an index into
 * mcxt_methods[] and calls the methods there.  The array is constant, private
 * to mcxt.c and full: ids that no context type uses have functions that raise
 * an error.  Arenas take the place of one of these.
 *
 * What the bits of the word before an object mean:
 *
 *	0-3		method id; the server's
 *	4-63	belong to the context type whose id it is.  In chunks of other types
 *			bit 4 says that a chunk is large (external), 5 to 34 are its size
 *			and 34 to 63 the distance to its block.  No code outside of these
 *			types looks at them, so in arenas they are what engine/arena.h
 *			says: state, size and slack.
 *
 * palloc_aligned allocates a larger object, and puts another such word into it, before the aligned
 * address.  The id there leads to the server's alignedalloc.c, which finds the larger object.
 *
 * A pointer to an object leads to its arena through the engine's address map, unless
 * it points to where the last arena that was found frees objects.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "mcxt/arena_context.h"
#include "mcxt/chunk_format.h"
#include "mcxt/foreign_text.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"
#include "mcxt/server_table.h"
#include "mcxt/zero_base.h"

#if !GA_OWNER_WORD

#include "utils/memutils_internal.h"

#define METHOD_IDS (1 << MEMORY_CONTEXT_METHODID_BITS)

StaticAssertDecl(METHOD_IDS == 16 && METHOD_IDS - 1 == GA_HDR_TAG_MASK,
				 "the engine's tag must be what the server takes for the method id");

static MemoryContextMethods *method_table; /* mcxt_methods */
static int own_id;						   /* the entry that is ours */
static MemoryContextMethods unused_entry;  /* what stood there */

/*
 * format_wants_error
 *		Does the caller of an allocation want an error when there is no memory?
 *		dynahash.c asks for NULL, and then raises an error that does not say why.
 */
static bool
format_wants_error(MemoryContext context, int flags)
{
	char name[CONTEXT_NAME_LENGTH];

	return (flags & MCXT_ALLOC_NO_OOM) == 0 ||
		   strcmp(ForeignNameCopy(name, context->name, sizeof(name)), "dynahash") == 0;
}

/*
 * ChunkFormatFailure
 *		Raises an error or returns NULL, as the caller of the allocation wants it.
 */
pg_noinline void *
ChunkFormatFailure(MemoryContext context, Size size, int flags)
{
	if (refusal.crossed != NO_LIMIT_CROSSED && format_wants_error(context, flags))
		process_heap_callbacks->raise_refusal(context, size);
	return MemoryContextAllocationFailure(context, size, flags);
}

static GA_HOT void *
format_alloc(MemoryContext context, Size size, int flags)
{
	ArenaSet *set = ArenaSetOfContext(context);
	void *object;

	if (unlikely(size > GA_SMALL_MAX))
		MemoryContextCheckSize(context, size, flags);
	object = ArenaContextAlloc(set, size);
	if (unlikely(object == NULL))
		return ChunkFormatFailure(context, size, flags);
	return object;
}

static void *
format_careful_alloc(MemoryContext context, Size size, int flags)
{
	ArenaSet *set = ArenaSetOfContext(context);
	uint32 stack;
	void *object;

	MemoryContextCheckSize(context, size, flags);
	StackTraceCaller();
	stack = ArenaContextStack(set);
	StackTraceCallerEnd();
	object = ArenaContextAllocCareful(set, size, stack);
	if (unlikely(object == NULL))
		return ChunkFormatFailure(context, size, flags);
	return object;
}

/*
 * The set that was found last.  This pointer is always valid: memory of sets is never unmapped, and
 * an arena that has ended has no window.
 */
static ArenaSet no_set = {.arena.active_first = UINTPTR_MAX};
static ArenaSet *last_set = &no_set;

/*
 * format_look_up
 *		Find the set that an object belongs to, by its address.  If there is none, reports that, and
 *		returns NULL.
 */
static pg_noinline ArenaSet *
format_look_up(const void *pointer)
{
	const ga_chunk *chunk = ga_heap_lookup(&process_heap, (uintptr_t) pointer);

	if (unlikely(chunk == NULL || chunk->arena == NULL ||
				 ArenaSetOf(chunk->arena)->context == NULL))
	{
		if (pointer != ZeroBase())
			ArenaContextReportBadPointer(NULL, pointer, GA_FREE_WILD);
		return NULL;
	}
	last_set = ArenaSetOf(chunk->arena);
	return last_set;
}

/*
 * format_set_of_object
 *		As format_look_up, but tries the last set first: objects are often freed where one was freed
 *		before.
 */
static inline ArenaSet *
format_set_of_object(const void *pointer)
{
	return likely(ga_arena_window_has(&last_set->arena, (uintptr_t) pointer))
			   ? last_set
			   : format_look_up(pointer);
}

static GA_HOT void
format_free(void *pointer)
{
	ArenaSet *set = format_set_of_object(pointer);

	if (likely(set != NULL) && unlikely(!ArenaContextFreeFast(set, pointer)))
		ArenaContextFreeSlow(set, pointer);
}

static void *
format_realloc(void *pointer, Size size, int flags)
{
	ArenaSet *set = format_set_of_object(pointer);
	void *object;

	if (unlikely(set == NULL))
	{
		if (pointer == ZeroBase())
			ZeroBaseRefuse();
		return NULL;
	}
	MemoryContextCheckSize(set->context, size, flags);
	object = ArenaContextRealloc(set, pointer, size);
	if (unlikely(object == NULL))
		return ChunkFormatFailure(set->context, size, flags);
	return object;
}

static MemoryContext
format_get_context(void *pointer)
{
	ArenaSet *set = format_set_of_object(pointer);

	if (unlikely(set == NULL))
		return pointer == ZeroBase() ? ZeroBaseContext() : NULL;
	return set->context;
}

static Size
format_get_space(void *pointer)
{
	return format_set_of_object(pointer) == NULL ? 0 : ArenaContextSpaceOf(pointer);
}

static const MemoryContextMethods arena_methods = {
	.alloc = format_alloc,
	.free_p = format_free,
	.realloc = format_realloc,
	.reset = ArenaContextReset,
	.delete_context = ArenaContextDelete,
	.get_chunk_context = format_get_context,
	.get_chunk_space = format_get_space,
	.is_empty = ArenaContextIsEmpty,
	.stats = ArenaContextStats,
#ifdef MEMORY_CONTEXT_CHECKING
	.check = ArenaContextCheck,
#endif
};

static const MemoryContextMethods careful_methods = {.alloc = format_careful_alloc};

/*
 * format_id_is_unused
 *		Does an entry have the functions of one that is known to be unused?
 */
static bool
format_id_is_unused(int id)
{
	const MemoryContextMethods *entry = &method_table[id];
	const MemoryContextMethods *unused = &method_table[0];

	return entry->alloc == NULL && entry->reset == NULL && entry->delete_context == NULL &&
		   entry->is_empty == NULL && entry->stats == NULL && entry->free_p == unused->free_p &&
		   entry->realloc == unused->realloc &&
		   entry->get_chunk_context == unused->get_chunk_context &&
		   entry->get_chunk_space == unused->get_chunk_space;
}

/*
 * format_id_is_type
 *		Are these the methods of a context type of the server?
 */
static bool
format_id_is_type(int id)
{
	const MemoryContextMethods *entry = &method_table[id];

	return entry->free_p != method_table[0].free_p && ServerOwns(entry->alloc) &&
		   ServerOwns(entry->free_p) && ServerOwns(entry->realloc) && ServerOwns(entry->reset) &&
		   ServerOwns(entry->delete_context) && ServerOwns(entry->get_chunk_context) &&
		   ServerOwns(entry->get_chunk_space) && ServerOwns(entry->is_empty) &&
		   ServerOwns(entry->stats);
}

/*
 * format_has_methods
 *		Does a new context have the methods at this index?  Deletes it.
 */
static bool
format_has_methods(MemoryContext probe, int id)
{
	bool result = probe->methods == &method_table[id];

	MemoryContextDelete(probe);
	return result;
}

/*
 * format_verify_table
 *		Is the table where it should be?  Its beginning is computed from AllocSet's entry, its
 *		length is known from the server's headers, and the entries must agree with both.  Returns
 *		NULL, or what does not.
 */
static const char *
format_verify_table(void)
{
	static const int unused[] = {
		MCTX_0_RESERVED_UNUSEDMEM_ID,
		MCTX_1_RESERVED_GLIBC_ID,
		MCTX_2_RESERVED_GLIBC_ID,
		MCTX_15_RESERVED_WIPEDMEM_ID,
	};
	static const int used[] = {MCTX_ASET_ID, MCTX_GENERATION_ID, MCTX_SLAB_ID, MCTX_BUMP_ID};

	if (!ServerOwns(method_table) || !ServerOwns(&method_table[METHOD_IDS - 1]))
		return "The table of methods is not part of the server program.";
	if (!ServerOwns(method_table[0].free_p) || !ServerOwns(method_table[0].get_chunk_context) ||
		!ServerOwns(method_table[MCTX_ALIGNED_REDIRECT_ID].free_p))
		return "The table of methods does not hold functions of the server program.";
	for (int i = 0; i < lengthof(unused); i++)
		if (!format_id_is_unused(unused[i]))
			return "Reserved entries of the table of methods are not as expected.";
	for (int i = 0; i < lengthof(used); i++)
		if (!format_id_is_type(used[i]))
			return "The table of methods does not hold the context types that are expected.";
	if (!format_has_methods(
			GenerationContextCreate(TopMemoryContext, "goarena probe", ALLOCSET_SMALL_SIZES),
			MCTX_GENERATION_ID) ||
		!format_has_methods(SlabContextCreate(TopMemoryContext, "goarena probe", 8192, 64),
							MCTX_SLAB_ID) ||
		!format_has_methods(
			BumpContextCreate(TopMemoryContext, "goarena probe", ALLOCSET_SMALL_SIZES),
			MCTX_BUMP_ID))
		return "New contexts do not have the methods that the table holds for their type.";
	return NULL;
}

/*
 * format_choose_id
 *		Choose the id to take; 0 if there is none.  Later majors fill the table from below, so the
 *		uppermost unused entry is the last that they will want.  Entries 0 to 2 and 15 are for words
 *		of memory that is no chunk, and stay as they are.
 */
static int
format_choose_id(void)
{
	if (goarena_method_id != METHOD_ID_AUTO)
		return format_id_is_unused(goarena_method_id) ? goarena_method_id : 0;
	for (int id = METHOD_IDS - 2; id > MCTX_BUMP_ID; id--)
		if (format_id_is_unused(id))
			return id;
	return 0;
}

MemoryContextMethods *
ChunkFormatTable(ContextType type)
{
	static const int ids[CONTEXT_TYPES] = {
		[OTHER_ALLOCSET] = MCTX_ASET_ID,
		[OTHER_GENERATION] = MCTX_GENERATION_ID,
		[OTHER_SLAB] = MCTX_SLAB_ID,
		[OTHER_BUMP] = MCTX_BUMP_ID,
	};

	return &method_table[ids[type]];
}

const char *
ChunkFormatStart(void)
{
	const char *wrong;
	int id;

	method_table = (MemoryContextMethods *) TopMemoryContext->methods - MCTX_ASET_ID;
	wrong = format_verify_table();
	if (wrong != NULL)
		return wrong;
	id = format_choose_id();
	if (id == 0)
		return goarena_method_id == METHOD_ID_AUTO
				   ? "All entries of the table of methods are in use."
				   : "The entry that goarena.method_id names is in use.";

	unused_entry = method_table[id];
	wrong = ServerTableStore(&method_table[id], &arena_methods, sizeof(arena_methods));
	if (wrong == NULL)
	{
		own_id = id;
		ArenaContextsStart(&arena_methods, &careful_methods, (unsigned) id);
		ZeroBaseStart((unsigned) id);
		elog(DEBUG1, "goarena takes method id %d", id);
	}
	return wrong;
}

/* The methods of arenas raise their errors themselves. */
void
ChunkFormatTopMethods(MemoryContextMethods *methods)
{
}

void
ChunkFormatStop(void)
{
	(void) ServerTableStore(&method_table[own_id], &unused_entry, sizeof(unused_entry));
}

#endif /* !GA_OWNER_WORD */
