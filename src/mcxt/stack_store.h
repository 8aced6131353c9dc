/*-------------------------------------------------------------------------
 *
 * stack_store.h
 *	  Stacks of allocations and frees: one copy of each, known by a number.
 *
 * A stack is taken for each free in a quarantined arena, and for each object of some
 * arenas, but few of them differ.  So a stack that was seen before is recognized by its
 * hash, and what is kept with an object is a number.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STACK_STORE_H
#define GOARENA_STACK_STORE_H

#include "postgres.h"

/*
 * Return addresses that are kept of a stack at most, which is what those of resets and
 * deletions have, of those of allocations, and of those of frees of single objects.
 */
#define STORE_DEEPEST	  20
#define STORED_DEPTH	  12
#define DELAY_STACK_DEPTH 8

/*
 * The number of the stack of an allocation, between StackTraceCaller() and StackTraceCallerEnd();
 * 0 if it could not be kept.
 */
extern uint32 StackStoreTake(void);

/* The same for the stack that StackTraceTake() would take, with at most room return addresses. */
extern uint32 StackStoreTakeHere(int room);

/* ga_heap.take_stack */
extern uint32_t StackStoreOfFree(void);

/*
 * The return addresses of a number, the innermost first.  Sets their count: 0 if it is not
 * known, or no longer: a stack is known while others come to a megabyte.
 * Async-signal-safe.
 */
extern const uintptr_t *StackStoreGet(uint32 number, int *depth);

#endif /* GOARENA_STACK_STORE_H */
