/*-------------------------------------------------------------------------
 *
 * fake_os.h
 *	  An operating system for the engine that fails on demand.
 *
 * Its table passes calls on to the real one.  It counts them, makes those fail
 * that it is told to, and checks what os.h asks of the arguments.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GA_TEST_FAKE_OS_H
#define GA_TEST_FAKE_OS_H

#include "os.h"

typedef enum os_call
{
	OS_RESERVE,
	OS_MAP,
	OS_USE,
	OS_UNUSE,
	OS_DROP,
	OS_LEAVE,
	OS_FREE,
	OS_MOVE,
	OS_HUGE,
	OS_SMALL,
	OS_POPULATE,
	OS_RESIDENT,
	OS_PEEK
} os_call;

#define OS_NUM_CALLS (OS_PEEK + 1)

extern const char *const os_call_names[OS_NUM_CALLS];

/* The table, with its state as it was at the beginning. */
extern const ga_os *fake_os(void);

/* The same, but with pages of another size, at most 16 real ones. */
extern const ga_os *fake_os_with_pages(size_t page_size);

/* Let the n-th call of a kind from now on fail, 1 being the next; 0: none. */
extern void fake_fail(os_call call, uint64_t nth, int error);

/* Let the n-th and all later calls of a kind fail. */
extern void fake_fail_from(os_call call, uint64_t nth, int error);

/* Let calls of all kinds fail at random, one in so many; 0: none. */
extern void fake_fail_randomly(uint64_t one_in, uint64_t seed);

/* Let no call fail any more. */
extern void fake_fail_never(void);

/* Number of calls that were made to fail. */
extern uint64_t fake_failures(void);

/* Number of calls of a kind, or of all kinds. */
extern uint64_t fake_calls(os_call call);
extern uint64_t fake_all_calls(void);

/* Bytes of address space that are reserved now, and a limit to them. */
extern size_t fake_reserved(void);
extern void fake_cap_reserved(size_t bytes);

/* Let reserve() ignore hints and begin at odd pages. */
extern void fake_misalign(void);

/* Let a move() that fails lose its target, as old kernels do where memory is short. */
extern void fake_lose_targets(void);

/*
 * From now on reserve nothing really where there is a hint, and do nothing there:
 * for tests that spend more addresses than time allows.
 */
extern void fake_pretend(void);

/* Let resident() say of the pages in a range that they are not. */
extern void fake_hide(const void *addr, size_t size);

/*
 * Let each look at the processor time find that so many microseconds more have passed.  Without this,
 * it is a second: no sample is bounded.
 */
extern void fake_spend_processor_time(int64_t each);

/* Let the clock stand at so many microseconds; 0: let it go. */
extern void fake_set_clock(int64_t now);

#endif /* GA_TEST_FAKE_OS_H */
