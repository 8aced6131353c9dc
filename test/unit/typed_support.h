/*-------------------------------------------------------------------------
 *
 * typed_support.h
 *	  What tests of typed objects share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TEST_TYPED_SUPPORT_H
#define GA_TEST_TYPED_SUPPORT_H

#include "find.h"
#include "support.h"
#include "type_map.h"
#include "typed.h"

/* A node has two pointers, in the first and the third of six words. */
#define NODE_POINTERS UINT64_C(0x5)

/* Arenas to use, of which teardown_typed destroys the first one. */
extern ga_arena arena;
extern ga_arena other;

/* The type of nodes, and one of size bytes without pointers. */
extern const ga_type *node_type(ga_heap *heap);
extern const ga_type *noscan_type(ga_heap *heap, size_t size);

/* Allocate in the first arena, and check that all is zero and aligned. */
extern void *new_typed(ga_heap *heap, const ga_type *type, size_t count);
extern void *new_node(ga_heap *heap);
extern void *new_noscan(ga_heap *heap, size_t size);

/* Is the word at an address one that sweeps read, as far as the type map knows? */
extern bool is_read(const ga_heap *heap, const void *address);
extern void assert_node_bits(const ga_heap *heap, const uint64_t *node);

/* Bytes of memory that a sweep reads. */
extern size_t scanned(ga_heap *heap);

/* Destroy the first arena and the heap, and check that nothing is left of types. */
extern int teardown_typed(void **state);

#endif /* GA_TEST_TYPED_SUPPORT_H */
