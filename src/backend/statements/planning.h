/*-------------------------------------------------------------------------
 *
 * planning.h
 *	  The memory that planning a statement takes.
 *
 * A statement of the top level is planned before the executor hears of it.  What
 * its planning added to the caches and to the memory of the message from the
 * client is the statement's, too, and so is the text and the parse tree there.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PLANNING_H
#define GOARENA_PLANNING_H

#include "postgres.h"

/*
 * Install the hook; once.  is_wanted tells whether the planner is
 * called for a statement of the top level that is watched.
 */
extern void PlanningInit(bool (*is_wanted)(void));

/*
 * Bytes that the statement of the top level that begins now took before and still
 * holds, and the most that it held while it was planned.  query is its identifier, or
 * 0.  What was planned is forgotten.
 */
extern Size PlanningHeld(uint64 query, Size *peak);

#endif /* GOARENA_PLANNING_H */
