/*-------------------------------------------------------------------------
 *
 * metadata.c
 *	  Allocating the engine's own data.  See metadata.h.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <string.h>

#include "metadata.h"

void
ga_metadata_init(ga_metadata *metadata, const ga_os *os)
{
	memset(metadata, 0, sizeof(*metadata));
	metadata->os = os;
}

void
ga_metadata_destroy(ga_metadata *metadata)
{
	for (int i = 0; i < metadata->num_regions; i++)
		metadata->os->free((void *) metadata->regions[i], GA_REGION_SIZE);
	ga_metadata_init(metadata, metadata->os);
}

/*
 * metadata_new_region
 *		Reserve the next region and make it the current one.  What is left of
 *		the old one is lost, which is address space but no memory.
 */
static bool
metadata_new_region(ga_metadata *metadata)
{
	uintptr_t base;

	if (metadata->num_regions == GA_MAX_REGIONS)
		return false;
	base = (uintptr_t) metadata->os->reserve(NULL, GA_REGION_SIZE);
	if (base == 0)
		return false;

	metadata->regions[metadata->num_regions++] = base;
	metadata->reserved += GA_REGION_SIZE;
	metadata->current.base = metadata->current.next = metadata->current.mapped = base;
	metadata->current.end = base + GA_REGION_SIZE;
	return true;
}

/*
 * metadata_linear_alloc
 *		Take bytes from the front of a region, mapping more of it as needed.
 */
static void *
metadata_linear_alloc(ga_metadata *metadata, size_t size)
{
	ga_linear *linear = &metadata->current;
	uintptr_t result = linear->next;

	if (result + size > linear->mapped)
	{
		size_t step = ga_align_up(result + size - linear->mapped, GA_REGION_STEP);

		if (metadata->os->map((void *) linear->mapped, step) != 0)
			return NULL;
		linear->mapped += step;
		metadata->mapped += step;
	}
	linear->next = result + size;
	return (void *) result;
}

void *
ga_persistent_alloc(ga_metadata *metadata, size_t size)
{
	size = ga_align_up(size, 16);
	assert(size <= GA_REGION_SIZE);

	if (size > metadata->current.end - metadata->current.next && !metadata_new_region(metadata))
		return NULL;
	return metadata_linear_alloc(metadata, size);
}

void
ga_fixed_init(ga_fixed *fixed, ga_metadata *metadata, size_t size)
{
	memset(fixed, 0, sizeof(*fixed));
	fixed->metadata = metadata;
	fixed->size = ga_max_size(size, sizeof(void *));
}

void *
ga_fixed_alloc(ga_fixed *fixed)
{
	void *object = fixed->free;

	if (object != NULL)
	{
		fixed->free = *(void **) object;
		if (object == fixed->trimmed)
			fixed->trimmed = fixed->free;
	}
	else
		object = ga_persistent_alloc(fixed->metadata, fixed->size);
	if (object != NULL)
		fixed->live++;
	return object;
}

void
ga_fixed_free(ga_fixed *fixed, void *object)
{
	*(void **) object = fixed->free;
	fixed->free = object;
	fixed->live--;
}

/*
 * ga_fixed_trim
 *		The first word of a free object is a link, so its page stays.
 */
void
ga_fixed_trim(ga_fixed *fixed)
{
	const ga_os *os = fixed->metadata->os;
	void **object;

	for (object = fixed->free; object != fixed->trimmed; object = *object)
	{
		uintptr_t from = ga_align_up((uintptr_t) (object + 1), os->page_size);
		uintptr_t to = ga_align_down((uintptr_t) object + fixed->size, os->page_size);

		if (from < to && os->unuse((void *) from, to - from) != 0)
			return;
	}
	fixed->trimmed = fixed->free;
}
