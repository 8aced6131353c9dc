/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  EXPLAIN (ANALYZE, GOARENA): the memory that a statement takes.
 *
 * Extensions can add options to EXPLAIN from PostgreSQL 18 on; before, nothing here does
 * anything.
 *
 * A statement that is executed by such an EXPLAIN is watched as others are, see tracking.h,
 * from the start of the executor to its end, without what EXPLAIN does itself and without
 * the planning.  So are statements of functions that it calls and that are explained, too.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_EXPLAIN_H
#define GOARENA_EXPLAIN_H

#include "postgres.h"

#include "nodes/nodes.h"

#if PG_VERSION_NUM >= 180000

/* Register the option; once. */
extern void ExplainInit(void);

/* Is a command an EXPLAIN that has the option? */
extern bool ExplainAsks(const Node *command);

/*
 * Watch statements from here on, until ExplainEnd with what ExplainBegin returned, or until
 * the transaction or subtransaction is rolled back.
 */
extern int ExplainBegin(void);
extern void ExplainEnd(int level);

#else

static inline void
ExplainInit(void)
{
}

static inline bool
ExplainAsks(const Node *command)
{
	return false;
}

static inline int
ExplainBegin(void)
{
	return 0;
}

static inline void
ExplainEnd(int level)
{
}

#endif

#endif /* GOARENA_EXPLAIN_H */
