/*-------------------------------------------------------------------------
 *
 * stack_store.c
 *	  See stack_store.h.
 *
 * Stacks stand in a ring, in the order in which they were first seen, and a table
 * of hashes leads to them.  A second table has, by where the caller is, a stack that was
 * found there, and where each of its return addresses was.  If all of them still are in
 * their places, and the registers are what they were, it is the same stack.
 * (Where a function's frame has no fixed size, an old return address could be found in the place
 * of the true one.  The stack is then one that was there before; nothing is read
 * but the stack.)
 *
 * Most allocations have the same innermost function, so the callers by the chain of frame
 * pointers, if there is one, are part of the hash.
 *
 * All of it is metadata of the engine, so that sweeps skip it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mcxt/process_heap.h"
#include "mcxt/stack_store.h"
#include "mcxt/stack_trace.h"

/* The ring, in blocks that are made when they are needed; 2 MB in all. */
#define STORE_BLOCK	 64
#define STORE_BLOCKS 256
#define STORE_RING	 (STORE_BLOCK * STORE_BLOCKS)

/* Where a hash may lead. */
#define STORE_BUCKETS	  1024
#define STORE_BUCKET_WAYS 4

/* Where stacks were found, and how many callers the hash of that has. */
#define STORE_SETS	  512
#define STORE_WAYS	  4
#define STORE_CALLERS 3

#define STORE_MULTIPLIER UINT64CONST(0x9e3779b97f4a7c15)

typedef struct StoredStack
{
	uint32 number; /* from 1 on; 0 in one never used */
	int32 depth;
	uintptr_t frames[STORED_DEPTH]; /* beyond depth the last one once more */
} StoredStack;

typedef struct KnownPlace
{
	ga_place caller;
	uint32 number;				/* of its stack; 0 in one never used */
	uint32 above[STORED_DEPTH]; /* bytes from sp on to each return address, likewise */
} KnownPlace;

/* Places whose hashes agree in part.  What was found last takes the next one's place. */
typedef struct KnownSet
{
	uint32 tags[STORE_WAYS]; /* the rest of the hash; 0 in one never used */
	uint32 next;
	KnownPlace places[STORE_WAYS];
} KnownSet;

static StoredStack *blocks[STORE_BLOCKS];
static uint32 last_number;
static uint32 (*buckets)[STORE_BUCKET_WAYS]; /* NULL until needed */
static KnownSet *known_sets;				 /* likewise */

static inline StoredStack *
store_entry(uint32 number)
{
	StoredStack *block = blocks[number % STORE_RING / STORE_BLOCK];

	return block == NULL ? NULL : &block[number % STORE_BLOCK];
}

const uintptr_t *
StackStoreGet(uint32 number, int *depth)
{
	const StoredStack *entry = number == 0 ? NULL : store_entry(number);

	*depth = entry != NULL && entry->number == number ? entry->depth : 0;
	return *depth == 0 ? NULL : entry->frames;
}

/*
 * store_prepare
 *		Memory for the tables.  False if there is none.
 */
static bool
store_prepare(void)
{
	ga_metadata *metadata = &process_heap.metadata;

	if (likely(known_sets != NULL))
		return true;
	if (buckets == NULL)
		buckets = ga_persistent_alloc(metadata, STORE_BUCKETS * sizeof(*buckets));
	if (buckets != NULL)
		known_sets = ga_persistent_alloc(metadata, STORE_SETS * sizeof(KnownSet));
	return known_sets != NULL;
}

static uint64
store_hash(const uintptr_t *frames, int depth)
{
	uint64 hash = (uint64) depth;

	for (int i = 0; i < depth; i++)
		hash = (hash ^ frames[i]) * STORE_MULTIPLIER;
	return hash >> 32;
}

/*
 * store_add
 *		A stack that was not seen before takes the place of the oldest one.
 */
static uint32
store_add(const uintptr_t *frames, int depth)
{
	uint32 number = last_number + 1 == 0 ? 1 : last_number + 1;
	StoredStack **block = &blocks[number % STORE_RING / STORE_BLOCK];
	StoredStack *entry;

	if (*block == NULL)
		*block = ga_persistent_alloc(&process_heap.metadata, STORE_BLOCK * sizeof(StoredStack));
	if (*block == NULL)
		return 0;
	last_number = number;
	entry = store_entry(number);
	entry->number = number;
	entry->depth = depth;
	for (int i = 0; i < STORED_DEPTH; i++)
		entry->frames[i] = frames[Min(i, depth - 1)];
	return number;
}

/*
 * store_intern
 *		The number of a stack.
 */
static uint32
store_intern(const uintptr_t *frames, int depth)
{
	uint32 *bucket = buckets[store_hash(frames, depth) % STORE_BUCKETS];

	for (int i = 0; i < STORE_BUCKET_WAYS; i++)
	{
		int known_depth;
		const uintptr_t *known = StackStoreGet(bucket[i], &known_depth);

		if (known_depth == depth && memcmp(known, frames, (Size) depth * sizeof(uintptr_t)) == 0)
			return bucket[i];
	}
	memmove(&bucket[1], &bucket[0], (STORE_BUCKET_WAYS - 1) * sizeof(*bucket));
	bucket[0] = store_add(frames, depth);
	return bucket[0];
}

/*
 * store_recognize
 *		Is the stack at a place the one that was found there?  All return addresses are
 *		compared: hardly any that gets so far differs.
 */
static inline bool
store_recognize(const KnownPlace *known, const ga_place *caller)
{
	const StoredStack *stored = store_entry(known->number);
	const char *sp = (const char *) caller->sp;
	uintptr_t differences = 0;

	if (known->caller.pc != caller->pc || known->caller.sp != caller->sp ||
		known->caller.fp != caller->fp || stored->number != known->number)
		return false;

#pragma GCC unroll 16
	for (int i = 1; i < STORED_DEPTH; i++)
		differences |= *(const uintptr_t *) (sp + known->above[i]) ^ stored->frames[i];
	return differences == 0;
}

/*
 * store_walk
 *		Walk up from a place, and note where return addresses are.  Returns whether all of
 *		them can be found there again.
 */
static bool
store_walk(const ga_place *caller, uintptr_t *frames, uint32 *above, int *depth)
{
	ga_view stack = ga_view_of(caller->sp, caller->sp + StackTraceDepth(caller->sp));
	ga_place place = *caller;
	bool plain = true;
	int count = 1;

	frames[0] = place.pc;
	above[0] = 0;
	while (count < STORED_DEPTH && ga_walk_step(&stack, &ga_code_here, &place))
	{
		uintptr_t word = 0;
		uintptr_t at = place.sp - sizeof(word);

		plain = plain && !place.guessed && !place.exact && ga_view_word(&stack, at, &word) &&
				word == place.pc && at - caller->sp <= PG_UINT32_MAX;
		frames[count] = place.pc;
		above[count++] = (uint32) (at - caller->sp);
	}
	*depth = count;
	return plain;
}

/*
 * store_take_anew
 *		Nothing is known of the place, or something else.
 */
static pg_noinline uint32
store_take_anew(const ga_place *caller, KnownSet *set, uint32 tag)
{
	uintptr_t frames[STORED_DEPTH];
	uint32 above[STORED_DEPTH];
	int depth;
	bool plain = store_walk(caller, frames, above, &depth);
	uint32 number = store_intern(frames, depth);

	if (plain && depth > 1 && number != 0)
	{
		KnownPlace *place = &set->places[set->next % STORE_WAYS];

		set->tags[set->next++ % STORE_WAYS] = tag;
		place->caller = *caller;
		place->number = number;
		for (int i = 0; i < STORED_DEPTH; i++)
			place->above[i] = above[Min(i, depth - 1)];
	}
	return number;
}

/*
 * store_take_elsewhere
 *		On a stack other than that of the process nobody knows what is there.
 */
static pg_noinline uint32
store_take_elsewhere(void)
{
	uintptr_t frames[STORED_DEPTH];
	int depth = StackTraceTake(frames, STORED_DEPTH);

	return depth == 0 ? 0 : store_intern(frames, depth);
}

/*
 * store_hash_place
 *		Frame pointers may be anything.  What is read is within the stack, which from sp on
 *		has so many bytes.
 */
static inline uint64
store_hash_place(const ga_place *caller, Size bytes)
{
	uint64 hash = (caller->pc ^ caller->sp << 16) * STORE_MULTIPLIER;
	uintptr_t fp = caller->fp;

	for (int i = 0; i < STORE_CALLERS; i++)
	{
		const uintptr_t *frame = (const uintptr_t *) fp;

		if (fp - caller->sp > bytes - 2 * sizeof(uintptr_t) || fp % sizeof(uintptr_t) != 0)
			break;
		hash = (hash ^ frame[1]) * STORE_MULTIPLIER;
		fp = frame[0];
	}
	return hash;
}

uint32
StackStoreTake(const ga_place *caller)
{
	Size bytes = StackTraceDepth(caller->sp);
	uint64 hash;
	uint32 tag;
	KnownSet *set;

	if (unlikely(!store_prepare()))
		return 0;
	if (unlikely(bytes == SIZE_MAX || bytes < 2 * sizeof(uintptr_t)))
		return store_take_elsewhere();
	hash = store_hash_place(caller, bytes);
	tag = (uint32) hash | 1;
	set = &known_sets[(hash >> 32) % STORE_SETS];
	for (int i = 0; i < STORE_WAYS; i++)
		if (set->tags[i] == tag && store_recognize(&set->places[i], caller))
			return set->places[i].number;
	return store_take_anew(caller, set, tag);
}
