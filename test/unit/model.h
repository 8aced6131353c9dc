/*-------------------------------------------------------------------------
 *
 * model.h
 *	  A reference model of a heap: what should be where, and what is in it.
 *
 * The model does what it is told both in the heap and in its own books, and
 * fails the test where the two differ: contents, overlaps, headers, meters,
 * usage, objects found by a walk.
 *
 * It also keeps root words.  One that points into an object which was freed
 * with its whole arena, or span, in quarantine is a dangling pointer: as long
 * as it stands, no new object may be given that address, however many sweeps
 * go by.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TEST_MODEL_H
#define GA_TEST_MODEL_H

#include "support.h"

#define MODEL_ARENAS  16
#define MODEL_OBJECTS 128 /* of one arena */
#define MODEL_ROOTS	  64

typedef struct model_object
{
	char *addr;
	size_t size;
	uint64_t seed; /* of its contents */
} model_object;

typedef struct model_arena
{
	ga_arena arena;
	bool exists;
	size_t meter;
	int count;
	model_object objects[MODEL_OBJECTS];
} model_arena;

typedef struct model
{
	ga_heap *heap;
	model_arena arenas[MODEL_ARENAS];
	uint64_t next_seed;

	/* Half of the root words are in the model itself, half in an object. */
	ga_arena keeper;
	uintptr_t outside[MODEL_ROOTS / 2];
	uintptr_t *inside;
	bool dangling[MODEL_ROOTS];
} model;

/* Begin with no arena.  The heap must have memory for the root words. */
extern model *new_model(ga_heap *heap);

/* Destroy all arenas, and the heap with them. */
extern void delete_model(model *m);

extern void model_create(model *m, int arena, size_t credit);
extern void model_destroy(model *m, int arena);
extern void model_reset(model *m, int arena);

/* False if there is no memory; nothing has changed then. */
extern bool model_alloc(model *m, int arena, size_t size);
extern bool model_realloc(model *m, int arena, int object, size_t size);

extern void model_free(model *m, int arena, int object);

/* Let a root word point to a byte of an object. */
extern void model_point(model *m, int root, int arena, int object, size_t offset);

/* Read all root words, in the midst of a sweep. */
extern void model_sweep_roots(model *m, bool unstable);

/* A whole sweep.  Only what a dangling pointer points to may be left. */
extern ga_sweep_result model_sweep(model *m, bool unstable);

/* Compare all books, except for contents. */
extern void model_check(model *m);

/* Compare the contents of all objects. */
extern void model_check_contents(model *m);

#endif /* GA_TEST_MODEL_H */
