/*-------------------------------------------------------------------------
 *
 * stack_store.c
 *	  See stack_store.h.
 *
 * Stacks lie in a ring of words, in the order in which they were first seen: a word with the
 * stack's number and depth, then its return addresses.  Numbers are positions in the ring.  A table
 * leads from hashes to numbers.  A stack of code that keeps frame pointers is known by the hash of
 * their chain, see chain.h.  Any other stack is walked, and known by the hash of what was found.
 * Two stacks whose 64 bits of hash agree count as the same.
 *
 * A stack that is still used stands in the ring once more before it is overwritten.
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
#define STORE_BLOCK	 512 /* words */
#define STORE_BLOCKS 512
#define STORE_RING	 (STORE_BLOCK * STORE_BLOCKS)

/* A hash leads to a set, which has several stacks. */
#define STORE_SET_BITS 10
#define STORE_SETS	   (1 << STORE_SET_BITS)
#define STORE_WAYS	   4

#define STORE_MULTIPLIER UINT64CONST(0x9e3779b97f4a7c15)

/* What was found last comes first.  A hash of 0 is none. */
typedef struct StoreSet
{
	uint64 hashes[STORE_WAYS];
	uint32 numbers[STORE_WAYS];
	uint64 unused[2]; /* of its cache line */
} StoreSet;

static uint64 *blocks[STORE_BLOCKS];
static uint32 next_number = 1; /* 0 is none */
static StoreSet *sets;		   /* NULL until needed */

static inline uint64
store_header(uint32 number, int depth)
{
	return (uint64) depth << 32 | number;
}

const uintptr_t *
StackStoreGet(uint32 number, int *depth)
{
	const uint64 *block = number == 0 ? NULL : blocks[number % STORE_RING / STORE_BLOCK];
	uint32 at = number % STORE_BLOCK;
	uint64 kept = block == NULL ? 0 : block[at] >> 32;

	*depth = 0;
	if (kept == 0 || kept > STORE_DEEPEST || at + kept >= STORE_BLOCK ||
		block[at] != store_header(number, (int) kept))
		return NULL;
	*depth = (int) kept;
	return (const uintptr_t *) &block[at + 1];
}

/*
 * store_add
 *		A stack that was not seen before takes the place of the oldest ones.
 */
static uint32
store_add(const uintptr_t *frames, int depth)
{
	uint32 number = next_number;
	uint64 **block;
	uint64 *at;

	/* It stands in one block. */
	if (number % STORE_BLOCK + (uint32) depth >= STORE_BLOCK)
		number += STORE_BLOCK - number % STORE_BLOCK;
	number = Max(number, 1);
	block = &blocks[number % STORE_RING / STORE_BLOCK];
	if (*block == NULL)
		*block = ga_persistent_alloc(&process_heap.metadata, STORE_BLOCK * sizeof(**block));
	if (*block == NULL)
		return 0;
	at = *block + number % STORE_BLOCK;
	memcpy(at + 1, frames, (Size) depth * sizeof(*frames));
	*at = store_header(number, depth);
	next_number = number + 1 + (uint32) depth;
	return number;
}

/*
 * store_is_recent
 *		Will a stack be known for a while?
 */
static inline bool
store_is_recent(uint32 number)
{
	return next_number - number <= STORE_RING / 2;
}

static inline StoreSet *
store_set(uint64 hash)
{
	return &sets[hash >> (64 - STORE_SET_BITS)];
}

/*
 * store_find
 *		Find the number of a stack by its hash; 0 if it is not known.
 */
static inline uint32
store_find(uint64 hash)
{
	const StoreSet *set = store_set(hash);

	for (int i = 0; i < STORE_WAYS; i++)
		if (set->hashes[i] == hash)
			return store_is_recent(set->numbers[i]) ? set->numbers[i] : 0;
	return 0;
}

/*
 * store_enter
 *		Let a hash lead to a number.
 */
static void
store_enter(uint64 hash, uint32 number)
{
	StoreSet *set = store_set(hash);
	int i = 0;

	while (i < STORE_WAYS - 1 && set->hashes[i] != hash)
		i++;
	for (; i > 0; i--)
	{
		set->hashes[i] = set->hashes[i - 1];
		set->numbers[i] = set->numbers[i - 1];
	}
	set->hashes[0] = hash;
	set->numbers[0] = number;
}

static uint64
store_hash(const uintptr_t *frames, int depth)
{
	uint64 hash = ~(uint64) depth;

	for (int i = 0; i < depth; i++)
		hash = (hash ^ frames[i]) * STORE_MULTIPLIER;
	return hash;
}

/*
 * store_prepare
 *		Memory for the table.  False if there is none.
 */
static bool
store_prepare(void)
{
	if (unlikely(sets == NULL) && process_heap_ready)
		sets = ga_persistent_alloc(&process_heap.metadata, STORE_SETS * sizeof(StoreSet));
	return sets != NULL;
}

/*
 * store_walk
 *		Walk up from a place whose chain, if it has one, has a hash that is not known.
 */
static pg_noinline uint32
store_walk(const ga_place *caller, int room, uint64 chain)
{
	uintptr_t frames[STORE_DEEPEST];
	int depth = StackTraceFrom(caller, frames, room);
	uint64 hash = chain;
	uint32 number = 0;

	if (depth == 0 || !store_prepare())
		return 0;
	if (chain == 0 ||
		!ga_chain_proves(&stack_trace_chain, &ga_code_here, caller, frames, depth, room))
	{
		hash = store_hash(frames, depth);
		number = store_find(hash);
	}
	if (number == 0 && (number = store_add(frames, depth)) != 0)
		store_enter(hash, number);
	return number;
}

/*
 * store_take
 *		The number of the stack from a place on, of which room return addresses are kept.
 */
static pg_attribute_always_inline uint32
store_take(const ga_place *caller, int room)
{
	uint64 chain = ga_chain_hash(&stack_trace_chain, caller, room);
	uint32 number = likely(chain != 0 && sets != NULL) ? store_find(chain) : 0;

	return likely(number != 0) ? number : store_walk(caller, room, chain);
}

uint32
StackStoreTake(void)
{
	return store_take(&stack_trace_caller, STORED_DEPTH);
}

/*
 * store_take_uncalled
 *		As StackStoreTakeHere, where no StackTraceCaller() has said where stacks begin.
 */
static pg_noinline uint32
store_take_uncalled(int room)
{
	uint32 number;

	StackTraceCaller();
	number = store_take(&stack_trace_caller, room);
	StackTraceCallerEnd();
	return number;
}

static pg_attribute_always_inline uint32
store_take_here(int room)
{
	return likely(stack_trace_caller.pc != 0) ? store_take(&stack_trace_caller, room)
											  : store_take_uncalled(room);
}

uint32
StackStoreTakeHere(int room)
{
	return store_take_here(room);
}

uint32_t
StackStoreOfFree(void)
{
	return store_take_here(DELAY_STACK_DEPTH);
}
