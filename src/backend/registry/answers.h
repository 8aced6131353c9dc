/*-------------------------------------------------------------------------
 *
 * answers.h
 *	  Processes tell others of their contexts, or of their heap profile, in shared
 *	  memory.
 *
 * context_request.c is for those who want to know.  Nothing here waits.
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
 * Answer all who wait for something of this process.  False if there is no room for
 * an answer now.  Allocates nothing.
 */
extern bool AnswersWrite(void);

/*
 * Say that this process, which has a slot, wants something of the one in another
 * slot.  Returns the number of the request.  The other process is not asked yet.
 */
extern uint64 AnswersAsk(AnswerKind kind, int slot, bool privileged);
extern void AnswersStopAsking(void);

/*
 * A palloc'd copy of the answer of a process to a request, and when it was given; or
 * NULL if it is not there.
 */
extern void *AnswersCopy(AnswerKind kind, int slot, int pid, uint64 number, TimestampTz *at);

#endif /* GOARENA_ANSWERS_H */
