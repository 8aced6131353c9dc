/*-------------------------------------------------------------------------
 *
 * heap.h
 *	  The page level of the engine: address space, chunks and their states.
 *
 * A heap reserves address space in heap arenas of 64 MB and cuts chunks of
 * power-of-two sizes from them, buddy fashion.  Address space is never
 * unmapped and a chunk is never moved; what changes is its state:
 *
 *	FRESH        reserved, never used
 *	ACTIVE       an arena bump-allocates from it
 *	FULL         no room left, still owned by its arena
 *	REUSE        partly used; the arena is gone, the next one goes on from here
 *	FAULT        freed, waiting to be set to fault with others
 *	QUARANTINED  no access, waiting for the last pointer into it to go
 *	READY        proved unreferenced, free to be used again
 *
 * A chunk that holds one large object is called a span; it is FULL from the
 * start and marked large.  The physical pages of FAULT, QUARANTINED and READY
 * chunks may be kept (retained) or given back (released).
 *
 * Bytes of address space add up at every moment (ga_heap_check says so):
 *
 *	reserved = fresh + owned + retained + released
 *
 * where owned is the size of ACTIVE, FULL and REUSE chunks, and retained and
 * released split the size of FAULT, QUARANTINED and READY chunks.  mapped is
 * the part of reserved that can be read and written.
 *
 * What a heap holds of the machine's memory is touched, the part of reserved
 * that may have physical pages, and its metadata.  A limit can be set to that
 * (see ga_heap_has_room): it is looked at only where pages are touched for the
 * first time, never on the hot path.
 *
 * Adapted from the ideas of Go's runtime (arena.go: chunk life; malloc.go:
 * heap arenas, hints, the sparse two-level index).
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_HEAP_H
#define GA_HEAP_H

#include "list.h"
#include "metadata.h"
#include "os.h"
#include "size_class.h"

typedef struct ga_arena ga_arena;

typedef enum ga_chunk_state
{
	GA_FRESH,
	GA_ACTIVE,
	GA_FULL,
	GA_REUSE,
	GA_FAULT,
	GA_QUARANTINED,
	GA_READY
} ga_chunk_state;

#define GA_NUM_STATES (GA_READY + 1)

typedef struct ga_chunk
{
	ga_link link;	  /* in the list of its state, or of its arena */
	ga_link retained; /* in heap->retained_lru while not in use and touched */
	uintptr_t base;
	size_t size;		 /* power of two, or a multiple of 64 MB for huge spans */
	size_t accessible;	 /* bytes from base that can be read and written */
	size_t touched;		 /* bytes from base that may hold physical pages */
	ga_arena *arena;	 /* owner while ACTIVE or FULL */
	uint64_t arena_id;	 /* the last owner, also after it is gone */
	uintptr_t start;	 /* where its present owner began */
	uintptr_t used;		 /* end of its objects once it is not ACTIVE */
	size_t freed;		 /* bytes from start to used on free lists, as last counted */
	size_t charged;		 /* bytes charged to its owner for it */
	uintptr_t pinned_by; /* address of a pointer that the last sweep found, or 0 */
	uint64_t freed_note; /* what note_free said when it was given up */
	uint8_t state;		 /* ga_chunk_state */
	uint8_t order;		 /* log2 of size; GA_MAX_ORDER for huge spans */
	bool large;			 /* holds one large object */
	bool marked;		 /* a sweep under way found a pointer into it */
	bool late;			 /* freed during a sweep under way: for the next to decide */
	bool huge_advised;	 /* huge pages were asked for */
} ga_chunk;

/* The metadata of one heap arena. */
typedef struct ga_heap_arena
{
	uintptr_t base;
	ga_chunk *huge;					   /* the span that takes in all of it, or NULL */
	struct ga_heap_arena *next;		   /* in order of address */
	size_t candidates;				   /* chunks that a sweep may free */
	uint64_t access[GA_GRANULES / 64]; /* granules that can be accessed */
	ga_chunk *chunks[GA_GRANULES];	   /* chunk of each granule; always right for
										  * the first granule of a chunk, and for all
										  * granules once it has been used */
} ga_heap_arena;

/* Two-level map from address to heap arena. */
#define GA_MAP_BITS	   (GA_ADDRESS_BITS - GA_HEAP_ARENA_SHIFT)
#define GA_MAP_L2_BITS (GA_MAP_BITS / 2)
#define GA_MAP_L1_BITS (GA_MAP_BITS - GA_MAP_L2_BITS)

typedef struct ga_map_leaf
{
	ga_heap_arena *heap_arenas[1 << GA_MAP_L2_BITS];
} ga_map_leaf;

/* How memory was freed. */
typedef enum ga_freed_by
{
	GA_FREED_BY_RESET,
	GA_FREED_BY_DELETE,
	GA_FREED_BY_PFREE,	 /* of a large object, or of the last object of a full chunk */
	GA_FREED_BY_REPALLOC /* a large object moved */
} ga_freed_by;

typedef enum ga_quarantine
{
	GA_QUARANTINE_OFF,	 /* a reset rewinds */
	GA_QUARANTINE_ON,	 /* full chunks are quarantined, the active one is handed on */
	GA_QUARANTINE_STRICT /* every chunk is set to fault at once */
} ga_quarantine;

/* So many return addresses are kept for each object in a delay queue. */
#define GA_DELAY_STACK 8

/* Things worth telling that happened where nothing could be reported. */
typedef enum ga_event_kind
{
	GA_EVENT_MAPPING_LIMIT,	  /* too many mappings: isolation stopped */
	GA_EVENT_FAULT_FAILED,	  /* setting chunks to fault failed */
	GA_EVENT_RELEASE_FAILED,  /* giving physical pages back failed */
	GA_EVENT_WRITE_AFTER_FREE /* the poison of a freed object was changed */
} ga_event_kind;

typedef struct ga_event
{
	ga_event_kind kind;
	int error;						 /* errno, where a system call failed */
	uint64_t arena_id;				 /* the object's arena */
	uintptr_t object;				 /* address of the object */
	size_t size;					 /* its size in bytes */
	size_t offset;					 /* of the first changed word */
	uint64_t value;					 /* what stands there now */
	int depth;						 /* of the stack; 0 if none was kept */
	uintptr_t stack[GA_DELAY_STACK]; /* of the free of the object */
} ga_event;

#define GA_MAX_EVENTS 16

/* Memory is asked about in pieces of so many pages, and copied of so many bytes. */
#define GA_SWEEP_PAGES 16384
#define GA_SWEEP_COPY  ((size_t) 64 << 10)

/* The state of a sweep under way, see sweep.h. */
typedef struct ga_sweep
{
	uintptr_t low; /* candidates lie between these addresses */
	uintptr_t high;
	size_t scanned;	 /* bytes */
	int64_t started; /* microseconds */
	bool incomplete; /* a root could not be read: nothing may be freed */
	bool due;		 /* it was due when it began */
	uint64_t copy[GA_SWEEP_COPY / sizeof(uint64_t)];
	unsigned char pages[GA_SWEEP_PAGES];
} ga_sweep;

/* Settings; may be changed at any time through ga_heap_configure. */
typedef struct ga_config
{
	ga_quarantine quarantine;
	double sample_rate;	 /* share of arenas that are quarantined, 0.0 to 1.0 */
	size_t chunk_size;	 /* bytes of the largest chunk, a power of two, 64 kB to 64 MB */
	size_t retain;		 /* bytes of physical memory kept for chunks not in use */
	int sweep_percent;	 /* see ga_sweep_due; -1 never */
	size_t sweep_min;	 /* bytes */
	size_t sweep_max;	 /* bytes that frequent sweeps may wait for, see ga_sweep_schedule */
	size_t max_mappings; /* isolate chunks only below this many mappings */
	size_t window;		 /* bytes to which access is given at a time; 0: chunk by chunk */
	bool huge_pages;
} ga_config;

/* Cumulative counters since the start or ga_heap_reset_stats. */
typedef struct ga_counters
{
	uint64_t class_allocs[GA_NUM_CLASSES];
	uint64_t class_frees[GA_NUM_CLASSES];
	uint64_t large_allocs;
	uint64_t large_frees;
	uint64_t large_bytes;	/* allocated */
	uint64_t medium_allocs; /* of those of class_allocs, above GA_SMALL_MAX */
	uint64_t medium_bytes;
	uint64_t grown_bytes; /* by which objects grew without being allocated anew */
	uint64_t resets;
	uint64_t sweeps;
	uint64_t sweep_us;
	uint64_t max_sweep_us;
	uint64_t chunks_freed;	/* by sweeps */
	uint64_t chunks_pinned; /* by sweeps; once for each sweep */
	uint64_t fault_calls;	/* system calls that set to fault */
	uint64_t use_calls;		/* system calls that gave access */
} ga_counters;

/* Sums over the counters. */
typedef struct ga_allocated
{
	uint64_t objects; /* ever allocated */
	uint64_t bytes;	  /* of them, as rounded up, and by which they grew */
} ga_allocated;

typedef struct ga_heap
{
	const ga_os *os;
	ga_config config;
	int min_order;			/* of the smallest chunk: a granule or a page */
	int max_order;			/* of config.chunk_size */
	size_t large_threshold; /* objects above this get a span */
	uint32_t sample_every;	/* config.sample_rate as a threshold for random bits */
	uint64_t random;		/* state of the sampling generator */

	ga_metadata metadata;
	ga_fixed chunk_structs;
	ga_fixed heap_arena_structs;
	ga_fixed free_lists;   /* ga_free_lists, see free_list.h */
	ga_fixed delays;	   /* ga_delay, see delay.h */
	ga_fixed delay_stacks; /* ga_delay_stacks */

	ga_heap_arena *heap_arenas; /* in order of address */
	uintptr_t hint;				/* where to reserve next */

	ga_list fresh[GA_NUM_ORDERS];
	ga_list ready[GA_NUM_ORDERS]; /* free again; recently used ones first */
	ga_list fresh_huge;			  /* above 64 MB */
	ga_list ready_huge;
	ga_list reuse[GA_HANDON_ORDER + 1];
	ga_list fault;
	ga_list quarantined;
	ga_list retained_lru; /* longest unused first */
	ga_list arenas;		  /* every arena but the parked ones */
	ga_list parked;		  /* ended, see ga_arena_park; used last first */

	/* Address space in bytes; see the head of this file. */
	size_t reserved;
	size_t mapped;
	size_t retained;
	size_t released;
	size_t touched; /* of chunks in any state, bytes that may have physical pages */
	size_t state_bytes[GA_NUM_STATES];
	size_t state_chunks[GA_NUM_STATES];

	size_t limit;		/* what ga_heap_held may come to; SIZE_MAX: no limit */
	size_t refused;		/* bytes that were asked for when it was last refused */
	bool limit_refused; /* memory was refused because of it; the caller clears it */

	size_t mappings;		 /* mappings that our access changes made, an estimate */
	size_t in_use;			 /* bytes charged to arenas */
	size_t peak;			 /* the highest in_use since the caller last lowered this to it */
	size_t fresh_quarantine; /* bytes that came into quarantine since the last sweep,
								* also if their pages have been moved away */
	size_t next_sweep;		 /* the value of the above that makes a sweep due */
	size_t pace;			 /* bytes that sweeps wait for because they were frequent, or 0 */
	int64_t last_due;		 /* when the last sweep that was due ended, in microseconds */
	size_t fault_bytes;		 /* physical bytes on the fault list */
	bool keeps_excess;		 /* see ga_heap_keep_excess */
	size_t to_trim;			 /* bytes of the excess that are to go with the next step */
	uint64_t next_arena_id;
	bool sweeping;			/* between ga_sweep_begin and ga_sweep_finish */
	bool isolation_stopped; /* the mapping limit was reached and told */
	bool fault_failure_told;
	bool release_failure_told;

	/*
	 * Called, unless NULL, once before chunks of a quarantined arena are given
	 * up.  The chunks keep the result, so that a later access can be explained.
	 */
	uint64_t (*note_free)(ga_arena *arena, ga_freed_by how);
	uint64_t freed_note; /* for the chunks given up now */

	/*
	 * Called, unless NULL, for each object that comes into a delay queue: stores
	 * return addresses of the callers and returns how many.
	 */
	int (*take_stack)(uintptr_t *frames, int room);

	int num_events;
	uint64_t lost_events; /* beyond GA_MAX_EVENTS */
	ga_counters counters;

	/* What is large or rarely used comes last: all above fits a page or two. */
	ga_map_leaf *map[1 << GA_MAP_L1_BITS];
	ga_event events[GA_MAX_EVENTS];
	ga_sweep sweep;
} ga_heap;

/*
 * Set up a heap in the given memory.  Nothing is reserved before the first
 * allocation.  The seed picks where in the address space the heap begins.
 */
extern void ga_heap_init(ga_heap *heap, const ga_os *os, const ga_config *config, uint64_t seed);

/* Give everything back to the operating system (tests only). */
extern void ga_heap_destroy(ga_heap *heap);

/* Change the settings.  Arenas that exist keep their mode until their next life. */
extern void ga_heap_configure(ga_heap *heap, const ga_config *config);

/* Zero the cumulative counters. */
extern void ga_heap_reset_stats(ga_heap *heap);

/*
 * Bytes of chunks and metadata that have physical pages, as the kernel counts
 * them.  ga_heap_held is what may have: memory that was allocated but not yet
 * written has none.  One system call for each heap arena and metadata region.
 * Not while a sweep is under way.
 */
extern size_t ga_heap_resident(ga_heap *heap);

/* What was allocated so far.  Takes some hundred instructions, whatever that is. */
extern void ga_counters_allocated(const ga_counters *counters, ga_allocated *allocated);

/* The name of a state, as SQL shows it. */
extern const char *ga_state_name(ga_chunk_state state);

/* Draw whether an arena that begins a life now is quarantined. */
extern ga_quarantine ga_heap_draw_mode(ga_heap *heap);

/* Remember an event for the caller to report at a better moment. */
extern void ga_heap_add_event(ga_heap *heap, const ga_event *event);

/*
 * Does everything add up?  NULL, or a description of the first thing that
 * does not.  Walks all chunks: for tests and debugging.
 */
extern const char *ga_heap_check(ga_heap *heap);

/*
 * chunk.c: getting chunks
 */

/*
 * Take a chunk of the given order, accessible as a whole and ACTIVE, on no
 * list.  NULL if address space or memory is used up.
 */
extern ga_chunk *ga_chunk_take(ga_heap *heap, int order);

/*
 * Take a chunk for a span whose first bytes are accessible, and which can grow
 * to as many as room in place if address space allows.  The number of bytes is
 * a multiple of the page size.  NULL as above.
 */
extern ga_chunk *ga_chunk_take_span(ga_heap *heap, size_t bytes, size_t room);

/*
 * Make a span's first bytes accessible, or give up those beyond.  False, with
 * nothing changed, if the operating system refuses.
 */
extern bool ga_chunk_set_accessible(ga_heap *heap, ga_chunk *chunk, size_t bytes);

/*
 * Merge a ready chunk with its lower buddy, and what comes of it likewise, as
 * long as that needs no system call.  Returns the chunk that it is now part of.
 */
extern ga_chunk *ga_chunk_merge_ready(ga_heap *heap, ga_chunk *chunk);

/* Move a chunk to another state; the caller unlinks and links it. */
extern void ga_chunk_set_state(ga_heap *heap, ga_chunk *chunk, ga_chunk_state state);

/* Record that memory up to this offset may have been written. */
extern void ga_chunk_touch(ga_heap *heap, ga_chunk *chunk, size_t touched);

/* Record which bytes of a chunk are accessible; keeps mapped and mappings right. */
extern void ga_chunk_note_access(ga_heap *heap, ga_chunk *chunk, size_t accessible);

/*
 * quarantine.c: giving chunks up.  The chunk is on no list and in one of the
 * owned states.
 */

/* The chunk holds nothing that anybody may still point to: READY at once. */
extern void ga_chunk_make_ready(ga_heap *heap, ga_chunk *chunk);

/* The chunk is partly used and goes to the next arena of its size. */
extern void ga_chunk_hand_on(ga_heap *heap, ga_chunk *chunk);

/* The chunk goes to quarantine with the next batch. */
extern void ga_chunk_quarantine(ga_heap *heap, ga_chunk *chunk);

/*
 * Let a chunk on the fault list fault before the others of its batch, unless a
 * sweep is under way, there are too many mappings, or the system refuses.
 */
extern void ga_chunk_close(ga_heap *heap, ga_chunk *chunk);

/* Set what is on the fault list to fault, as far as possible. */
extern void ga_heap_flush_faults(ga_heap *heap);

/* Give physical pages back until at most this many bytes are retained. */
extern void ga_heap_trim(ga_heap *heap, size_t retain);

/*
 * Keep pages beyond config.retain, or no longer: while some work is under way, what
 * it gave up is likely to be wanted again.  Of what is kept in excess, as much
 * goes back as other pages are touched for the first time, so that a heap does
 * not hold more because of it than it did before.
 */
extern void ga_heap_keep_excess(ga_heap *heap, bool keep);

/* Give back what is retained beyond config.retain, unless that is to be kept. */
extern void ga_heap_trim_excess(ga_heap *heap);

/* So many bytes of pages were touched for the first time. */
extern void ga_heap_note_touched(ga_heap *heap, size_t bytes);

/* Give back every page not in use.  Returns bytes released. */
extern size_t ga_heap_release(ga_heap *heap);

/* Bytes of memory that the heap holds, as far as it knows. */
GA_INLINE size_t
ga_heap_held(const ga_heap *heap)
{
	return heap->touched + heap->metadata.mapped;
}

/* Does the limit allow so many bytes more? */
GA_INLINE bool
ga_heap_may_hold(const ga_heap *heap, size_t bytes)
{
	size_t held = ga_heap_held(heap);

	return held <= heap->limit && bytes <= heap->limit - held;
}

/*
 * May so many bytes be touched that were not before?  If not, the caller of the
 * engine is told so by limit_refused; it can give memory back and try again.
 */
GA_INLINE bool
ga_heap_has_room(ga_heap *heap, size_t bytes)
{
	if (GA_LIKELY(ga_heap_may_hold(heap, bytes)))
		return true;
	heap->refused = bytes;
	heap->limit_refused = true;
	return false;
}

/*
 * Find the heap arena or the chunk of any address; NULL for foreign ones.
 */
GA_INLINE ga_heap_arena *
ga_heap_arena_of(const ga_heap *heap, uintptr_t addr)
{
	uintptr_t index = addr >> GA_HEAP_ARENA_SHIFT;
	ga_map_leaf *leaf;

	if (GA_UNLIKELY(index >> GA_MAP_BITS != 0))
		return NULL;
	leaf = heap->map[index >> GA_MAP_L2_BITS];
	return leaf == NULL ? NULL : leaf->heap_arenas[index & ((1 << GA_MAP_L2_BITS) - 1)];
}

GA_INLINE int
ga_granule_of(uintptr_t addr)
{
	return (int) ((addr & (GA_HEAP_ARENA_SIZE - 1)) >> GA_GRANULE_SHIFT);
}

GA_INLINE ga_chunk *
ga_heap_lookup(const ga_heap *heap, uintptr_t addr)
{
	ga_heap_arena *heap_arena = ga_heap_arena_of(heap, addr);
	ga_chunk *chunk;

	if (heap_arena == NULL)
		return NULL;
	chunk = heap_arena->huge;
	if (chunk == NULL)
		chunk = heap_arena->chunks[ga_granule_of(addr)];

	/* An entry can be that of a chunk which was split or merged since. */
	return chunk != NULL && addr - chunk->base < chunk->size ? chunk : NULL;
}

GA_INLINE bool
ga_state_is_owned(int state)
{
	return state == GA_ACTIVE || state == GA_FULL || state == GA_REUSE;
}

/* Are all objects of a full chunk on free lists, as last counted? */
GA_INLINE bool
ga_chunk_is_vacant(const ga_chunk *chunk)
{
	return chunk->state == GA_FULL && chunk->freed == chunk->used - chunk->start;
}

GA_INLINE bool
ga_state_is_idle(int state)
{
	return state == GA_FAULT || state == GA_QUARANTINED || state == GA_READY;
}

/* May a sweep free a chunk of this state? */
GA_INLINE bool
ga_state_is_candidate(int state)
{
	return state == GA_FAULT || state == GA_QUARANTINED;
}

#endif /* GA_HEAP_H */
