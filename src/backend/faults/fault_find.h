/*-------------------------------------------------------------------------
 *
 * fault_find.h
 *	  Finding out what a fault has to do with freed memory.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_FIND_H
#define GOARENA_FAULT_FIND_H

#include "postgres.h"

#include <signal.h>
#include <ucontext.h>

#include "engine/heap.h"

typedef enum FaultKind
{
	FAULT_FOREIGN,	/* nothing, as far as we know */
	FAULT_ACCESS,	/* an access to memory that is not in use */
	FAULT_FOLLOWED, /* a pointer was followed that had been read from a freed object */
	FAULT_NEARBY,	/* a crash elsewhere, while a pointer to freed memory was at hand */
	FAULT_OVERRUN	/* an access behind an object that has pages of its own */
} FaultKind;

/* The freed memory, or the object that was overrun.  For FAULT_FOLLOWED it may be unknown. */
typedef struct FaultMemory
{
	uintptr_t address;	  /* an address in it */
	const char *found_in; /* where that was found, "register" or "stack"; else NULL */
	bool freed;			  /* it was given up as a whole, and place says how */
	ga_freed_place place;
	uint64 rewound; /* the arena whose last reset freed it, or 0 */
	bool is_object;
	bool in_error_context; /* it is an object that the last reset of ErrorContext freed */
	ga_event object;
} FaultMemory;

/*
 * Find out what kind of fault it is.  Sets *address to the address of the access; or, with *guessed
 * set, to the pointer that was followed, if that is no possible address.  Async-signal-safe, but
 * may itself fault where memory is damaged.
 */
extern FaultKind FaultFind(const siginfo_t *info, const ucontext_t *context, uintptr_t *address,
						   bool *guessed, FaultMemory *memory);

/*
 * Does an address lie in freed memory: in an object, in a chunk, or in a part of one that belonged
 * to an arena that is gone?  If so, fills *memory.
 */
extern bool FaultFindFreed(uintptr_t address, FaultMemory *memory);

/*
 * For a crash of another kind: does a register or the top of the stack point to freed memory?  If
 * so, fills *memory, and returns FAULT_NEARBY.
 */
extern FaultKind FaultFindNearby(const ucontext_t *context, FaultMemory *memory);

#endif /* GOARENA_FAULT_FIND_H */
