/*-------------------------------------------------------------------------
 *
 * fault_find.h
 *	  What a fault has to do with freed memory.
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
	FAULT_ACCESS,	/* it is an access to memory that is not in use */
	FAULT_FOLLOWED, /* a pointer was followed that had been read from a freed object */
	FAULT_NEARBY,	/* a crash elsewhere, while a pointer to freed memory was at hand */
	FAULT_OVERRUN	/* it is an access behind an object that has pages of its own */
} FaultKind;

/* The freed memory, or the object that was overrun.  Of a fault that followed a pointer it may be unknown. */
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
 * Set address to that of the access, or to the pointer that was followed if no
 * processor has such an address; *guessed says which.  Is async-signal-safe, but
 * may itself fault where memory is damaged.
 */
extern FaultKind FaultFind(const siginfo_t *info, const ucontext_t *context, uintptr_t *address,
						   bool *guessed, FaultMemory *memory);

/*
 * Does an address lie in memory that was freed: an object, a chunk, or the part of
 * one that belongs to arenas that are gone?  Then set that memory.
 */
extern bool FaultFindFreed(uintptr_t address, FaultMemory *memory);

/*
 * Of a crash that is none of these: is a pointer to freed memory at hand?  Then
 * set that memory, and return FAULT_NEARBY.
 */
extern FaultKind FaultFindNearby(const ucontext_t *context, FaultMemory *memory);

#endif /* GOARENA_FAULT_FIND_H */
