/*-------------------------------------------------------------------------
 *
 * fault_advice.h
 *	  What the author of the code that a report is about may do.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FAULT_ADVICE_H
#define GOARENA_FAULT_ADVICE_H

#include "postgres.h"

#include "backend/faults/report_text.h"
#include "engine/arena.h"

/*
 * A sentence or two, by the name of the context that the memory belonged to and by how it
 * was freed.  Async-signal-safe.
 */
extern const char *FaultAdvice(const char *context, ga_freed_by how);

/* The same for an object that was overrun. */
extern const char *FaultAdviceOverrun(void);

/*
 * Of a stack, which is a heading and lines, put the first function that is in a library
 * but our own into a sentence, without addresses; nothing if there is none.
 * Async-signal-safe.
 */
extern void FaultAdviceFrame(ReportText *text, const char *stack);

#endif /* GOARENA_FAULT_ADVICE_H */
