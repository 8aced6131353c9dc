/*-------------------------------------------------------------------------
 *
 * error_context.h
 *	  Poison in what ErrorContext gives up.
 *
 * ErrorContext must work when memory is used up, so it is never an arena.  But what its
 * resets leave behind can be filled with poison, and a pointer that is read from there
 * and followed is then known.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ERROR_CONTEXT_H
#define GOARENA_ERROR_CONTEXT_H

#include "postgres.h"

#include "nodes/memnodes.h"

#include "engine/arena.h"

#define ERROR_CONTEXT_NAME "ErrorContext"

/* Once: give ErrorContext methods of its own, which call these. */
extern void ErrorContextWatch(const MemoryContextMethods *origin);

/*
 * Is this an address in an object that the last reset freed?  If so, say what is known of
 * it.  Async-signal-safe.
 */
extern bool ErrorContextFind(uintptr_t address, ga_event *found);

#endif /* GOARENA_ERROR_CONTEXT_H */
