/*-------------------------------------------------------------------------
 *
 * error_context.h
 *	  Filling with poison what ErrorContext gives up.
 *
 * ErrorContext must work when memory is used up, so it is never an arena.  But what its resets
 * leave behind can be filled with poison.  If code reads a pointer from there and follows it, the
 * report can say so.
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

/* Called once: give ErrorContext methods of its own, which call those of origin. */
extern void ErrorContextWatch(const MemoryContextMethods *origin);

/*
 * Does an address lie in an object that the last reset freed?  If so, fills *found with what is
 * known of it.  Async-signal-safe.
 */
extern bool ErrorContextFind(uintptr_t address, ga_event *found);

#endif /* GOARENA_ERROR_CONTEXT_H */
