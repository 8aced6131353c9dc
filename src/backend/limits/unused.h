/*-------------------------------------------------------------------------
 *
 * unused.h
 *	  Memory that processes hold and do not use, and that others need.
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
 * A limit would be crossed.  Have the others that count against it give back what they do
 * not use, and wait a little, until look says that it is not crossed with that many
 * bytes more.  Returns what it said last.
 */
extern Crossed UnusedReclaim(Crossed limit, Size bytes, Crossed (*look)(Size bytes));

#endif /* GOARENA_UNUSED_H */
