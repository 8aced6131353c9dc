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

#include "backend/limits/limit_setting.h"
#include "mcxt/refusal.h"

/* Bytes that all processes hold without using them, as they published it. */
extern uint64 UnusedTotal(void);

/*
 * Have the others give back what they do not use, and wait a little, until look says
 * that no limit is crossed with that many bytes more.  Returns what it said last.
 */
extern Crossed UnusedReclaim(Size bytes, Crossed (*look)(Size bytes));

#endif /* GOARENA_UNUSED_H */
