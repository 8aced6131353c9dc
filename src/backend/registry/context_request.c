/*-------------------------------------------------------------------------
 *
 * context_request.c
 *	  Asking another process for its contexts, or for its heap profile.
 *
 * PostgreSQL's own way, pg_log_backend_memory_contexts(), writes them to the log.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "backend/process/slot.h"
#include "backend/registry/answers.h"
#include "backend/registry/context_request.h"
#include "backend/registry/registry.h"
#include "backend/registry/requests.h"
#include "backend/registry/snapshots.h"
#include "backend/usage/contexts.h"

/*
 * If an idle process left only a part of its contexts, it is asked, and gets this many
 * milliseconds.
 */
#define IDLE_PATIENCE 2000

/*
 * contexts_copy_snapshot
 *		Copy the snapshot that a process left last; NULL if it left none.
 */
static void *
contexts_copy_snapshot(int slot, TimestampTz *at)
{
	void *memory = palloc(SNAPSHOT_SIZE);

	if (SnapshotRead(slot, memory, at))
		return memory;
	pfree(memory);
	return NULL;
}

/*
 * contexts_copy_idle
 *		Copy all contexts of a process that is not in a transaction, as it left them.  NULL if it is
 *		in one, has left none, or had too many for a snapshot.
 */
static void *
contexts_copy_idle(int slot, int pid, TimestampTz *at)
{
	void *memory;

	if (ProcessInTransaction(SlotProc(slot)))
		return NULL;
	RequestFiguresOf(slot, pid);
	if (RegistryIsDeferred(slot) || (memory = contexts_copy_snapshot(slot, at)) == NULL)
		return NULL;
	if (ContextsAreAll(memory) || !RequestsListens(slot))
		return memory;
	pfree(memory);
	return NULL;
}

/*
 * request_await_answer
 *		Wait for the answer to a request with a number.
 */
static RequestResult
request_await_answer(AnswerKind kind, int slot, int pid, uint64 number, TimestampTz deadline,
					 void **copy, TimestampTz *at)
{
	TimestampTz reminded = 0;

	do
	{
		TimestampTz now = GetCurrentTimestamp();

		if ((*copy = AnswersCopy(kind, slot, pid, number, at)) != NULL)
			return REQUEST_ANSWERED;
		if (!RequestsIsThere(slot, pid))
			return REQUEST_GONE;
		if (TimestampDifferenceExceeds(reminded, now, REQUEST_REMIND_MS))
		{
			RequestContextsOf(slot, pid);
			reminded = now;
		}
	} while (RequestsWait(deadline));
	return REQUEST_TIMEOUT;
}

/*
 * answer_request
 *		Ask, and wait for the answer.
 */
static RequestResult
answer_request(AnswerKind kind, int slot, int pid, bool privileged, int64 timeout_ms, void **copy,
			   TimestampTz *at)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	RequestResult result = REQUEST_TIMEOUT;

	if (SlotOwn() < 0)
		RegistryPublish();
	PG_TRY();
	{
		result = request_await_answer(kind, slot, pid, AnswersAsk(kind, slot, privileged), deadline,
									  copy, at);
	}
	PG_FINALLY();
	{
		AnswersStopAsking();
	}
	PG_END_TRY();
	return result;
}

RequestResult
RequestProfile(int slot, int pid, bool privileged, int64 timeout_ms, void **copy, TimestampTz *at)
{
	return answer_request(ANSWER_PROFILE, slot, pid, privileged, timeout_ms, copy, at);
}

RequestResult
RequestContexts(int slot, int pid, bool privileged, int64 timeout_ms, void **copy, TimestampTz *at)
{
	const PGPROC *proc = SlotProc(slot);
	bool idle = !ProcessInTransaction(proc);
	RequestResult result;

	if ((*copy = contexts_copy_idle(slot, pid, at)) != NULL)
		return RequestsIsThere(slot, pid) ? REQUEST_ANSWERED : REQUEST_GONE;

	/* A process that waits for its client can answer at once, so do not wait long. */
	if (idle || ProcessAwaitsClient(proc))
		timeout_ms = Min(timeout_ms, IDLE_PATIENCE);
	result = answer_request(ANSWER_CONTEXTS, slot, pid, privileged, timeout_ms, copy, at);
	if (!idle)
		*at = 0;
	if (result != REQUEST_TIMEOUT)
		return result;

	*copy = contexts_copy_snapshot(slot, at);
	if (!RequestsIsThere(slot, pid))
		return REQUEST_GONE;
	return idle && *copy != NULL && !RegistryIsDeferred(slot) ? REQUEST_ANSWERED : REQUEST_TIMEOUT;
}
