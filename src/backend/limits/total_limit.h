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

#include "mcxt/refusal.h"

/* For shared_memory.c. */
extern Size TotalLimitSize(void);
extern void TotalLimitAttach(void *memory, bool anew);

/* Can this process be asked for anything?  Not before it comes near a limit. */
extern bool total_limit_joined;

/* See TotalLimitEndRequest. */
extern void TotalLimitSettleRequest(void);

/* A transaction ended: what was asked of it is done. */
static inline void
TotalLimitEndRequest(void)
{
	if (unlikely(total_limit_joined))
		TotalLimitSettleRequest();
}

/* A subtransaction is rolled back: an error may have been caught, that of a cancel, too. */
extern void TotalLimitErrorCaught(void);

/* The limit in bytes; SIZE_MAX if there is none, or the library is not preloaded. */
extern Size TotalLimit(void);

/* Let the statements of this process be cancelled by others. */
extern void TotalLimitJoin(void);

/*
 * Error context callback, to be there while a statement runs: if it is cancelled, or
 * the session ended, because of the limit, say so.
 */
extern void TotalLimitAmendCancel(void *arg);

/*
 * Have the statement that uses the most cancelled, or its session ended if the setting
 * says so.  Wait until look(bytes) says that no limit is crossed with so much more, but
 * only for some seconds.  Returns what look said last.
 */
extern Crossed TotalLimitCancelLargest(Size bytes, Crossed (*look)(Size bytes));

/*
 * Of the processes that count against a limit: the one that holds the most, what it does,
 * and what is unused, as sentences; and whether it waits for its client, so that it
 * holds nothing up but the others.
 */
extern const char *SharedLimitHolders(Crossed limit, bool *waits_for_client);

#endif /* GOARENA_TOTAL_LIMIT_H */
