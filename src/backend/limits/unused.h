/*-------------------------------------------------------------------------
 *
 * unused.h
 *	  Getting back memory that processes hold and do not use, and that others need.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_UNUSED_H
#define GOARENA_UNUSED_H

#include "postgres.h"

#include "backend/registry/registry.h"
#include "mcxt/refusal.h"

/*
 * Does a process count against a limit that this one shares with others: that of its
 * user, of its database, or of all?
 */
extern bool LimitCovers(Crossed limit, const RegistryFigures *process);

/*
 * Bytes that the processes which count against a limit hold without using them, as they
 * published it.
 */
extern uint64 UnusedTotal(Crossed limit);

/*
 * When a limit would be crossed: ask the other processes that count against it to give back what
 * they do not use.  Waits a little, until look(bytes) says that this many bytes more would cross no
 * limit.  Returns what look said last.
 */
extern Crossed UnusedReclaim(Crossed limit, Size bytes, Crossed (*look)(Size bytes));

#endif /* GOARENA_UNUSED_H */
