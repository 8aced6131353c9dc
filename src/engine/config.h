/*-------------------------------------------------------------------------
 *
 * config.h
 *	  Constants and small tools that every file of the engine shares.
 *
 * The engine is plain C11.  It includes no PostgreSQL header and keeps no global state, so that it
 * can be tested without a server; GA_OWNER_WORD says what it needs to know of the server's chunk
 * header.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_CONFIG_H
#define GA_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "goarena supports Linux on x86-64 and aarch64 only"
#endif

/*
 * Does every object carry the word of its owner directly before its payload?
 * PostgreSQL 15 and older find the context of a chunk through such a pointer;
 * 16 and later use the low bits of the header word instead.
 */
#ifndef GA_OWNER_WORD
#define GA_OWNER_WORD 1
#endif

/* Bytes before each object: the header word, then the owner word if any. */
#define GA_HEADER_SIZE ((size_t) (GA_OWNER_WORD ? 16 : 8))

/* Every object's address and size is a multiple of this. */
#define GA_ALIGN ((size_t) 8)

/* The address map's resolution, and the size of the smallest chunk. */
#define GA_GRANULE_SHIFT 13
#define GA_GRANULE_SIZE	 ((size_t) 1 << GA_GRANULE_SHIFT)

/* A segment: the unit in which address space is reserved (Go: 64 MB). */
#define GA_SEGMENT_SHIFT 26
#define GA_SEGMENT_SIZE	 ((size_t) 1 << GA_SEGMENT_SHIFT)
#define GA_GRANULES		 (1 << (GA_SEGMENT_SHIFT - GA_GRANULE_SHIFT))

/* A slot: what one last-level page table covers.  Its pages move as a whole. */
#define GA_SLOT_SHIFT 21
#define GA_SLOT_SIZE  ((size_t) 1 << GA_SLOT_SHIFT)
#define GA_SLOT_ORDER GA_SLOT_SHIFT
#define GA_SLOTS	  ((int) (GA_SEGMENT_SIZE / GA_SLOT_SIZE))

/*
 * Bytes of a slot that serve as nursery.  Addresses cost nothing, but the processor's second-level
 * cache is not larger than this.  Chunks of up to a quarter of it come from there.
 */
#define GA_NURSERY_SIZE ((size_t) 1 << 20)
#define GA_NURSERY_MAX	(GA_NURSERY_SIZE / 4)

/*
 * The frames that moved last are not used again yet, so that reports can say what was in them: at
 * most this many frames, and this many bytes.  Where only a sample of the arenas is quarantined,
 * few frames move in a transaction.
 */
#define GA_COOLING_FRAMES 48
#define GA_COOLING_SAMPLE 8
#define GA_COOLING_BYTES  ((size_t) 768 << 10)

/*
 * Freed memory may hold this many bytes of pages in slots that cannot move, since something there
 * lives.
 */
#define GA_WASTE_MAX ((size_t) 1 << 20)

/* It may hold them until this many nurseries were used up. */
#define GA_WASTE_AGE 8

/* Chunk orders: log2 of a chunk's size. */
#define GA_MIN_ORDER  GA_GRANULE_SHIFT
#define GA_MAX_ORDER  GA_SEGMENT_SHIFT
#define GA_NUM_ORDERS (GA_MAX_ORDER + 1)

/* The largest chunk that one arena hands on to the next with dead data in it. */
#define GA_HANDON_ORDER 16

/* At most this many chunks of one size wait to be handed on; more go to quarantine. */
#define GA_HANDON_MAX 32

/* At most this many arenas that ended are kept, with their chunk, for later ones. */
#define GA_PARKED_MAX 8

/* An object that grows beyond GA_SMALL_MAX gets address space for this many times its size. */
#define GA_GROWTH ((size_t) 4)

/* Kinds of specials, see special.h; a power of two, at most GA_ALIGN. */
#define GA_SPECIAL_KINDS 8
/* Words of a granule. */
#define GA_GRANULE_WORDS ((int) (GA_GRANULE_SIZE / sizeof(uint64_t)))

/* Room for the numbers of types in a granule comes in this many sizes. */
#define GA_TYPE_ROOMS 3

/* What memory without pointers takes of the end of a chunk is a multiple of this, in bytes. */
#define GA_BACK_STEP ((size_t) 4096)

/* Objects without pointers below this are packed into units of this, in bytes. */
#define GA_TINY ((size_t) 16)

/*
 * From this size in bytes on, an object without pointers has a word before it that leads a free of
 * it to goarena, which refuses it.
 */
#define GA_GUARD_MIN ((size_t) 64)

/* Bits of address space of a process on the supported platforms. */
#define GA_ADDRESS_BITS 48

/* Objects above this are charged and uncharged one by one (see arena.h). */
#define GA_SMALL_MAX ((size_t) 8192)

/* Frees look for chunks without live objects only with at least this many bytes on free lists. */
#define GA_TRIM_MIN ((size_t) 64 << 10)

/* And with at least this many for each full chunk, since the look goes through all of them. */
#define GA_TRIM_PER_CHUNK ((size_t) 1 << 10)

/*
 * Freed objects of quarantined arenas are filled with this word.  If code reads it as a pointer and
 * follows it, that must fault, and the fault must show why.  So the word is an address that user
 * space could have: the processor reports such an address exactly, also for a jump.  Of a
 * non-canonical address, x86-64 would report nothing.  Linux places nothing near it unless asked
 * to: programs, libraries and stacks are above 0x2aaa_0000_0000 in every layout of x86-64 and above
 * 0x4000_0000_0000 in every one of aarch64.  A word read one to seven bytes off is no canonical
 * address.  Taken for a varlena, it has a short length, so that code which copies it copies little.
 */
#define GA_POISON UINT64_C(0x000025a5deadf00d)

/* A pointer counts as read from poison up to this distance, in bytes. */
#define GA_POISON_REACH (UINT64_C(16) << 20)

#define GA_LIKELY(x)   __builtin_expect((x) != 0, 1)
#define GA_UNLIKELY(x) __builtin_expect((x) != 0, 0)
#define GA_NOINLINE	   __attribute__((noinline))

/*
 * For functions that most allocations or frees run through: they lie together, and take few lines of
 * the processor's first cache.
 */
#define GA_HOT __attribute__((hot, aligned(64)))

#define GA_INLINE static inline __attribute__((always_inline))

GA_INLINE uintptr_t
ga_align_up(uintptr_t value, size_t power_of_two)
{
	return (value + power_of_two - 1) & ~(uintptr_t) (power_of_two - 1);
}

GA_INLINE uintptr_t
ga_align_down(uintptr_t value, size_t power_of_two)
{
	return value & ~(uintptr_t) (power_of_two - 1);
}

/* The smallest order whose size is at least the given number of bytes (log2, rounded up). */
GA_INLINE int
ga_order_of(size_t bytes)
{
	return bytes <= 1 ? 0 : 64 - __builtin_clzl(bytes - 1);
}

/* Is this an address that a pointer read from freed memory leads to? */
GA_INLINE bool
ga_is_poison(uintptr_t address)
{
	return address - (GA_POISON - GA_POISON_REACH) < 2 * GA_POISON_REACH;
}

GA_INLINE size_t
ga_min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

GA_INLINE size_t
ga_max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

#endif /* GA_CONFIG_H */
