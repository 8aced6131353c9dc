/*-------------------------------------------------------------------------
 *
 * fault_test.h
 *	  What the parts of this module share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAULT_TEST_H
#define FAULT_TEST_H

#include "postgres.h"

#include "fmgr.h"

/*
 * Have words on top of the stack that hold nothing, more than goarena searches.  What earlier
 * calls left in the gaps of frames can be the address of an object that was freed, and which
 * gaps there are is up to compilers.
 */
#define EMPTY_FRAME                                                                                \
	volatile uintptr_t empty_frame[96];                                                            \
                                                                                                   \
	for (int i = 0; i < lengthof(empty_frame); i++)                                                \
	empty_frame[i] = 0

/* The object that fault_keep() allocated, freed or not; an error if there is none. */
extern volatile uint64 *FaultObject(void);

/* Read memory of a context that was just deleted. */
extern volatile uint64 *FaultDangling(void);
extern void FaultTouch(void);

/* Install this library's own handler, if goarena_fault_test.handler says so. */
extern void FaultSignalsInit(void);

/* Install the hook that faults in another kind of process. */
extern void FaultSituationsInit(void);

#endif /* FAULT_TEST_H */
