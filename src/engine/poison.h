/*-------------------------------------------------------------------------
 *
 * poison.h
 *	  Filling freed objects and looking whether they are still as filled.
 *
 * Every scan of an index frees objects of many kilobytes, so this must be fast.  It goes by blocks
 * of words, in a form that compilers turn into vector instructions with their usual optimization.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_POISON_H
#define GA_POISON_H

#include <string.h>

#include "config.h"

/* Larger objects are compared by the C library, which uses the widest registers there are. */
#define GA_POISON_BY_LIBRARY 2048

/*
 * Of objects larger than GA_POISON_WHOLE only the first GA_POISON_PART bytes are filled, unless the
 * arena is strict.  To fill and check the rest, which is not in a cache, would take longer than all
 * else that a free does.  A scan of an index frees 27 kB.
 */
#define GA_POISON_WHOLE ((size_t) 4096)
#define GA_POISON_PART	((size_t) 1024)

/* Two words in a vector register; every processor we support has those. */
typedef uint64_t ga_word_pair __attribute__((vector_size(16), aligned(8), may_alias));

/* Fill memory with a word; size in bytes is a multiple of 8. */
GA_INLINE void
ga_fill(void *memory, size_t size, uint64_t with)
{
	typedef uint64_t any_word __attribute__((may_alias));
	const ga_word_pair both = {with, with};
	ga_word_pair *pair = memory;
	const ga_word_pair *end = pair + size / sizeof(*pair);
	const ga_word_pair *blocks = end - size / sizeof(*pair) % 4;

	for (; pair != blocks; pair += 4)
		pair[0] = pair[1] = pair[2] = pair[3] = both;
	for (; pair != end; pair++)
		*pair = both;
	if (size % sizeof(*pair) != 0)
		*(any_word *) pair = with;
}

GA_INLINE void
ga_poison_fill(void *object, size_t size)
{
	ga_fill(object, size, GA_POISON);
}

/* The first word of the object that is no longer poison, or NULL. */
GA_INLINE const uint64_t *
ga_poison_changed(const void *object, size_t size)
{
	const ga_word_pair poison = {GA_POISON, GA_POISON};
	const uint64_t *word = object;
	const uint64_t *end = word + size / sizeof(uint64_t);

	/* All words are poison if the first is, and each is like the one before. */
	if (size > GA_POISON_BY_LIBRARY && *word == GA_POISON &&
		GA_LIKELY(memcmp(word, word + 1, size - sizeof(uint64_t)) == 0))
		return NULL;
	for (; end - word >= 8; word += 8)
	{
		const ga_word_pair *pair = (const ga_word_pair *) word;
		ga_word_pair difference =
			(pair[0] ^ poison) | (pair[1] ^ poison) | (pair[2] ^ poison) | (pair[3] ^ poison);

		if (GA_UNLIKELY((difference[0] | difference[1]) != 0))
			break;
	}
	for (; end - word >= 2 && GA_LIKELY(word[0] == GA_POISON && word[1] == GA_POISON); word += 2)
		;
	for (; word < end; word++)
		if (GA_UNLIKELY(*word != GA_POISON))
			return word;
	return NULL;
}

#endif /* GA_POISON_H */
