/*-------------------------------------------------------------------------
 *
 * type.c
 *	  See type.h.
 *
 * Types are found by a hash of what they say, and by their number in blocks of pointers, which are
 * made when they are needed.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "arena.h"
#include "type.h"

#define BUCKETS	   1024
#define BLOCK_BITS 8
#define BLOCK	   (1 << BLOCK_BITS)

struct ga_types
{
	unsigned count;
	ga_type *buckets[BUCKETS];
	ga_type **blocks[(GA_MAX_TYPES + 1) / BLOCK]; /* by id */
};

/* Words of 64 bits that a number of bits take. */
static size_t
type_bitmap_words(size_t bits)
{
	return (bits + 63) / 64;
}

/*
 * type_last_pointer
 *		Count the words up to the last pointer.
 */
static size_t
type_last_pointer(const uint64_t *pointers, size_t words)
{
	for (size_t i = type_bitmap_words(words); i > 0; i--)
		if (pointers[i - 1] != 0)
			return i * 64 - (size_t) __builtin_clzl(pointers[i - 1]);
	return 0;
}

/*
 * type_hash_of
 *		The hash of a description: FNV-1a, by words.
 */
static size_t
type_hash_of(const char *name, size_t size, size_t align, const uint64_t *pointers, size_t words)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t) *name) * UINT64_C(0x100000001b3);
	hash = (hash ^ size) * UINT64_C(0x100000001b3);
	hash = (hash ^ align) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < type_bitmap_words(words); i++)
		hash = (hash ^ pointers[i]) * UINT64_C(0x100000001b3);
	return (size_t) (hash ^ hash >> 32) % BUCKETS;
}

/*
 * type_find
 *		Find the type with a description in a bucket, or NULL.
 */
static ga_type *
type_find(const ga_type *type, const char *name, size_t size, size_t align,
		  const uint64_t *pointers, size_t words)
{
	for (; type != NULL; type = type->next)
		if (type->size == size && type->align == align && type->pointer_words == words &&
			strcmp(type->name, name) == 0 &&
			(words == 0 ||
			 memcmp(type->pointers, pointers, type_bitmap_words(words) * sizeof(uint64_t)) == 0))
			return (ga_type *) type;
	return NULL;
}

/*
 * type_number
 *		Give a type the next number, and enter it under that.  False if there is no memory.
 */
static bool
type_number(ga_heap *heap, ga_type *type)
{
	struct ga_types *types = heap->types;
	unsigned id = types->count + 1;
	ga_type ***block = &types->blocks[id >> BLOCK_BITS];

	if (*block == NULL)
		*block = ga_persistent_alloc(&heap->metadata, BLOCK * sizeof(ga_type *));
	if (*block == NULL)
		return false;
	(*block)[id & (BLOCK - 1)] = type;
	type->id = (uint16_t) id;
	types->count = id;
	return true;
}

/*
 * type_lay_out
 *		Work out what an object of a type looks like, if the type has pointers and is small.
 */
static void
type_lay_out(ga_type *type)
{
	type->step = SIZE_MAX;
	if (type->pointer_words == 0 || type->size > GA_LINEAR_MAX)
		return;
	type->size_class = (size_t) ga_class_of(type->size);
	type->payload = ga_class_size((int) type->size_class);
	type->step = GA_HEADER_SIZE + type->payload;
	type->words = (UINT64_C(1) << type->payload / sizeof(uint64_t)) - 1;
	type->first_bits = type->pointers[0];
}

/*
 * type_make
 *		Make a type.  Takes all memory before it changes anything.  If some of that fails, what it
 *		has taken is lost, which is a matter of bytes.
 */
static ga_type *
type_make(ga_heap *heap, const char *name, size_t size, size_t align, const uint64_t *pointers,
		  size_t words)
{
	ga_type *type;
	uint64_t *copy = NULL;

	if (heap->types->count == GA_MAX_TYPES)
		return NULL;
	type = ga_persistent_alloc(&heap->metadata, sizeof(ga_type));
	if (type == NULL)
		return NULL;
	if (words > 0)
	{
		size_t bytes = type_bitmap_words(words) * sizeof(uint64_t);

		if (bytes > GA_REGION_SIZE)
			return NULL;
		copy = ga_persistent_alloc(&heap->metadata, bytes);
		if (copy == NULL)
			return NULL;
		memcpy(copy, pointers, bytes);
	}
	*type = (ga_type){
		.size = size,
		.align = align,
		.pointer_words = words,
		.pointers = copy,
	};
	strcpy(type->name, name);
	type_lay_out(type);
	return type_number(heap, type) ? type : NULL;
}

const ga_type *
ga_type_get(ga_heap *heap, const char *name, size_t size, size_t align, const uint64_t *pointers,
			size_t words)
{
	char kept[GA_TYPE_NAME] = "";
	ga_type **bucket;
	ga_type *type;

	if (heap->types == NULL)
		heap->types = ga_persistent_alloc(&heap->metadata, sizeof(struct ga_types));
	if (heap->types == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(kept) - 1 && name[i] != '\0'; i++)
		kept[i] = name[i];
	words = type_last_pointer(pointers, words);
	bucket = &heap->types->buckets[type_hash_of(kept, size, align, pointers, words)];
	type = type_find(*bucket, kept, size, align, pointers, words);
	if (type != NULL)
		return type;
	type = type_make(heap, kept, size, align, pointers, words);
	if (type == NULL)
		return NULL;
	type->next = *bucket;
	*bucket = type;
	return type;
}

unsigned
ga_type_count(const ga_heap *heap)
{
	return heap->types == NULL ? 0 : heap->types->count;
}

const ga_type *
ga_type_of_id(const ga_heap *heap, unsigned id)
{
	if (id == 0 || heap->types == NULL || id > heap->types->count)
		return NULL;
	return heap->types->blocks[id >> BLOCK_BITS][id & (BLOCK - 1)];
}
