/*-------------------------------------------------------------------------
 *
 * object.c
 *	  Finding objects by their headers.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "arena.h"
#include "free_list.h"

size_t
ga_object_size_any(const void *object)
{
	return (*ga_object_header(object) & GA_HDR_STATE_MASK) == GA_HDR_FREE
			   ? ga_free_object_size(object)
			   : ga_object_size(object);
}

void *
ga_object_at(uintptr_t start, uintptr_t end, uintptr_t address)
{
	while (end - start > GA_HEADER_SIZE && address - start < end - start)
	{
		void *object = (void *) (start + GA_HEADER_SIZE);
		size_t size = ga_object_size_any(object);

		if (size == 0 || size > end - (uintptr_t) object)
			return NULL;
		if (address - (uintptr_t) object < size)
			return object;
		start = (uintptr_t) object + size;
	}
	return NULL;
}
