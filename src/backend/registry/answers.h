/*-------------------------------------------------------------------------
 *
 * answers.h
 *	  Answers: a process shows another one its contexts, or its heap profile, in shared memory.
 *
 * context_request.c asks and waits.  Nothing here waits.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_ANSWERS_H
#define GOARENA_ANSWERS_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef enum AnswerKind
{
	ANSWER_CONTEXTS, /* for ContextsNext */
	ANSWER_PROFILE	 /* for PackedNext */
} AnswerKind;

#define NUM_ANSWER_KINDS (ANSWER_PROFILE + 1)

/* For shared_memory.c. */
extern Size AnswersSize(void);
extern void AnswersAttach(void *memory, bool anew);
extern void AnswersEnd(void);

/*
 * Answer all processes that wait for something of this one.  False if there is no room for an
 * answer now.  Allocates nothing.
 */
extern bool AnswersWrite(void);

/*
 * Enter that this process, which has a slot, wants an answer from the one in another slot.  Returns
 * the number of the request.  The other process is not woken by this.
 */
extern uint64 AnswersAsk(AnswerKind kind, int slot, bool privileged);
extern void AnswersStopAsking(void);

/*
 * Copy, with palloc, the answer of a process to a request, and set *at to when it was given.  NULL
 * if there is none.
 */
extern void *AnswersCopy(AnswerKind kind, int slot, int pid, uint64 number, TimestampTz *at);

#endif /* GOARENA_ANSWERS_H */
