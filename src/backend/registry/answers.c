/*-------------------------------------------------------------------------
 *
 * answers.c
 *	  Answers: a process shows another one its contexts, or its heap profile, in shared memory.
 *
 * PostgreSQL 18 was to have pg_get_process_memory_contexts(), which was taken
 * back before its release: the process that was asked allocated shared memory
 * while it checked for interrupts, which can happen anywhere.  Here the memory
 * for answers is there from the start of the server on.
 *
 * A process that waits for an answer holds nothing that others could need.  The process that
 * answers takes one of a few answers, writes it, and wakes the processes that wait for it, which
 * copy it.  An answer can be used again as soon as one of them has read it, or if none has for a
 * second, since the process that asked may be gone.  So no process has to give anything back.  By
 * its version, a reader sees whether an answer was written again while it was copied; then it goes
 * on waiting.
 *
 * Some answers are reserved for users who may see all processes, and no role has more than a few
 * unread ones at a time.  A process that finds no answer to write answers when it is asked the next
 * time.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "backend/process/slot.h"
#include "backend/profile/pack.h"
#include "backend/registry/answers.h"
#include "backend/usage/contexts.h"

/* Answers that can be written and wait to be read at a time. */
#define NUM_ANSWERS	 8
#define NUM_RESERVED 2 /* of them, for users who may see all processes */
#define ROLES_SHARE	 3 /* of them, the most that one role can have */
#define UNREAD_MS	 1000

/* Bytes of an answer: room for some 1,000 contexts with short identifiers. */
#define ANSWER_SIZE (128 * 1024)

typedef enum AnswerState
{
	ANSWER_FREE,	/* read, or never written */
	ANSWER_WRITING, /* belongs to the process that writes it */
	ANSWER_UNREAD
} AnswerState;

typedef struct Answer
{
	pg_atomic_uint32 state;	  /* AnswerState */
	pg_atomic_uint64 version; /* odd while it is written */
	AnswerKind kind;
	int slot; /* of the process that it is from */
	int pid;
	Oid role;	   /* whose share it is of */
	uint64 number; /* of the last request that it answers */
	TimestampTz at;
	union
	{
		char bytes[ANSWER_SIZE];
		uint64 alignment;
	} rows;
} Answer;

/* For each slot: what its process asks for, and how often it was asked itself. */
typedef struct Asker
{
	pg_atomic_uint64 asked;		/* requests to it, ever */
	pg_atomic_uint32 waits_for; /* the slot whose answer it wants, plus 1, or 0 */
	AnswerKind kind;			/* what it wants */
	Oid role;					/* that asks */
	bool privileged;
} Asker;

typedef struct Answers
{
	Answer answers[NUM_ANSWERS];
	Asker askers[FLEXIBLE_ARRAY_MEMBER];
} Answers;

static Answers *shared = NULL;

Size
AnswersSize(void)
{
	return add_size(offsetof(Answers, askers), mul_size(sizeof(Asker), (Size) SlotCount()));
}

void
AnswersAttach(void *memory, bool anew)
{
	shared = memory;
	if (!anew)
		return;
	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		pg_atomic_init_u32(&shared->answers[i].state, ANSWER_FREE);
		pg_atomic_init_u64(&shared->answers[i].version, 0);
		shared->answers[i].number = 0;
	}
	for (int i = 0; i < SlotCount(); i++)
	{
		pg_atomic_init_u64(&shared->askers[i].asked, 0);
		pg_atomic_init_u32(&shared->askers[i].waits_for, 0);
	}
}

void
AnswersEnd(void)
{
	AnswersStopAsking();
}

/*
 * answer_change_state
 *		Take an answer from one state to another.  False if it is no longer in the first one.
 */
static bool
answer_change_state(Answer *answer, AnswerState from, AnswerState to)
{
	uint32 expected = from;

	return pg_atomic_compare_exchange_u32(&answer->state, &expected, to);
}

/*
 * answer_may_overwrite
 *		May an answer be written again, since no process is likely to read it any more?  This
 *		process's own answer of the kind always may, since those who wait for it get the new one.
 */
static bool
answer_may_overwrite(const Answer *answer, AnswerKind kind, uint32 state, TimestampTz now)
{
	if (state != ANSWER_UNREAD)
		return state == ANSWER_FREE;
	return (answer->slot == SlotOwn() && answer->kind == kind) ||
		   TimestampDifferenceExceeds(answer->at, now, UNREAD_MS);
}

/*
 * answer_claim
 *		Take an answer to write for a role, the process's own one first; or NULL.
 */
static Answer *
answer_claim(AnswerKind kind, Oid role, bool privileged, TimestampTz now)
{
	Answer *found = NULL;
	uint32 found_state = ANSWER_FREE;
	int share = 0;

	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		Answer *answer = &shared->answers[i];
		uint32 state = pg_atomic_read_u32(&answer->state);

		if (!answer_may_overwrite(answer, kind, state, now))
			share += answer->role == role ? 1 : 0;
		else if ((i >= NUM_RESERVED || privileged) &&
				 (found == NULL || (state == ANSWER_UNREAD && answer->slot == SlotOwn())))
		{
			found = answer;
			found_state = state;
		}
	}
	if (found == NULL || share >= ROLES_SHARE ||
		!answer_change_state(found, (AnswerState) found_state, ANSWER_WRITING))
		return NULL;
	return found;
}

/*
 * answer_find_asker
 *		Find a process that waits for an answer of this one, a privileged one first; or NULL.
 */
static const Asker *
answer_find_asker(AnswerKind kind)
{
	const Asker *found = NULL;

	for (int i = 0; i < SlotCount(); i++)
	{
		Asker *asker = &shared->askers[i];

		if (pg_atomic_read_u32(&asker->waits_for) != (uint32) SlotOwn() + 1)
			continue;
		pg_read_barrier();
		if (asker->kind == kind && (found == NULL || asker->privileged))
			found = asker;
	}
	return found;
}

static void
answer_wake_askers(void)
{
	for (int i = 0; i < SlotCount(); i++)
		if (pg_atomic_read_u32(&shared->askers[i].waits_for) == (uint32) SlotOwn() + 1)
			SetLatch(&SlotProc(i)->procLatch);
}

static bool
answer_write(AnswerKind kind)
{
	TimestampTz now = GetCurrentTimestamp();
	const Asker *asker = answer_find_asker(kind);
	Answer *answer;

	if (asker == NULL)
		return true;
	answer = answer_claim(kind, asker->role, asker->privileged, now);
	if (answer == NULL)
		return false;
	pg_atomic_fetch_add_u64(&answer->version, 1);
	answer->kind = kind;
	answer->slot = SlotOwn();
	answer->pid = MyProcPid;
	answer->role = asker->role;
	answer->number = pg_atomic_read_u64(&shared->askers[SlotOwn()].asked);
	answer->at = now;
	if (kind == ANSWER_CONTEXTS)
		ContextsPack(answer->rows.bytes, ANSWER_SIZE);
	else
		PackOwn(answer->rows.bytes, ANSWER_SIZE);
	pg_atomic_fetch_add_u64(&answer->version, 1);
	pg_atomic_write_u32(&answer->state, ANSWER_UNREAD);
	answer_wake_askers();
	return true;
}

bool
AnswersWrite(void)
{
	bool written = true;

	for (int kind = 0; kind < NUM_ANSWER_KINDS; kind++)
		written = answer_write((AnswerKind) kind) && written;
	return written;
}

void *
AnswersCopy(AnswerKind kind, int slot, int pid, uint64 number, TimestampTz *at)
{
	for (int i = 0; i < NUM_ANSWERS; i++)
	{
		Answer *answer = &shared->answers[i];
		uint64 version = pg_atomic_read_u64(&answer->version);
		void *copy;

		pg_read_barrier();
		if (version % 2 != 0 || answer->kind != kind || answer->slot != slot ||
			answer->pid != pid || answer->number < number)
			continue;
		copy = palloc(ANSWER_SIZE);
		memcpy(copy, answer->rows.bytes, ANSWER_SIZE);
		*at = answer->at;
		pg_read_barrier();
		if (pg_atomic_read_u64(&answer->version) == version)
		{
			(void) answer_change_state(answer, ANSWER_UNREAD, ANSWER_FREE);
			return copy;
		}
		pfree(copy);
	}
	return NULL;
}

uint64
AnswersAsk(AnswerKind kind, int slot, bool privileged)
{
	Asker *own = &shared->askers[SlotOwn()];

	own->kind = kind;
	own->role = GetUserId();
	own->privileged = privileged;
	pg_write_barrier();
	pg_atomic_write_u32(&own->waits_for, (uint32) slot + 1);
	return pg_atomic_fetch_add_u64(&shared->askers[slot].asked, 1) + 1;
}

void
AnswersStopAsking(void)
{
	pg_atomic_write_u32(&shared->askers[SlotOwn()].waits_for, 0);
}
