/*-------------------------------------------------------------------------
 *
 * total_limit.h
 *	  goarena.total_memory_limit, and goarena.on_total_limit = cancel_largest.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TOTAL_LIMIT_H
#define GOARENA_TOTAL_LIMIT_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "mcxt/hot.h"
#include "mcxt/refusal.h"

/* For shared_memory.c. */
extern Size TotalLimitSize(void);
extern void TotalLimitAttach(void *memory, bool anew);

/* Does this process take requests?  Not before it comes near a limit. */
HOT_EXTERN bool total_limit_joined;

/* See TotalLimitEndRequest. */
extern void TotalLimitSettleRequest(void);

/* A transaction ended, and with it what was asked of it. */
static inline void
TotalLimitEndRequest(void)
{
	if (unlikely(total_limit_joined))
		TotalLimitSettleRequest();
}

/*
 * A subtransaction is rolled back: code may have caught the error by which the statement was
 * cancelled.
 */
extern void TotalLimitErrorCaught(void);

/* The limit in bytes; SIZE_MAX if there is none, or the library is not preloaded. */
extern Size TotalLimit(void);

/* Let other processes cancel the statements of this one. */
extern void TotalLimitJoin(void);

/*
 * Error context callback for the time in which a statement runs.  If the statement is cancelled, or
 * the session ended, because of the limit, it puts that into the message.
 */
extern void TotalLimitAmendCancel(void *arg);

/*
 * Ask for the statement that holds the most to be cancelled, or, if the setting says so, for its
 * session to be ended.  Waits, for some seconds at most, until look(bytes) says that this many
 * bytes more would cross no limit.  Returns what look said last.
 */
extern Crossed TotalLimitCancelLargest(Size bytes, Crossed (*look)(Size bytes));

/*
 * Describe, in sentences, which of the processes that count against a limit holds the most, what it
 * does, and how much memory is unused.  Sets *waits_for_client if it only waits for its client.
 */
extern const char *SharedLimitHolders(Crossed limit, bool *waits_for_client);

#endif /* GOARENA_TOTAL_LIMIT_H */
