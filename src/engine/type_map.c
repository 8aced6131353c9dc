/*-------------------------------------------------------------------------
 *
 * type_map.c
 *	  See type_map.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "type_map.h"

const ga_type_granule ga_type_nothing = {.count = 0};

static inline bool
type_map_is_nothing(const ga_type_granule *granule)
{
	return granule == &ga_type_nothing;
}

/*
 * type_map_make_granule
 *		Find the entry of a granule, or make one that knows nothing, so that sweeps read all words.
 *		NULL if there is no memory.
 */
static GA_NOINLINE ga_type_granule *
type_map_make_granule(ga_heap *heap, uintptr_t address)
{
	ga_segment *segment = ga_segment_of(heap, address);
	ga_type_granule **granule;

	if (segment->types == NULL)
	{
		segment->types = ga_fixed_alloc(&heap->type_maps);
		if (segment->types == NULL)
			return NULL;
		segment->types->granules[0] = NULL; /* where the free list had its link */
	}
	granule = &segment->types->granules[ga_granule_of(address)];
	if (*granule == NULL)
	{
		*granule = ga_fixed_alloc(&heap->type_granules);
		if (*granule == NULL)
			return NULL;
		memset(*granule, 0, sizeof(**granule));
		memset((*granule)->pointers, 0xff, sizeof((*granule)->pointers));
	}
	return *granule;
}

/*
 * type_map_make_granules
 *		Make entries for all granules of a chunk between two addresses.  False if there is no
 *		memory.
 */
static bool
type_map_make_granules(ga_arena *arena, ga_chunk *chunk, uintptr_t from, uintptr_t to)
{
	if (!chunk->typed)
	{
		chunk->typed = true;
		arena->typed_chunks++;
		ga_arena_set_window(arena);
	}
	for (from = ga_align_down(from, GA_GRANULE_SIZE); from < to; from += GA_GRANULE_SIZE)
		if (type_map_make_granule(arena->heap, from) == NULL)
			return false;
	return true;
}

/*
 * type_map_make_room
 *		Make room in a granule for the number of one more type.  False if there is no memory.
 */
static bool
type_map_make_room(ga_heap *heap, ga_type_granule *granule)
{
	int next = granule->ids == NULL ? 0 : granule->room + 1;
	uint16_t *ids;

	if (GA_LIKELY(granule->count < granule->space))
		return true;
	ids = ga_fixed_alloc(&heap->type_ids[next]);
	if (ids == NULL)
		return false;
	if (granule->ids != NULL)
	{
		memcpy(ids, granule->ids, granule->count * sizeof(uint16_t));
		ga_fixed_free(&heap->type_ids[granule->room], granule->ids);
	}
	granule->ids = ids;
	granule->room = (uint8_t) next;
	granule->space = (uint16_t) ga_type_room(next);
	return true;
}

/*
 * type_map_rank_of
 *		Count the objects of a granule that begin before a word.
 */
static unsigned
type_map_rank_of(const ga_type_granule *granule, unsigned word)
{
	unsigned rank = 0;

	for (unsigned i = 0; i < word / 64; i++)
		rank += (unsigned) __builtin_popcountl(granule->starts[i]);
	return rank + (unsigned) __builtin_popcountl(granule->starts[word / 64] &
												 ((UINT64_C(1) << word % 64) - 1));
}

/*
 * type_map_start_below
 *		Find the last word, up to a given one, where an object begins; -1 if there is none.
 */
static int
type_map_start_below(const ga_type_granule *granule, unsigned word)
{
	uint64_t bits = granule->starts[word / 64] << (63 - word % 64);
	int i = (int) (word / 64);

	if (bits != 0)
		return (int) word - __builtin_clzl(bits);
	while (--i >= 0)
		if (granule->starts[i] != 0)
			return i * 64 + 63 - __builtin_clzl(granule->starts[i]);
	return -1;
}

/*
 * type_map_add_start
 *		Enter that an object whose type has a number begins at a word.
 */
static void
type_map_add_start(ga_type_granule *granule, unsigned word, uint16_t id)
{
	unsigned at = granule->count;

	if (GA_UNLIKELY(at > 0 && word <= granule->last))
	{
		at = type_map_rank_of(granule, word);
		memmove(granule->ids + at + 1, granule->ids + at, (granule->count - at) * sizeof(uint16_t));
	}
	else
		granule->last = (uint16_t) word;
	granule->ids[at] = id;
	granule->count++;
	granule->starts[word / 64] |= UINT64_C(1) << word % 64;
}

/*
 * type_map_remove_start
 *		Forget that an object begins at a word.
 */
static void
type_map_remove_start(ga_type_granule *granule, unsigned word)
{
	unsigned at = type_map_rank_of(granule, word);

	granule->count--;
	memmove(granule->ids + at, granule->ids + at + 1, (granule->count - at) * sizeof(uint16_t));
	granule->starts[word / 64] &= ~(UINT64_C(1) << word % 64);
	if (granule->last == word && granule->count > 0)
		granule->last = (uint16_t) type_map_start_below(granule, word);
}

/*
 * type_map_mask_words
 *		Set or clear the bits of all words from one address up to another, whose granules
 *		are in the map.
 */
static void
type_map_mask_words(ga_heap *heap, uintptr_t from, uintptr_t to, bool set)
{
	while (from < to)
	{
		ga_type_granule *granule = ga_type_granule_at(heap, from);
		unsigned word = ga_word_of(from);
		size_t count = ga_min_size((to - from) / sizeof(uint64_t), 64 - word % 64);
		uint64_t mask = (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << word % 64;

		if (granule == NULL || type_map_is_nothing(granule))
			count = GA_GRANULE_WORDS - word;
		else if (set)
			granule->pointers[word / 64] |= mask;
		else
			granule->pointers[word / 64] &= ~mask;
		from += count * sizeof(uint64_t);
	}
}

/*
 * type_map_set_words
 *		Set the bits of up to 64 words from an address on, as they are in a mask.
 */
static void
type_map_set_words(ga_heap *heap, uintptr_t address, uint64_t mask)
{
	unsigned word = ga_word_of(address);
	unsigned shift = word % 64;

	ga_type_granule_at(heap, address)->pointers[word / 64] |= mask << shift;
	if (shift == 0 || (mask >> (64 - shift)) == 0)
		return;
	address += (64 - shift) * sizeof(uint64_t);
	ga_type_granule_at(heap, address)->pointers[ga_word_of(address) / 64] |= mask >> (64 - shift);
}

/*
 * type_map_each_within
 *		Give all granules that lie wholly within an object and have no entry the shared one; or, if
 *		entry is NULL, take the shared one away again.
 */
static void
type_map_each_within(ga_heap *heap, uintptr_t from, uintptr_t to, const ga_type_granule *entry)
{
	from = ga_align_up(from, GA_GRANULE_SIZE);
	for (; from + GA_GRANULE_SIZE <= to; from += GA_GRANULE_SIZE)
	{
		ga_type_granule **granule =
			&ga_segment_of(heap, from)->types->granules[ga_granule_of(from)];

		if (*granule == NULL || type_map_is_nothing(*granule))
			*granule = (ga_type_granule *) entry;
	}
}

/*
 * type_map_make_for_pointers
 *		Make entries for the granules of an object in which its type has pointers.  False if there
 *		is no memory.
 */
static bool
type_map_make_for_pointers(ga_arena *arena, uintptr_t object, const ga_type *type, size_t count)
{
	uintptr_t made = 0; /* the granule behind the last one made */

	for (size_t i = 0; i < count; i++)
		for (size_t word = 0; word < type->pointer_words; word += 64)
		{
			uint64_t mask = type->pointers[word / 64];
			uintptr_t at = object + i * type->size + word * sizeof(uint64_t);
			uintptr_t first;
			uintptr_t last;

			if (mask == 0)
				continue;
			first = at + (unsigned) __builtin_ctzl(mask) * sizeof(uint64_t);
			last = at + (unsigned) (63 - __builtin_clzl(mask)) * sizeof(uint64_t);
			if (first >= made && type_map_make_granule(arena->heap, first) == NULL)
				return false;
			if (last >= made && type_map_make_granule(arena->heap, last) == NULL)
				return false;
			made = ga_max_size(made, ga_align_down(last, GA_GRANULE_SIZE) + GA_GRANULE_SIZE);
		}
	return true;
}

/*
 * type_map_make_for_object
 *		Make entries for all granules of an object that is to have a type.  False if there is no
 *		memory.  Until all entries are made, none of them says more than is true already.
 */
static bool
type_map_make_for_object(ga_arena *arena, uintptr_t object, size_t size, const ga_type *type,
						 size_t count)
{
	ga_chunk *chunk = ga_heap_lookup(arena->heap, object);
	uintptr_t end = object + size;

	/* If each word is a pointer, no granule is without one. */
	if (size < 2 * GA_GRANULE_SIZE || type->size == sizeof(uint64_t))
		return type_map_make_granules(arena, chunk, object, end);
	if (!type_map_make_granules(arena, chunk, object, object + 1) ||
		!type_map_make_granules(arena, chunk, end - 1, end) ||
		!type_map_make_for_pointers(arena, object, type, count) ||
		!type_map_make_room(arena->heap, ga_type_granule_at(arena->heap, object)))
		return false;
	type_map_each_within(arena->heap, object, end, &ga_type_nothing);
	return true;
}

GA_NOINLINE bool
ga_type_map_set_slow(ga_arena *arena, const void *object, size_t size, const ga_type *type,
					 size_t count)
{
	ga_heap *heap = arena->heap;
	uintptr_t address = (uintptr_t) object;
	ga_type_granule *granule;

	if (!type_map_make_for_object(arena, address, size, type, count))
		return false;
	granule = ga_type_granule_at(heap, address);
	if (!type_map_make_room(heap, granule))
		return false;
	type_map_add_start(granule, ga_word_of(address), type->id);
	type_map_mask_words(heap, address, address + size,
						type->size == sizeof(uint64_t) && type->pointer_words > 0);
	for (size_t i = 0; type->size > sizeof(uint64_t) && i < count; i++)
		for (size_t word = 0; word < type->pointer_words; word += 64)
			if (type->pointers[word / 64] != 0)
				type_map_set_words(heap, address + i * type->size + word * sizeof(uint64_t),
								   type->pointers[word / 64]);
	arena->last_granule = ga_align_down(address, GA_GRANULE_SIZE);
	arena->last_at = granule;
	return true;
}

void
ga_type_map_unset(ga_heap *heap, const void *object, size_t size)
{
	uintptr_t address = (uintptr_t) object;
	ga_type_granule *granule = ga_type_granule_at(heap, address);
	unsigned word = ga_word_of(address);

	if (granule == NULL || (granule->starts[word / 64] >> word % 64 & 1) == 0)
		return;
	type_map_remove_start(granule, word);
	type_map_each_within(heap, address, address + size, NULL);
	type_map_mask_words(heap, address, address + size, true);
}

bool
ga_type_map_begin(ga_arena *arena, ga_chunk *chunk, uintptr_t start, uintptr_t end)
{
	unsigned word = ga_word_of(start);

	if (!type_map_make_granules(arena, chunk, start, start + 1) ||
		(end != 0 && !type_map_make_granules(arena, chunk, end, end + 1)))
		return false;
	ga_type_granule_at(arena->heap, start)->starts[word / 64] |= UINT64_C(1) << word % 64;
	if (end != 0)
		type_map_mask_words(arena->heap, end, end + sizeof(uint64_t), false);
	return true;
}

/*
 * type_map_collapse_back
 *		Count the pages at the back of a chunk as touched from its base on: without an owner, a
 *		chunk has only that one number of pages.
 */
static void
type_map_collapse_back(ga_heap *heap, ga_chunk *chunk)
{
	if (chunk->back_touched > 0)
	{
		heap->touched += chunk->size - chunk->touched - chunk->back_touched;
		chunk->touched = chunk->size;
	}
	chunk->back = 0;
	chunk->back_touched = 0;
}

void
ga_type_map_clear(ga_arena *arena, ga_chunk *chunk)
{
	ga_heap *heap = arena->heap;
	ga_type_map *types = ga_segment_of(heap, chunk->base)->types;
	int first = ga_granule_of(chunk->base);
	int count = (int) (chunk->size >> GA_GRANULE_SHIFT);

	for (int i = first; types != NULL && i < first + count; i++)
	{
		ga_type_granule *granule = types->granules[i];

		if (granule == NULL)
			continue;
		types->granules[i] = NULL;
		if (type_map_is_nothing(granule))
			continue;
		if (granule->ids != NULL)
			ga_fixed_free(&heap->type_ids[granule->room], granule->ids);
		ga_fixed_free(&heap->type_granules, granule);
	}
	type_map_collapse_back(heap, chunk);
	chunk->typed = false;
	arena->typed_chunks--;
	arena->last_granule = 0;
	arena->tiny = arena->tiny_end = 0;
	if (chunk == arena->active)
		arena->end = chunk->base + chunk->size;
	ga_arena_set_window(arena);
}

uintptr_t
ga_type_map_start(const ga_heap *heap, uintptr_t address, uintptr_t least, bool back)
{
	unsigned word = ga_word_of(address);
	uintptr_t base = ga_align_down(address, GA_GRANULE_SIZE);

	for (;;)
	{
		const ga_type_granule *granule = ga_type_granule_at(heap, base);
		int start;

		if (granule == NULL && !back)
			return 0;
		start = granule == NULL ? -1 : type_map_start_below(granule, word);
		if (start >= 0)
		{
			uintptr_t found = base + (unsigned) start * sizeof(uint64_t);

			return found >= least ? found : 0;
		}
		if (base <= least)
			return 0;
		base -= GA_GRANULE_SIZE;
		word = GA_GRANULE_WORDS - 1;
	}
}

uintptr_t
ga_type_map_end(const ga_heap *heap, const ga_chunk *chunk, uintptr_t start)
{
	uintptr_t limit = chunk->base + chunk->size;
	uintptr_t at = start + sizeof(uint64_t);

	while (at < limit)
	{
		const ga_type_granule *granule = ga_type_granule_at(heap, at);
		unsigned word = ga_word_of(at);
		uint64_t bits;

		if (granule == NULL)
		{
			at = ga_align_down(at, GA_GRANULE_SIZE) + GA_GRANULE_SIZE;
			continue;
		}
		bits = (granule->starts[word / 64] | ~granule->pointers[word / 64]) >> word % 64;
		if (bits != 0)
			return at + (unsigned) __builtin_ctzl(bits) * sizeof(uint64_t);
		at += (64 - word % 64) * sizeof(uint64_t);
	}
	return limit;
}

const ga_type *
ga_type_map_type(const ga_heap *heap, uintptr_t start)
{
	const ga_type_granule *granule = ga_type_granule_at(heap, start);

	return ga_type_of_id(heap, granule->ids[type_map_rank_of(granule, ga_word_of(start))]);
}
