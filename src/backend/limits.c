/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  How much memory a process, and all of them, may hold.
 *
 * The engine knows one figure, ga_heap.limit, and refuses memory beyond it on
 * its slow paths; mcxt/others.c does so for contexts that are no arenas.  That
 * figure is not the limit itself but the point where to look next: from there
 * this file adds what contexts hold that are no arenas, compares with the
 * settings, and moves the figure on by a part of what is left, so that both are
 * looked at more often the nearer a limit is.
 *
 * Before an allocation fails, memory not in use is given back.  It fails as
 * any other one for which there is no memory: an error of SQLSTATE 53200, or
 * NULL for those who asked for that.
 *
 * No limit holds where an error would do harm: in processes without which the
 * server cannot go on, in critical sections, and while interrupts are held
 * off, as they are in the abort and the commit of transactions and with any
 * lightweight lock.  While an error is under way there is a reserve, so that
 * it can be reported and caught, and another one for transactions of a session
 * that keeps as much as it may: it could not even give that up otherwise.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "backend/largest.h"
#include "backend/limits.h"
#include "backend/process.h"
#include "backend/registry.h"
#include "backend/sweeps.h"
#include "backend/total_limit.h"
#include "backend/usage.h"
#include "mcxt/arena_context.h"
#include "mcxt/context_walk.h"
#include "mcxt/others.h"
#include "mcxt/process_heap.h"

/* What may be held beyond the limits in each of the cases of Reserve. */
#define RESERVE ((Size) 1 << 20)

/* The next look is taken after this share of what is left, but not before. */
#define OWN_SHARE	8
#define TOTAL_SHARE 64
#define LEAST_STEP	((Size) 256 << 10)

/*
 * A process that holds no more is not refused for the total limit, so that
 * sessions can begin, see who holds the memory, and cancel it.
 */
#define SMALL_PROCESS ((Size) 4 << 20)

static Size other_bytes = 0;		/* of contexts that are no arenas */
static Size undecided = 0;			/* what they took that may still be refused */
static Size error_context_empty;	/* bytes used in ErrorContext without an error */
static bool looking_again = false;	/* memory was given back already */
static bool new_transaction = true; /* nothing was looked at in this one */
static Size held_at_start;			/* of the transaction, about */

/* The last refusal, for its error. */
static struct
{
	Crossed what;
	Size limit;
	Size held;
} refusal;

Size
UsageHeld(void)
{
	return process_heap_ready ? ga_heap_held(&process_heap) + other_bytes : 0;
}

/*
 * UsageMeasureOthers
 *		Add up what does not come from the heap.  An arena has the first block that
 *		AllocSet made for it.
 */
void
UsageMeasureOthers(void)
{
	Size sum = 0;

	context_walk_foreach (walk, TopMemoryContext)
		sum += MemoryContextIsArena(walk.context) ? ArenaSetOfContext(walk.context)->arena.credit
												  : walk.context->mem_allocated;
	other_bytes = sum - undecided;
}

/*
 * ErrorContextUsed
 *		Bytes in use in ErrorContext, which holds errors until they are dealt with.
 */
static Size
ErrorContextUsed(void)
{
	MemoryContextCounters counters = {0};

	ErrorContext->methods->stats(ErrorContext, NULL, NULL, &counters, false);
	return counters.totalspace - counters.freespace;
}

/*
 * MayRefuse
 *		Is this a process, and a moment, in which an error does no harm?
 */
static bool
MayRefuse(void)
{
	if (!IsUnderPostmaster || CritSectionCount > 0 || InterruptHoldoffCount > 0 ||
		proc_exit_inprogress || !ProcessIsOurs())
		return false;
	switch (MyBackendType)
	{
		case B_BACKEND:
		case B_BG_WORKER:
		case B_AUTOVAC_WORKER:
		case B_WAL_SENDER:
			return true;
		default:
			return false;
	}
}

/*
 * Reserve
 *		What is granted beyond a limit to a process that held so much when its
 *		transaction began.
 */
static Size
Reserve(Size limit, Size held)
{
	Size reserve = 0;

	if (held + RESERVE > limit)
		reserve += RESERVE;
	if (ErrorContextUsed() > error_context_empty || IsAbortedTransactionBlockState())
		reserve += RESERVE;
	return reserve;
}

/*
 * Look
 *		Would a limit be crossed with so many more bytes?  If not, let the engine
 *		go on to where to look next.
 */
static Crossed
Look(Size bytes)
{
	Size held = UsageHeld() + bytes;
	Size own = MemoryLimit();
	Size step = SIZE_MAX;

	if (own != SIZE_MAX)
	{
		Size reserve = Reserve(own, held_at_start);

		if (held > own + reserve)
		{
			refusal.limit = own;
			return OWN_LIMIT;
		}
		step = Max((own + reserve - held) / OWN_SHARE, LEAST_STEP);
		step = Min(step, own + reserve - held);
	}
	if (TotalLimit() != SIZE_MAX)
	{
		Size total;
		Size limit = TotalLimit();
		Size reserve = Reserve(limit, 0);

		RegistryPublish();
		total = RegistryTotalHeld() + bytes;
		if (total > limit + reserve && held > SMALL_PROCESS)
		{
			refusal.limit = limit;
			return TOTAL_LIMIT;
		}
		if (total < limit)
			step = Min(step, Max((limit - total) / TOTAL_SHARE, LEAST_STEP));
		else
			step = Min(step, LEAST_STEP);
	}
	process_heap.limit = step == SIZE_MAX ? SIZE_MAX : ga_heap_held(&process_heap) + bytes + step;
	return NO_LIMIT_CROSSED;
}

/*
 * GiveBack
 *		Give back what is not in use until no limit is crossed.  What lies in
 *		quarantine can give its pages back as it is.  A sweep reads all memory in
 *		use: near a limit that must not happen for each chunk.
 */
static Crossed
GiveBack(Size bytes)
{
	ga_sweep_result result;
	Crossed crossed;

	(void) ga_heap_release(&process_heap);
	crossed = Look(bytes);
	if (crossed == NO_LIMIT_CROSSED)
		return crossed;

	ArenaContextsTrim();
	if (process_heap.state_chunks[GA_FAULT] + process_heap.state_chunks[GA_QUARANTINED] > 0 &&
		SafeToSweep())
		RunSweep(SWEEP_LIMIT, &result);
	(void) ga_heap_release(&process_heap);
	return Look(bytes);
}

/*
 * FindRoom
 *		More bytes are wanted than ga_heap.limit allows: see LimitsFindRoom.
 */
static bool
FindRoom(Size bytes)
{
	if (!MayRefuse() || looking_again)
	{
		process_heap.limit = ga_heap_held(&process_heap) + bytes + LEAST_STEP;
		return true;
	}

	TotalLimitJoin();
	UsageMeasureOthers();
	if (new_transaction)
		held_at_start = UsageHeld();
	new_transaction = false;
	refusal.what = Look(bytes);
	if (refusal.what == NO_LIMIT_CROSSED)
		return true;

	looking_again = true;
	refusal.what = GiveBack(bytes);
	if (refusal.what == TOTAL_LIMIT && goarena_on_total_limit == ON_TOTAL_CANCEL_LARGEST)
		refusal.what = TotalLimitCancelLargest(bytes, Look);
	looking_again = false;
	if (refusal.what == NO_LIMIT_CROSSED)
		return true;

	/* The next one is looked at again. */
	process_heap.limit = 0;
	refusal.held = refusal.what == OWN_LIMIT ? UsageHeld() : RegistryTotalHeld();
	process_heap_refusal = true;
	UsageNoteLimitHit();
	return false;
}

bool
LimitsFindRoom(void)
{
	process_heap.limit_refused = false;
	return FindRoom(process_heap.refused);
}

/*
 * OthersAsk
 *		The same for a context that is no arena.
 */
static bool
OthersAsk(Size bytes, bool taken)
{
	Size before = undecided;
	bool result;

	if (taken)
		undecided += bytes;
	result = FindRoom(bytes);
	undecided = before;
	return result;
}

/*
 * OthersTook
 *		Arenas have so much less left until the next look.
 */
static void
OthersTook(Size bytes)
{
	other_bytes += bytes;
	if (process_heap.limit != SIZE_MAX)
		process_heap.limit -= Min(process_heap.limit, bytes);
}

/*
 * RaiseRefusal
 *		The error for memory that a limit refused.
 */
static void
RaiseRefusal(MemoryContext context, Size size)
{
	bool own = refusal.what == OWN_LIMIT;
	LargestContexts largest;

	process_heap_refusal = false;
	FindLargestContexts(&largest);
	ereport(
		ERROR,
		(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
		 errdetail("Failed on request of size %zu in memory context \"%s\": %s is %zu kB, and "
				   "%s %zu kB.  The largest contexts of this process: %s.",
				   size, context->name, own ? "goarena.memory_limit" : "goarena.total_memory_limit",
				   refusal.limit / 1024, own ? "this process holds" : "all processes hold",
				   refusal.held / 1024, LargestContextsText(&largest, false)),
		 own ? errhint("Have the statement use less memory, or raise goarena.memory_limit.")
			 : errhint("Run fewer statements at a time, have them use less memory, or raise "
					   "goarena.total_memory_limit.")));
}

void
LimitsAtTransactionEnd(void)
{
	process_heap_refusal = false;
	new_transaction = true;
	LimitsAfterShrinking();
}

void
LimitsAfterShrinking(void)
{
	if (process_heap.limit != SIZE_MAX)
		process_heap.limit = Min(process_heap.limit, ga_heap_held(&process_heap) + LEAST_STEP);
}

void
LimitsChanged(int kb)
{
	process_heap.limit = 0;
	if (kb != NO_LIMIT)
		OthersWatch();
}

void
LimitsInit(void)
{
	process_heap_raise_refusal = RaiseRefusal;
	process_heap_others_ask = OthersAsk;
	process_heap_others_took = OthersTook;
	LimitSettingInit();
	LimitsChanged(goarena_memory_limit_kb);
	LimitsChanged(goarena_total_memory_limit_kb);
	error_context_empty = ErrorContextUsed();
}
