/*-------------------------------------------------------------------------
 *
 * fault_advice.h
 *	  Advice in a report for the author of the code that it is about.
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
 * One or two sentences of advice, chosen by the name of the context that the memory belonged to,
 * and by how it was freed.  Async-signal-safe.
 */
extern const char *FaultAdvice(const char *context, ga_freed_by how);

/* The advice for an object that was overrun. */
extern const char *FaultAdviceOverrun(void);

/*
 * Find, in the text of a stack, the first function that is in an extension's library, and put a
 * sentence about it, without addresses, into a text.  Puts nothing if there is none.
 * Async-signal-safe.
 */
extern void FaultAdviceFrame(ReportText *text, const char *stack);

#endif /* GOARENA_FAULT_ADVICE_H */
