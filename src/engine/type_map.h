/*-------------------------------------------------------------------------
 *
 * type_map.h
 *	  Which words of chunks are pointers, and where typed objects begin.
 *
 * The type map is sparse and lies outside of all chunks.  It has an entry for each granule in which
 * an object has a type.  Sweeps read a granule without an entry as a whole.  Of a granule with an
 * entry, they leave out those words of typed objects that are no pointers, and read all others.  So
 * objects with a type and without one can lie side by side, and take each other's places.
 *
 * The map also knows where each typed object begins, and its type.  So it finds the object that an
 * address lies in, and need not trust any word of the chunk.
 *
 * Granules without pointers, in the midst of large objects, share one entry.
 *
 * At the back of a chunk, where objects have neither pointers nor headers, the map tells where they
 * begin (starts).  Where one ends before the next one begins, the bit of that word
 * is cleared in pointers, which has no other meaning there.
 *
 * The entries of a chunk are dropped when it leaves its arena, and when a reset rewinds it.
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

/* The entry of the granule that an address lies in, or NULL. */
GA_INLINE ga_type_granule *
ga_type_granule_at(const ga_heap *heap, uintptr_t address)
{
	const ga_segment *segment = ga_segment_of(heap, address);

	if (segment == NULL || segment->types == NULL)
		return NULL;
	return segment->types->granules[ga_granule_of(address)];
}

/*
 * The entry that all granules share which lie within one object and have no pointers.  So entries
 * for large objects take memory only where there are pointers.
 */
extern const ga_type_granule ga_type_nothing;

/* The number, within its granule, of the word that an address lies in. */
GA_INLINE unsigned
ga_word_of(uintptr_t address)
{
	return (unsigned) (address & (GA_GRANULE_SIZE - 1)) / sizeof(uint64_t);
}

/* As ga_type_map_set, for any object. */
extern bool ga_type_map_set_slow(ga_arena *arena, const void *object, size_t size,
								 const ga_type *type, size_t count);

/*
 * Give an object of an arena, no span, a type that has pointers. size is the size of its payload in
 * bytes, as rounded up; an array of count elements of the type takes the first part of it.  False,
 * with nothing changed, if there is no memory.
 *
 * What is inline is the fast way, for small objects that follow one another in a granule and whose
 * type has pointers.  An object with a header whose type has none is for ga_type_map_set_slow.
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
					granule->count == granule->space))
		return ga_type_map_set_slow(arena, object, size, type, count);
	granule->ids[granule->count++] = type->id;
	granule->last = (uint16_t) word;
	granule->starts[word / 64] |= UINT64_C(1) << word % 64;
	pointers = &granule->pointers[word / 64];
	*pointers = (*pointers & ~(((UINT64_C(1) << words) - 1) << word % 64)) | type->pointers[0]
																				 << word % 64;
	return true;
}

/* Take its type from an object in a typed chunk, if it has one. size is the size of its payload. */
extern void ga_type_map_unset(ga_heap *heap, const void *object, size_t size);

/*
 * Enter an object without pointers that begins at an address at the back of a chunk.  It ends where
 * the next one begins, or, unless end is 0, at end, which lies before that.  False, with nothing
 * changed, if there is no memory.
 */
extern bool ga_type_map_begin(ga_arena *arena, ga_chunk *chunk, uintptr_t start, uintptr_t end);

/*
 * Drop all entries of a typed chunk that is rewound, or leaves its arena.  Its back is empty then.
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
 * Find where the last typed object begins at or below an address, but not below least. 0 if there
 * is none. back says that the address lies at the back of a chunk, where granules may be missing
 * from the map.
 */
extern uintptr_t ga_type_map_start(const ga_heap *heap, uintptr_t address, uintptr_t least,
								   bool back);

/* Find where the object ends that begins at an address at the back of a chunk. */
extern uintptr_t ga_type_map_end(const ga_heap *heap, const ga_chunk *chunk, uintptr_t start);

/* The type of the object with a header that begins at an address; NULL if it has none. */
extern const ga_type *ga_type_map_type(const ga_heap *heap, uintptr_t start);

#endif /* GA_TYPE_MAP_H */
