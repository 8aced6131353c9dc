/*-------------------------------------------------------------------------
 *
 * type_map.h
 *	  Which words of chunks are pointers, and where typed objects begin.
 *
 * The type map is sparse and lies outside of all chunks.  It has an entry for each
 * granule in which an object has a type.  A granule without one is read as a whole by
 * sweeps.  In one that has an entry, words of typed objects are read if their
 * type says that they are pointers, and all others are.  So objects without a type can
 * lie in between, and a place can change from one to the other.
 *
 * Where a typed object begins is known as well, and its type.  So the object is
 * found from any address in it without a word of the chunk being trusted.
 *
 * Granules in the midst of a large object that have no pointers share one entry.
 *
 * At the back of a chunk, where objects have neither pointers nor headers, the map tells where they
 * begin (starts).  Where one ends before the next one begins, the bit of that word
 * is cleared in pointers, which has no other meaning there.
 *
 * What a chunk has in the map goes when it leaves its arena, and in those that are
 * not quarantined when a reset rewinds it.
 *
 * After Go's runtime, mbitmap.go (heapBits, heapSetType) and arena.go
 * (userArenaHeapBitsSetType), where the bitmap of a segment is sparse, too.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TYPE_MAP_H
#define GA_TYPE_MAP_H

#include "arena.h"
#include "type.h"

/* What is known of the granule of an address, or NULL. */
GA_INLINE ga_type_granule *
ga_type_granule_at(const ga_heap *heap, uintptr_t address)
{
	const ga_segment *segment = ga_segment_of(heap, address);

	if (segment == NULL || segment->types == NULL)
		return NULL;
	return segment->types->granules[ga_granule_of(address)];
}

/*
 * The entry of all granules that lie within an object and have no pointers.  So what is known of
 * large objects takes no room beyond their pointers.
 */
extern const ga_type_granule ga_type_nothing;

/* The word of its granule that an address lies in. */
GA_INLINE unsigned
ga_word_of(uintptr_t address)
{
	return (unsigned) (address & (GA_GRANULE_SIZE - 1)) / sizeof(uint64_t);
}

/* See ga_type_map_set. */
extern bool ga_type_map_set_slow(ga_arena *arena, const void *object, size_t size,
								 const ga_type *type, size_t count);

/*
 * Let an object of an arena that is no span have a type that has pointers.  size is that of its
 * payload in bytes, as rounded up, of which an array of so many elements takes the first
 * part.  False, with nothing changed, if there is no memory.
 *
 * Here is what is done for small objects that follow one another in a granule.  An object with
 * a header whose type has no pointers is for ga_type_map_set_slow.
 */
GA_INLINE bool
ga_type_map_set(ga_arena *arena, const void *object, size_t size, const ga_type *type, size_t count)
{
	uintptr_t address = (uintptr_t) object;
	unsigned words = (unsigned) (size / sizeof(uint64_t));
	unsigned word = ga_word_of(address);
	ga_type_granule *granule = arena->last_at;
	uint64_t *pointers;

	if (GA_UNLIKELY(address - arena->last_granule >= GA_GRANULE_SIZE || count != 1 || size >= 512 ||
					word % 64 + words > 64 || word <= granule->last ||
					granule->count == ga_type_room(granule->room)))
		return ga_type_map_set_slow(arena, object, size, type, count);
	granule->ids[granule->count++] = type->id;
	granule->last = (uint16_t) word;
	granule->starts[word / 64] |= UINT64_C(1) << word % 64;
	pointers = &granule->pointers[word / 64];
	*pointers = (*pointers & ~(((UINT64_C(1) << words) - 1) << word % 64)) | type->pointers[0]
																				 << word % 64;
	return true;
}

/* An object in a typed chunk has no type any more; no matter if it had one. */
extern void ga_type_map_unset(ga_heap *heap, const void *object, size_t size);

/*
 * Something without pointers begins at an address at the back of a chunk.  It ends
 * where the next one begins; or, unless end is 0, at an address before.  False, with nothing
 * changed, if there is no memory.
 */
extern bool ga_type_map_begin(ga_arena *arena, ga_chunk *chunk, uintptr_t start, uintptr_t end);

/*
 * A typed chunk is rewound, or leaves its arena: nothing is known of it any more, and its
 * back is empty.
 */
extern void ga_type_map_clear(ga_arena *arena, ga_chunk *chunk);

/* An arena gives up a chunk that is on none of its lists. */
GA_INLINE void
ga_chunk_leave(ga_arena *arena, ga_chunk *chunk)
{
	if (GA_UNLIKELY(chunk->typed))
	{
		if (chunk->slot != NULL)
			ga_history_add_back(arena->heap, chunk);
		ga_type_map_clear(arena, chunk);
	}
	ga_chunk_give_up(arena->heap, chunk);
}

/*
 * Where the typed object begins that an address may lie in, not below the one given; 0 if there
 * is none.  At the back granules may be missing from the map.
 */
extern uintptr_t ga_type_map_start(const ga_heap *heap, uintptr_t address, uintptr_t least,
								   bool back);

/* Where something without pointers ends that begins at an address at the back of a chunk. */
extern uintptr_t ga_type_map_end(const ga_heap *heap, const ga_chunk *chunk, uintptr_t start);

/* The type of the object with a header that begins at an address. */
extern const ga_type *ga_type_map_type(const ga_heap *heap, uintptr_t start);

#endif /* GA_TYPE_MAP_H */
