/*-------------------------------------------------------------------------
 *
 * types.h
 *	  What the engine's words mean, and the structs behind them.
 *
 *	arena		the allocator state of one memory context
 *	segment		64 MB of aligned, reserved address space
 *	slot		2 MB of aligned addresses, what one last-level page table covers
 *	frame		the pages that stand in a slot, with their page table; it moves to
 *				another slot by one system call, without a page being copied
 *	chunk		a run of addresses that one arena bump-allocates from
 *	nursery		the slot from which quarantined arenas get their small chunks, in
 *				order of address
 *	span		a chunk that holds one large object
 *	object		what the caller asked for, with its header
 *	type		how large an object is, and which of its words are pointers
 *	front, back	where a chunk's objects with headers begin, and where at its end those
 *				without headers and without pointers do
 *	sweep		looks in all memory for pointers to spent slots, and makes those
 *				free to which there is none
 *
 * Chunks of arenas that are not quarantined are cut from segments buddy fashion, 8 kB to 64 MB;
 * what they held is used again at once.  Chunks of quarantined arenas lie in slots that hold
 * nothing else.  When the last of them is given up, the frame moves to a slot that is free, and the
 * slot that it leaves is spent: nothing is mapped there, so that every access faults, and its
 * addresses are not used again before a sweep.  All that a spent slot costs is one bit.
 *
 * States of a chunk:
 *
 *	FRESH		reserved, without access and without pages
 *	ACTIVE		an arena bump-allocates from it
 *	FULL		no room left, still owned by its arena
 *	REUSE		in the nursery, partly used; the next arena goes on from here
 *	NURSERY		the rest of a slot that chunks are still cut from
 *	FAULT		given up, in a slot where something else lives
 *	READY		free to be used again, with access and perhaps with pages
 *
 * QUARANTINED is the state of spent slots, which have no chunk struct.
 *
 * A span is FULL from the start and marked large.  Bytes of address space add up
 * at every moment (ga_heap_check says so):
 *
 *	reserved = fresh + owned + retained + released
 *
 * where owned is the size of ACTIVE, FULL, REUSE, NURSERY and FAULT chunks,
 * retained and released split the size of READY chunks by whether they may have
 * pages, and spent slots are released.  mapped is the part of reserved that can
 * be read and written.
 *
 * A heap holds memory of the machine: touched, which is the part of reserved that may have physical
 * pages, and its metadata.  The caller can set a limit to the sum.  The engine compares with the
 * limit only where it touches pages for the first time (see ga_heap_has_room), never on the hot
 * path.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TYPES_H
#define GA_TYPES_H

#include "list.h"
#include "metadata.h"
#include "os.h"
#include "sampler.h"
#include "size_class.h"

typedef struct ga_arena ga_arena;
typedef struct ga_free_lists ga_free_lists;
typedef struct ga_delay ga_delay;
typedef struct ga_special ga_special;
typedef struct ga_specials ga_specials;
typedef struct ga_type ga_type;

typedef enum ga_chunk_state
{
	GA_FRESH,
	GA_ACTIVE,
	GA_FULL,
	GA_REUSE,
	GA_NURSERY,
	GA_FAULT,
	GA_QUARANTINED,
	GA_READY
} ga_chunk_state;

#define GA_NUM_STATES (GA_READY + 1)

/* One or more slots in a row that only chunks of quarantined arenas lie in. */
typedef struct ga_slot
{
	ga_link link; /* in heap->wasteful while it is closed and holds dead pages */
	uintptr_t base;
	size_t size;		   /* a multiple of GA_SLOT_SIZE */
	struct ga_chunk *rest; /* NURSERY; NULL once it is closed */
	size_t limit;		   /* bytes from base that chunks may be cut from */
	size_t live;		   /* chunks that are not FAULT, without the rest */
	size_t dead;		   /* bytes of pages that FAULT chunks hold */
	uint64_t wasteful_at;  /* nurseries_closed when it came on that list */
	bool open;			   /* chunks are still cut from it */
	bool wasteful;		   /* it is on that list */
	bool punched;		   /* pages in its midst were given back */
} ga_slot;

typedef struct ga_chunk
{
	ga_link link;	  /* in the list of its state, or of its arena */
	ga_link retained; /* in heap->retained_lru while READY and touched */
	uintptr_t base;
	size_t size;		  /* power of two or a multiple of 64 MB; in slots, of granules */
	size_t accessible;	  /* bytes from base that can be read and written */
	size_t touched;		  /* bytes from base that may hold physical pages */
	ga_slot *slot;		  /* where it was cut from, or NULL */
	ga_arena *arena;	  /* owner while ACTIVE or FULL */
	uint64_t arena_id;	  /* the last owner, also after it is gone */
	uintptr_t start;	  /* where its present owner began */
	uintptr_t used;		  /* end of its objects once it is not ACTIVE */
	size_t freed;		  /* bytes from start to used on free lists;
						   * of a span, those that were not asked for */
	size_t charged;		  /* bytes charged to its owner for it */
	uintptr_t moved_from; /* where the pages of a READY one were, if they are still the same */
	uint8_t state;		  /* ga_chunk_state */
	uint8_t order;		  /* log2 of size; GA_MAX_ORDER for huge spans, 0 for spans in slots */
	bool large;			  /* holds one large object */
	bool huge_advised;	  /* huge pages were asked for */
	bool cools;			  /* it is on the list of those */
	bool typed;			  /* some of its granules are in the type map, see type_map.h */
	uintptr_t back; /* its memory without pointers runs from here to its end; 0: there is none */
	size_t back_touched; /* bytes before its end that may hold pages, beyond those touched */
	const ga_type *type; /* of a span, what its object is an array of, or NULL */
	bool fenced;		 /* its object ends where access does, see fence.c */
	uint32_t stack;		 /* of the allocation of its one object, see careful.h */
} ga_chunk;

/* Addresses of the pointers that the last sweep found to the slots of a segment. */
typedef struct ga_pins
{
	uintptr_t where[GA_SLOTS];
} ga_pins;

/* The chunk of each granule of a segment. */
typedef struct ga_granules
{
	ga_chunk *chunks[GA_GRANULES]; /* always right for the first granule of a chunk, and
									* for all of them once it has been used */
} ga_granules;

/* What is known of the words of one granule, see type_map.h. */
typedef struct ga_type_granule
{
	uint64_t pointers[GA_GRANULE_WORDS / 64]; /* words that a sweep has to read */
	uint64_t starts[GA_GRANULE_WORDS / 64];	  /* where objects begin whose type is known */
	uint16_t *ids;							  /* the numbers of their types, in order of address */
	uint16_t count;							  /* of ids */
	uint16_t last;							  /* the word where the last of these objects begins */
	uint16_t space;							  /* how many numbers there is room for in ids */
	uint8_t room;							  /* which of GA_TYPE_ROOMS that is */
} ga_type_granule;

/* What is known of each granule of a segment. */
typedef struct ga_type_map
{
	ga_type_granule *granules[GA_GRANULES]; /* NULL: nothing is known of it */
} ga_type_map;

/* The metadata of one segment.  Each mask has a bit for each slot. */
typedef struct ga_segment
{
	uintptr_t base;
	ga_chunk *huge;			 /* the span that takes in all of it, or NULL */
	struct ga_segment *next; /* in order of address */
	ga_granules *granules;	 /* NULL as long as no slot is in use */
	ga_pins *pins;			 /* NULL if no slot is pinned */
	ga_type_map *types;		 /* NULL as long as no object there has a type */
	uint32_t spent;			 /* given up since, or pinned by, the last sweep */
	uint32_t joined;		 /* of these, given up together with the slot before it */
	uint32_t swept;			 /* free again, to be reserved when they are wanted */
	uint32_t lost;			 /* another mapping of the process was found there */
	uint32_t candidates;	 /* were spent when the sweep under way began */
	uint32_t marked;		 /* of these, a pointer was found */
	uint32_t marked_first;	 /* by the first of two readings, see sweep_check.c */
} ga_segment;

/* Two-level map from address to segment. */
#define GA_MAP_BITS	   (GA_ADDRESS_BITS - GA_SEGMENT_SHIFT)
#define GA_MAP_L2_BITS (GA_MAP_BITS / 2)
#define GA_MAP_L1_BITS (GA_MAP_BITS - GA_MAP_L2_BITS)

typedef struct ga_map_leaf
{
	ga_segment *segments[1 << GA_MAP_L2_BITS];
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
	GA_QUARANTINE_ON,	 /* small chunks come from the nursery, which moves when it is used up */
	GA_QUARANTINE_STRICT /* the arena has slots of its own, which move at once */
} ga_quarantine;

/* Memory that was given up: by whom, and the number that note_free gave. */
typedef struct ga_freed
{
	uintptr_t from; /* of its objects; 0 in a record never used */
	uintptr_t to;
	uint64_t arena_id : 42;
	uint64_t noscan : 1;  /* its objects had no headers */
	uint64_t large : 1;	  /* it was a span, with one object */
	uint64_t stacked : 1; /* objects have numbers of stacks, see careful.h */
	uint64_t slack : 19;  /* bytes behind that of a span */
	uint64_t note;
	uint32_t stack; /* of the allocation of that of a span */
} ga_freed;

/* A ring of the newest of these records. */
typedef struct ga_history
{
	ga_freed *records; /* metadata, so that sweeps skip it; NULL until needed */
	size_t room;
	uint64_t count; /* ever */
} ga_history;

/* What happened where the engine could not report it; the caller does so later. */
typedef enum ga_event_kind
{
	GA_EVENT_MAPPING_LIMIT,	   /* too many mappings: isolation stopped */
	GA_EVENT_MOVE_FAILED,	   /* the system does not move pages; they are given back instead */
	GA_EVENT_FAULT_FAILED,	   /* setting slots to fault failed */
	GA_EVENT_RELEASE_FAILED,   /* giving physical pages back failed */
	GA_EVENT_WRITE_AFTER_FREE, /* the poison of a freed object was changed */
	GA_EVENT_FENCE_LIMIT,	   /* the limit of objects with pages of their own was reached */
	GA_EVENT_USE_AFTER_DELETE  /* the same, of a context that was deleted; the caller's */
} ga_event_kind;

typedef struct ga_event
{
	ga_event_kind kind;
	int error;			/* errno, where a system call failed */
	uint64_t arena_id;	/* the object's arena */
	uintptr_t object;	/* address of the object */
	size_t size;		/* its size in bytes */
	size_t offset;		/* of the first changed word */
	uint64_t value;		/* what stands there now */
	uint32_t freed;		/* the stack of its free, see careful.h; 0 if unknown */
	uint32_t allocated; /* and that of its allocation */
} ga_event;

#define GA_MAX_EVENTS 16

/*
 * A sweep asks which pages are resident for this many at a time, and copies this many bytes at a
 * time.
 */
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
	bool checking;	 /* all is read once more, through the system */
	bool checked;	 /* it was */
	size_t missed;	 /* slots that only the first reading found a pointer to */
	size_t added;	 /* slots that only the second one did */
	size_t scanned_first;
	struct ga_look *look; /* who wants to see the pointers instead, or NULL */
	uint64_t copy[GA_SWEEP_COPY / sizeof(uint64_t)];
	unsigned char pages[GA_SWEEP_PAGES];
} ga_sweep;

/* A live object that the heap profile has, see profile.h. */
typedef struct ga_sample
{
	ga_link link;			/* in arena->samples */
	struct ga_sample *next; /* in a chain of the table */
	uintptr_t object;
	size_t bytes;  /* with its header */
	double weight; /* objects that it stands for */
	void *site;	   /* what begun returned */
} ga_sample;

typedef struct ga_profile
{
	size_t rate;	  /* bytes from one sample to the next on average; 0: none is taken */
	size_t left;	  /* bytes to the next one among objects that are not bump-allocated */
	uint64_t random;  /* state of the generator */
	ga_fixed samples; /* ga_sample */
	ga_sample **chains;
	size_t live;   /* samples */
	uint64_t lost; /* for which there was no memory */

	/*
	 * Called for each sample: when it is allocated, which returns something for the
	 * other call, and when it is freed.  Must not use the heap.
	 */
	void *(*begun)(ga_arena *arena, size_t bytes, double weight);
	void (*ended)(void *site, size_t bytes, double weight);
} ga_profile;

/* Settings; may be changed at any time through ga_heap_configure. */
typedef struct ga_config
{
	ga_quarantine quarantine;
	double sample_rate;	 /* share of lives that are quarantined, 0.0 to 1.0, see sampler.h */
	size_t chunk_size;	 /* bytes of the largest chunk, a power of two, 64 kB to 64 MB */
	size_t retain;		 /* bytes of physical memory to keep for chunks that are not in use */
	int sweep_percent;	 /* see ga_sweep_due; -1 never */
	size_t sweep_min;	 /* bytes of address space */
	size_t max_mappings; /* give chunks slots of their own only below this many mappings */
	size_t history;		 /* records of freed memory that are kept; fixed by the first one */
	bool huge_pages;
} ga_config;

/* Objects of a size class that were allocated and freed. */
typedef struct ga_class_counters
{
	uint64_t allocs;
	uint64_t frees;
} ga_class_counters;

/* Cumulative counters since the start or ga_heap_reset_stats. */
typedef struct ga_counters
{
	ga_class_counters classes[GA_NUM_CLASSES];
	uint64_t large_allocs;
	uint64_t large_frees;
	uint64_t large_bytes;	/* allocated */
	uint64_t medium_allocs; /* of those of classes, above GA_SMALL_MAX */
	uint64_t medium_bytes;
	uint64_t grown_bytes; /* by which objects grew in their place, or with their pages */
	uint64_t resets;
	uint64_t sweeps;
	uint64_t sweep_us;
	uint64_t max_sweep_us;
	uint64_t chunks_freed;	/* slots, by sweeps */
	uint64_t chunks_pinned; /* slots, by sweeps; once for each sweep */
	uint64_t move_calls;	/* system calls that moved pages */
	uint64_t drop_calls;	/* that gave pages back and set to fault */
	uint64_t use_calls;		/* that gave access */
} ga_counters;

/* Sums over the counters. */
typedef struct ga_allocated
{
	uint64_t objects; /* ever allocated */
	uint64_t bytes;	  /* of them, as rounded up, and by which they grew */
} ga_allocated;

typedef struct ga_heap
{
	/* What is looked at when a transaction ends, in one line of the processor's caches. */
	size_t in_use;			 /* bytes charged to arenas */
	size_t touched;			 /* of chunks in any state, bytes that may have physical pages */
	size_t limit;			 /* what ga_heap_held may come to; SIZE_MAX: no limit */
	size_t fresh_quarantine; /* bytes of addresses spent since the last sweep */
	size_t next_sweep;		 /* the value of the above that makes a sweep due */
	int num_events;
	bool keeps_excess; /* see ga_heap_keep_excess */

	const ga_os *os;
	ga_config config;
	int min_order;			/* of the smallest chunk: a granule or a page */
	int max_order;			/* of config.chunk_size */
	size_t large_threshold; /* objects above this get a span */
	ga_sampler *sampler;	/* which lives are quarantined */

	ga_metadata metadata;
	ga_fixed chunk_structs;
	ga_fixed slot_structs;
	ga_fixed segment_structs;
	ga_fixed granules;
	ga_fixed pins;
	ga_fixed free_lists; /* ga_free_lists, see free_list.h */
	ga_fixed delays;	 /* ga_delay, see delay.h */
	ga_fixed type_maps;
	ga_fixed type_granules;
	ga_fixed type_ids[GA_TYPE_ROOMS];
	struct ga_types *types; /* NULL until there is one, see type.h */

	ga_segment *segments; /* in order of address */
	ga_segment *newest;	  /* the one that was entered last, or NULL */
	uintptr_t hint;		  /* where to reserve next */

	ga_list fresh[GA_NUM_ORDERS];
	ga_list ready[GA_NUM_ORDERS]; /* free again; recently used ones first */
	ga_list cooling;			  /* READY frames that moved last, moved longest ago first */
	ga_list fresh_huge;			  /* above 64 MB */
	ga_list ready_huge;
	ga_list reuse[GA_HANDON_ORDER + 1];
	ga_list wasteful;	  /* slots, closed first first */
	ga_list stuck;		  /* slots without a live chunk that the system would not let fault */
	ga_list retained_lru; /* longest unused first */
	ga_list arenas;		  /* every arena but the parked ones */
	ga_list parked;		  /* ended, see ga_arena_park; ended first first */
	ga_slot *nursery;	  /* or NULL */

	/* Address space in bytes; see the head of this file. */
	size_t reserved;
	size_t mapped;
	size_t retained;
	size_t released;
	size_t state_bytes[GA_NUM_STATES];
	size_t state_chunks[GA_NUM_STATES];
	size_t waste;			   /* bytes of pages that the slots on the list hold */
	uint64_t nurseries_closed; /* ever */
	size_t swept_slots;		   /* that are free but not reserved */
	size_t unmerged;		   /* bytes that became free since free buddies were merged */

	size_t refused; /* bytes of the request that the limit refused; the caller sets it to 0 again */

	size_t closed;	/* chunks smaller than a slot without access */
	size_t slots;	/* structs of slots */
	size_t fenced;	/* objects with pages of their own, see fence.c */
	size_t peak;	/* the highest in_use since the caller last lowered this to it */
	size_t to_trim; /* bytes of the excess that are to go with the next step */
	uint64_t next_arena_id;
	ga_profile profile;
	bool sweeping;			/* between ga_sweep_begin and ga_sweep_finish */
	bool isolation_stopped; /* the mapping limit was reached, and an event says so */
	bool fencing_stopped;	/* likewise for objects with pages of their own */
	bool moves_refused;		/* the system does not move pages */
	bool populate_refused;	/* nor does it give pages in batches */
	bool move_failure_told;
	bool fault_failure_told;
	bool release_failure_told;

	/*
	 * Called, unless NULL, once before memory of a quarantined arena is given
	 * up.  The history keeps the result, so that a later access can be explained.
	 */
	uint64_t (*note_free)(ga_arena *arena, ga_freed_by how);
	uint64_t freed_note; /* for the memory given up now */
	ga_history history;

	/*
	 * Called, unless NULL, for each object that comes into a delay queue: the number
	 * of the stack of its free, see careful.h.
	 */
	uint32_t (*take_stack)(void);

	uint64_t lost_events; /* beyond GA_MAX_EVENTS */
	ga_counters counters;

	/* What is large or rarely used comes last: all above fits a page or two. */
	ga_map_leaf *map[1 << GA_MAP_L1_BITS];
	ga_event events[GA_MAX_EVENTS];
	ga_fixed special_structs; /* ga_special, see special.h */
	ga_fixed special_sets;	  /* ga_specials */

	/* Called for each special that ends, by its kind.  They always return. */
	void (*end_special[GA_SPECIAL_KINDS])(ga_arena *arena, ga_special *special, ga_freed_by how);

	ga_sweep sweep;
} ga_heap;

struct ga_arena
{
	/* What the hot path needs. */
	uintptr_t ptr;		 /* where the next object's header goes */
	uintptr_t soft_end;	 /* what is charged ends here */
	uint64_t small_free; /* classes 0 to 63 that have free objects */
	uint64_t owner;		 /* the word before each payload, if there is one */
	uint64_t allocs;	 /* of this arena, ever */
	ga_heap *heap;
	uint64_t tag; /* low four bits of each header word */

	/* And to free; neither is ever in an arena that is quarantined or has specials. */
	uintptr_t active_first;	   /* where objects of the active chunk begin, or UINTPTR_MAX */
	uintptr_t full_first;	   /* where those of the full chunk do that was freed in last */
	size_t full_size;		   /* bytes from there to their end; 0 if there is none */
	ga_chunk *full_chunk;	   /* that chunk; NULL if there is none */
	size_t free_bytes;		   /* bytes on free lists, with headers */
	size_t active_freed;	   /* of them in the active chunk */
	size_t full_freed;		   /* of them in full_chunk; in others ga_chunk.freed */
	size_t trim_at;			   /* with this many free bytes, see whether chunks can leave */
	ga_free_lists *free_lists; /* NULL until the first object comes back */
	uintptr_t sample_at; /* with the bump pointer there, a sample is due; 0: it is not profiled */

	uintptr_t end;		/* end of the active chunk */
	ga_chunk *active;	/* NULL until the first allocation */
	ga_slot *slot;		/* its own slot, from which its chunks are cut; or NULL */
	ga_quarantine mode; /* of the arena's present life */
	int next_order;		/* of the next chunk */
	ga_list full;		/* chunks without room */
	ga_list large;		/* spans */
	ga_delay *delay;	/* NULL until an object is delayed */

	size_t charged; /* bytes */
	size_t credit;	/* bytes that are not metered */
	size_t *meter;	/* what to add the rest to, or NULL */

	ga_link link; /* in heap->arenas */
	uint64_t id;
	uint64_t resets;
	size_t delayed_bytes;  /* bytes in the delay queue, with headers */
	size_t lost_bytes;	   /* freed where there was no memory for free lists */
	ga_specials *specials; /* NULL if no object has any */
	ga_list samples;	   /* live ones of the profile; set up while sample_at is not 0 */
	unsigned careful;	   /* GA_CAREFUL_..., see careful.h; 0 where the fast paths may be taken */

	/* Of its chunks that are no spans. */
	size_t typed_chunks;	  /* that are typed */
	uintptr_t tiny;			  /* where the next tiny object goes, in memory without pointers */
	uintptr_t tiny_end;		  /* and where the room for these ends */
	uintptr_t last_granule;	  /* address of the granule where an object got a type last, or 0 */
	ga_type_granule *last_at; /* what is known of it */
};

GA_INLINE bool
ga_state_is_owned(int state)
{
	return state == GA_ACTIVE || state == GA_FULL || state == GA_REUSE;
}

/* Are all objects of a full chunk on free lists?  Not to be asked of an arena's full_chunk. */
GA_INLINE bool
ga_chunk_is_vacant(const ga_chunk *chunk)
{
	return chunk->state == GA_FULL && chunk->freed == chunk->used - chunk->start &&
		   chunk->back == 0;
}

/* The end of what objects with headers may take of a chunk. */
GA_INLINE uintptr_t
ga_chunk_front_end(const ga_chunk *chunk)
{
	return chunk->back == 0 ? chunk->base + chunk->size : ga_align_down(chunk->back, GA_BACK_STEP);
}

/* Bytes of a chunk's memory without pointers. */
GA_INLINE size_t
ga_chunk_back_size(const ga_chunk *chunk)
{
	return chunk->back == 0 ? 0 : chunk->base + chunk->size - chunk->back;
}

/* Is an address in a chunk's memory without pointers? */
GA_INLINE bool
ga_chunk_in_back(const ga_chunk *chunk, uintptr_t address)
{
	return chunk->back != 0 && address >= chunk->back;
}

/*
 * Mappings that isolation costs, at most: each seam is one, and each frame that waits to be
 * used again.
 */
GA_INLINE size_t
ga_heap_mappings(const ga_heap *heap)
{
	return 2 * heap->closed + heap->slots + heap->fenced + heap->cooling.count +
		   heap->ready[GA_SLOT_ORDER].count;
}

#endif /* GA_TYPES_H */
