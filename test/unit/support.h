/*-------------------------------------------------------------------------
 *
 * support.h
 *	  What the unit tests share: heaps and short-cuts to their states, and a look
 *	  at memory from outside the engine.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TEST_SUPPORT_H
#define GA_TEST_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "fake_os.h"
#include "heap.h"
#include "profile.h"
#include "sweep.h"

#include <cmocka.h>

/* Memory is read and written here that a sanitizer has poisoned. */
#if defined(__SANITIZE_ADDRESS__)
#define NO_SANITIZE __attribute__((no_sanitize("address"), noinline))
#define SANITIZED	1
#else
#define NO_SANITIZE __attribute__((noinline))
#define SANITIZED	0
#endif

#define KB ((size_t) 1 << 10)
#define MB ((size_t) 1 << 20)
#define TB ((size_t) 1 << 40)

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Heaps
 */

/* Quarantine on for all arenas, chunks of 64 kB, no limit that matters. */
extern ga_config usual_config(void);

/* Set up a heap whose sampler is the one of the last heap set up. */
extern void init_heap(ga_heap *heap, const ga_os *os, const ga_config *config, uint64_t seed);

/* Objects that were freed one by one, ever. */
extern uint64_t frees_in(const ga_heap *heap);

/* Change one setting. */
extern void set_mode(ga_heap *heap, ga_quarantine mode);
extern void set_chunk_size(ga_heap *heap, size_t size);

/*
 * Have the heap take a sample each rate bytes in the mean, or none, and add up here
 * what it says of them.
 */
typedef struct profiled
{
	size_t samples; /* that live */
	size_t begun;
	double objects; /* live ones, as estimated */
	double bytes;
	double all_objects; /* of all there were */
	double all_bytes;
} profiled;

extern profiled profile_seen;
extern void profile_at(ga_heap *heap, size_t rate);

/* Set up a heap over the table above, whose state is set back. */
extern ga_heap *new_heap(const ga_config *config);

/* A heap on a machine with other pages. */
extern ga_heap *new_heap_with_pages(const ga_config *config, size_t page_size);

/* Destroy a heap; nothing may remain reserved. */
extern void delete_heap(ga_heap *heap);

/* Before and after each test: *state is a heap of the usual kind, in order at the end. */
extern int setup_heap(void **state);
extern int teardown_heap(void **state);

/* Fail if something in the heap does not add up. */
#define assert_heap(heap)                                                                          \
	do                                                                                             \
	{                                                                                              \
		const char *wrong_ = ga_heap_check(heap);                                                  \
		if (wrong_ != NULL)                                                                        \
			fail_msg("heap check: %s", wrong_);                                                    \
	} while (0)

/* Fail if chunks are not accessible exactly as far as they say (slow). */
extern void assert_access(ga_heap *heap);

/* Sweep with an array of words as the only root. */
extern ga_sweep_result sweep_words(ga_heap *heap, const uintptr_t *words, size_t count);

/* Sweep without roots. */
extern ga_sweep_result sweep_nothing(ga_heap *heap);

/* Sweep with one range of memory as the root, given by its size in bytes. */
extern ga_sweep_result sweep_range(ga_heap *heap, const void *from, size_t size, bool unstable);

/* The chunk of an address that must have one. */
extern ga_chunk *chunk_at(ga_heap *heap, const void *addr);

/* Is a chunk's struct on the list? */
extern bool list_contains(const ga_list *list, const ga_link *link);

/*
 * Arenas.  The tests keep them in static variables: one that fails leaves its
 * arena in the heap, which is looked at once more afterwards.
 */

/* Begin an arena in the given mode, without meter and credit. */
extern void begin(ga_arena *arena, ga_heap *heap, ga_quarantine mode);

/* Allocate and free where it must succeed. */
extern void *alloc(ga_arena *arena, size_t size);
extern void free_object(ga_arena *arena, void *object);

/* Bytes of an object with its header. */
extern size_t bytes_of(const void *object);

extern ga_arena_usage usage_of(const ga_arena *arena);

/* Allocate objects until the arena has a full chunk; returns their number. */
extern int fill_chunk(ga_arena *arena, void **objects, size_t size);

/*
 * Chunks without objects, for tests of the page level.  As no chunk may be in
 * use without an owner, they are the full chunks of an arena behind the scenes.
 */
extern ga_chunk *take_chunk(ga_heap *heap, int order);
extern ga_chunk *take_span(ga_heap *heap, size_t bytes);

/* Take a chunk and write to all of its pages. */
extern ga_chunk *take_written(ga_heap *heap, int order);

/* Take neighbouring chunks, written to. */
extern void take_row(ga_heap *heap, int order, ga_chunk **chunks, size_t count);

/* Put chunks into a random order. */
extern void shuffle(ga_chunk **chunks, size_t count, uint64_t seed);

/* The same for quarantined arenas: in the nursery, or in slots of its own. */
extern ga_chunk *take_quarantined(ga_heap *heap, int order);

/* Write to all pages of a chunk. */
extern void write_chunk(ga_heap *heap, ga_chunk *chunk);

/* Give such a chunk up, in each of the three ways. */
extern void make_ready(ga_heap *heap, ga_chunk *chunk);
extern void quarantine(ga_heap *heap, ga_chunk *chunk);
extern void hand_on(ga_heap *heap, ga_chunk *chunk);

/* The address of a slot, or of several, that was spent. */
extern uintptr_t victim(ga_heap *heap);
extern uintptr_t victim_of(ga_heap *heap, int order);

/* The state of an address's chunk or slot. */
extern ga_chunk_state state_at(const ga_heap *heap, uintptr_t address);

/* Where the last sweep found a pointer into an address's slot, or 0. */
extern uintptr_t pinned_by(const ga_heap *heap, uintptr_t address);

/*
 * Memory
 */

/*
 * Write bytes that only this seed gives; no word of them looks like an address.
 * Beyond 256 kB only some words are written, to save time: from there on one for
 * each page, beyond 8 MB one for each 256 kB.
 */
extern void fill(void *addr, size_t size, uint64_t seed);

/* Are these the bytes that fill() wrote, or the first of them? */
extern bool is_filled(const void *addr, size_t size, uint64_t seed);

/* Read or write a word without a sanitizer's leave. */
extern uint64_t peek_word(const void *addr);

/* Is each whole word of an object poison? */
extern bool is_poison(const void *object, size_t size);
extern void poke_word(void *addr, uint64_t value);

/* Does a process die of SIGSEGV when it reads, or writes, the byte? */
extern bool read_faults(const void *addr);
extern bool write_faults(void *addr);

/* Number of resident pages in a range of whole pages. */
extern size_t resident_pages(const void *addr, size_t size);

/*
 * Random numbers (splitmix64)
 */

extern uint64_t random_bits(uint64_t *state);

/* From 0 to limit - 1. */
extern uint64_t random_below(uint64_t *state, uint64_t limit);

/* A number from the environment, or the default. */
extern uint64_t environment_number(const char *name, uint64_t otherwise);

/*
 * Leave room for this many bytes of metadata, and no more.  Returns the number of regions that were
 * there before, which more_metadata() needs to make room again.
 */
extern int leave_metadata(ga_heap *heap, size_t bytes);
extern void more_metadata(ga_heap *heap, int regions);

#endif /* GA_TEST_SUPPORT_H */
