/*-------------------------------------------------------------------------
 *
 * span.c
 *	  Large objects: a chunk for each.
 *
 * Of the chunk, as many pages are accessible as the object needs.  The object can grow in its place
 * up to the chunk's size.  Beyond that it moves to a larger chunk.  If its pages fill slots, they
 * move along and are not copied.  The old addresses are given up like those of any freed chunk.  In
 * strict arenas, an object moves each time it grows, so that pointers to the old place are found.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "charge.h"
#include "profile.h"
#include "span.h"

/* Half of what a header can say, 1 TB: rounding up to pages stays within. */
#define MAX_SIZE ((size_t) 8 << (GA_HDR_SIZE_BITS - 1))

/*
 * span_pages_for
 *		Bytes of whole pages that an object of the given size takes.
 */
static size_t
span_pages_for(const ga_heap *heap, size_t size)
{
	return ga_align_up(size + GA_HEADER_SIZE, heap->os->page_size);
}

void
ga_span_adopt(ga_arena *arena, ga_chunk *chunk, uintptr_t start, uintptr_t used)
{
	ga_heap *heap = arena->heap;
	size_t bytes = used - chunk->base;

	chunk->large = true;
	chunk->type = NULL;
	chunk->arena = arena;
	chunk->arena_id = arena->id;
	chunk->start = start;
	chunk->used = used;
	ga_chunk_touch(heap, chunk, ga_max_size(chunk->touched, bytes));
	ga_chunk_set_state(heap, chunk, GA_FULL);
	ga_list_push_head(&arena->large, &chunk->link);
	ga_charge(arena, chunk, (ptrdiff_t) bytes);
}

/*
 * span_adopt
 *		As ga_span_adopt, for an object at the beginning of the chunk.  Returns its address.
 */
static void *
span_adopt(ga_arena *arena, ga_chunk *chunk, size_t bytes)
{
	ga_span_adopt(arena, chunk, chunk->base, chunk->base + bytes);
	return (void *) (chunk->base + GA_HEADER_SIZE);
}

/*
 * span_set_size
 *		Write the header of a span's object, whose payload has this many bytes, size of which
 *		were asked for.
 */
static void
span_set_size(ga_arena *arena, ga_chunk *chunk, void *object, size_t payload, size_t size)
{
	ga_object_set_header(arena, object, GA_HDR_LIVE, payload, size);
	chunk->freed = payload - size;
}

void
ga_span_begin(ga_arena *arena, ga_chunk *chunk, void *object, size_t payload, size_t size)
{
	ga_heap *heap = arena->heap;

	GA_MAKE_UNDEFINED((uintptr_t) object - GA_HEADER_SIZE, payload + GA_HEADER_SIZE);
	span_set_size(arena, chunk, object, payload, size);
#if GA_OWNER_WORD
	((uint64_t *) object)[-1] = arena->owner;
#endif
	arena->allocs++;
	heap->counters.large_allocs++;
	heap->counters.large_bytes += chunk->used - chunk->base;
	ga_heap_touched(heap);
}

/*
 * span_room_for
 *		How much address space, in bytes, a span of bytes should have.  What grew once is likely to
 *		double, and to double again: with address space for that, it keeps its place and its pages.
 *		In quarantined arenas it gets none, since a move shows who still points to the old place.
 */
static size_t
span_room_for(const ga_arena *arena, size_t bytes)
{
	if (arena->mode != GA_QUARANTINE_OFF || bytes >= GA_SEGMENT_SIZE)
		return bytes;
	return ga_min_size(GA_GROWTH * bytes, GA_SEGMENT_SIZE);
}

/*
 * span_take
 *		Take a chunk for bytes: in quarantined arenas from a slot, else from the heap with address
 *		space to grow to room bytes.
 */
static ga_chunk *
span_take(ga_arena *arena, size_t bytes, size_t room)
{
	ga_heap *heap = arena->heap;
	size_t size = ga_align_up(bytes, (size_t) 1 << heap->min_order);
	ga_chunk *chunk;

	if (arena->mode == GA_QUARANTINE_OFF)
		return ga_chunk_take_span(heap, bytes, room);

	/* Where slots become too many, those of strict arenas share one, too. */
	if (size <= GA_NURSERY_MAX && (arena->mode == GA_QUARANTINE_ON || !ga_heap_may_isolate(heap)))
		return ga_slot_cut(heap, &heap->nursery, size, GA_NURSERY_SIZE);
	bytes = ga_max_size(bytes, GA_SLOT_SIZE);
	chunk = ga_chunk_take_span(heap, bytes, bytes);
	if (chunk != NULL && !ga_slot_wrap(heap, chunk))
	{
		ga_chunk_make_ready(heap, chunk);
		return NULL;
	}
	return chunk;
}

static void *
span_alloc(ga_arena *arena, size_t size, bool grows)
{
	ga_heap *heap = arena->heap;
	size_t bytes;
	ga_chunk *chunk;
	void *object;

	if (size > MAX_SIZE)
		return NULL;
	bytes = span_pages_for(heap, size);
	if (!ga_heap_has_room(heap, bytes))
		return NULL;
	chunk = span_take(arena, bytes, grows ? span_room_for(arena, bytes) : bytes);
	if (chunk == NULL)
		return NULL;

	object = span_adopt(arena, chunk, bytes);
	ga_span_begin(arena, chunk, object, bytes - GA_HEADER_SIZE, size);
	return object;
}

void *
ga_span_alloc(ga_arena *arena, size_t size)
{
	void *object = span_alloc(arena, size, false);

	if (ga_profile_watches(arena) && object != NULL)
		ga_profile_count(arena, object, ga_object_size(object) + GA_HEADER_SIZE);
	return object;
}

void *
ga_span_alloc_growing(ga_arena *arena, size_t size)
{
	return span_alloc(arena, size, true);
}

/*
 * span_give_up
 *		Take a span off its arena, and give its chunk up.
 */
static void
span_give_up(ga_arena *arena, ga_chunk *chunk, ga_freed_by how)
{
	ga_arena_note_free(arena, how);
	ga_charge(arena, chunk, -(ptrdiff_t) chunk->charged);
	ga_list_remove(&arena->large, &chunk->link);
	ga_chunk_give_up(arena->heap, chunk);
}

void
ga_span_free(ga_arena *arena, ga_chunk *chunk)
{
	arena->heap->counters.large_frees++;
	span_give_up(arena, chunk, GA_FREED_BY_PFREE);
}

/*
 * span_has_mapping
 *		Can the access to a chunk be changed by itself, since it shares its slot with no other?
 */
static bool
span_has_mapping(const ga_chunk *chunk)
{
	return chunk->slot == NULL || chunk->size == chunk->slot->size;
}

/*
 * span_resize
 *		Let a span end after another number of bytes in the same chunk.  A span
 *		that shrinks gives its pages back; if it cannot, it stays as it is.
 */
static bool
span_resize(ga_arena *arena, ga_chunk *chunk, void *object, size_t bytes, size_t size)
{
	ga_heap *heap = arena->heap;
	size_t old_bytes = chunk->used - chunk->base;

	if (bytes > chunk->touched && !ga_heap_has_room(heap, bytes - chunk->touched))
		return false;
	if (bytes > chunk->accessible && !ga_chunk_set_accessible(heap, chunk, bytes))
		return false;
	if (bytes < old_bytes && span_has_mapping(chunk))
		(void) ga_chunk_set_accessible(heap, chunk, bytes);

	if (bytes > old_bytes)
	{
		GA_MAKE_UNDEFINED(chunk->used, bytes - old_bytes);
		heap->counters.grown_bytes += bytes - old_bytes;
	}
	chunk->used = chunk->base + bytes;
	ga_chunk_touch(heap, chunk, ga_max_size(chunk->touched, bytes));
	ga_charge(arena, chunk, (ptrdiff_t) bytes - (ptrdiff_t) old_bytes);
	span_set_size(arena, chunk, object, bytes - GA_HEADER_SIZE, size);
	ga_heap_touched(heap);
	return true;
}

/*
 * span_move_pages
 *		Move the pages of a span that fills slots to a chunk with room for more
 *		bytes, and give its addresses up.  NULL, with nothing changed, if that
 *		does not work.
 */
static ga_chunk *
span_move_pages(ga_arena *arena, ga_chunk *chunk, size_t bytes)
{
	ga_heap *heap = arena->heap;
	size_t room = ga_max_size(span_room_for(arena, bytes), chunk->size);
	size_t touched = chunk->touched;
	ga_chunk *target;

	if (chunk->size < GA_SLOT_SIZE || !span_has_mapping(chunk) || heap->moves_refused ||
		(chunk->accessible < chunk->size && !ga_chunk_set_accessible(heap, chunk, chunk->size)))
		return NULL;
	if (room <= GA_SEGMENT_SIZE)
		room = (size_t) 1 << ga_order_of(room);
	target = ga_chunk_take_target(heap, room);
	if (target == NULL)
		return NULL;
	if (!ga_chunk_move(heap, chunk->base, chunk->size, target))
		return NULL;

	/* There were never two copies, so uncharge the old place before the new one is charged. */
	ga_charge(arena, chunk, -(ptrdiff_t) chunk->charged);
	ga_arena_note_free(arena, GA_FREED_BY_REPALLOC);
	ga_list_remove(&arena->large, &chunk->link);
	ga_slot_abandon(heap, chunk);
	ga_chunk_arrived(heap, target, touched);
	ga_chunk_own(heap, target);

	/* This cannot fail: the struct of the slot that was just abandoned is free. */
	if (arena->mode != GA_QUARANTINE_OFF)
		(void) ga_slot_wrap(heap, target);
	GA_MAKE_DEFINED(target->base, bytes);
	return target;
}

/*
 * span_move
 *		Move a span to a larger chunk.  The limit is asked only for the pages by which it grows.
 *		Where the pages do not move along but are copied, the heap holds both copies for a moment.
 */
static void *
span_move(ga_arena *arena, ga_chunk *chunk, size_t bytes, size_t size)
{
	ga_heap *heap = arena->heap;
	size_t old_bytes = chunk->used - chunk->base;
	bool moved = true;
	ga_chunk *target;
	void *copy;

	if (bytes > old_bytes && !ga_heap_has_room(heap, bytes - old_bytes))
		return NULL;
	target = span_move_pages(arena, chunk, bytes);
	if (target == NULL)
	{
		target = span_take(arena, bytes, span_room_for(arena, bytes));
		if (target == NULL)
			return NULL;
		moved = false;
		GA_MAKE_UNDEFINED(target->base, bytes);
		memcpy((void *) target->base, (void *) chunk->base, old_bytes);
	}
	if (bytes > old_bytes)
		heap->counters.grown_bytes += bytes - old_bytes;
	copy = span_adopt(arena, target, bytes);
	span_set_size(arena, target, copy, bytes - GA_HEADER_SIZE, size);
	if (!moved)
		span_give_up(arena, chunk, GA_FREED_BY_REPALLOC);
	ga_heap_touched(heap);
	return copy;
}

void *
ga_span_realloc(ga_arena *arena, void *object, size_t size)
{
	ga_chunk *chunk = ga_heap_lookup(arena->heap, (uintptr_t) object);
	size_t bytes;

	if (size > MAX_SIZE)
		return NULL;
	chunk->type = NULL;
	bytes = span_pages_for(arena->heap, size);
	if (bytes > chunk->size ||
		(arena->mode == GA_QUARANTINE_STRICT && bytes > (size_t) (chunk->used - chunk->base)))
		return span_move(arena, chunk, bytes, size);
	return span_resize(arena, chunk, object, bytes, size) ? object : NULL;
}
