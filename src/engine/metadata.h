/*-------------------------------------------------------------------------
 *
 * metadata.h
 *	  Allocators for the engine's own data, outside of all chunks.
 *
 * Metadata outlives the chunks that it describes.  It has pointers to chunks, which must not keep
 * these in quarantine.  So it lies in regions of its own that sweeps skip.  There are three layers,
 * as in Go's runtime (malloc.go linearAlloc and persistentalloc, mfixalloc.go):
 *
 *	linear		a region of reserved address space, mapped from the front
 *	persistent	memory of any size that is never given back
 *	fixed		objects of one size, with a free list
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_METADATA_H
#define GA_METADATA_H

#include "os.h"

/* Address space of one metadata region, and the step in which it is mapped. */
#define GA_REGION_SIZE ((size_t) 16 << 20)
#define GA_REGION_STEP ((size_t) 64 << 10)

/* A thousand regions are 16 GB of metadata; more is an error of ours. */
#define GA_MAX_REGIONS 1024

typedef struct ga_linear
{
	uintptr_t base;
	uintptr_t next;	  /* first byte not handed out */
	uintptr_t mapped; /* end of what is readable and writable */
	uintptr_t end;	  /* end of the region */
} ga_linear;

typedef struct ga_metadata
{
	const ga_os *os;
	ga_linear current;
	uintptr_t regions[GA_MAX_REGIONS]; /* base addresses, for sweeps to skip */
	int num_regions;
	size_t reserved; /* bytes of address space */
	size_t mapped;	 /* bytes readable and writable */
} ga_metadata;

typedef struct ga_fixed
{
	ga_metadata *metadata;
	void *free;	   /* chain through the first word of each free object */
	void *trimmed; /* from this free object on, the chain was trimmed */
	size_t size;   /* bytes of one object */
	size_t live;   /* objects handed out */
} ga_fixed;

extern void ga_metadata_init(ga_metadata *metadata, const ga_os *os);

/* Give all regions back to the operating system (tests only). */
extern void ga_metadata_destroy(ga_metadata *metadata);

/*
 * Allocate zeroed memory that is never given back, aligned to 16 bytes.
 * At most GA_REGION_SIZE.  NULL if the operating system has none.
 */
extern void *ga_persistent_alloc(ga_metadata *metadata, size_t size);

extern void ga_fixed_init(ga_fixed *fixed, ga_metadata *metadata, size_t size);

/*
 * Allocate one object.  It is all zero if its memory is used for the first time.  Later it is as
 * the caller of ga_fixed_free left it, except for the first word.  NULL if the operating system has
 * no memory.
 */
extern void *ga_fixed_alloc(ga_fixed *fixed);
extern void ga_fixed_free(ga_fixed *fixed, void *object);

/*
 * Give the pages that lie wholly within free objects back to the operating system.  They are zero
 * when they are used again, so whoever frees such objects must leave them zero, or not care.
 */
extern void ga_fixed_trim(ga_fixed *fixed);

#endif /* GA_METADATA_H */
