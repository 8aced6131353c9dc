/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  How much memory a process, and all of them, may hold.
 *
 * The engine knows one figure, ga_heap.limit, and refuses memory beyond it on
 * its slow paths; mcxt/plain_contexts.c does so for contexts that are no arenas.  That
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
 * lightweight lock, and while a subtransaction begins or commits.  While an error
 * is under way there is a reserve, so that it can be reported and caught, and
 * another one for transactions of a session that keeps as much as it may: it could
 * not even give that up otherwise.  There is one more for commands of a session that
 * find a limit full which it shares with others, or that keeps more than its own was
 * lowered to, see limits_stuck_at.  Processes whose failure would do harm in the long
 * run may hold more by what a setting of theirs grants them, and the server's own
 * bookkeeping is exempt up to a point: see limit_exempt.c.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "replication/logicallauncher.h"
#include "replication/reorderbuffer.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "backend/faults/guard.h"
#include "backend/limits/limit_exempt.h"
#include "backend/limits/limit_setting.h"
#include "backend/limits/limits.h"
#include "backend/limits/total_limit.h"
#include "backend/limits/unused.h"
#include "backend/process/counters.h"
#include "backend/process/names.h"
#include "backend/process/process.h"
#include "backend/registry/owners.h"
#include "backend/registry/registry.h"
#include "backend/sweeps/sweeps.h"
#include "backend/usage/largest.h"
#include "backend/usage/usage.h"
#include "backend/usage/usage_plain.h"
#include "engine/probes.h"
#include "mcxt/arena_context.h"
#include "mcxt/free_history.h"
#include "mcxt/plain_contexts.h"
#include "mcxt/process_heap.h"
#include "mcxt/refusal.h"

/* What may be held beyond the limits in each of the cases of Reserve. */
#define RESERVE ((Size) 1 << 20)

/* The next look comes when the process has taken one part in this many of what is left. */
#define OWN_SHARE	  8
#define SESSION_SHARE 32
#define TOTAL_SHARE	  64
#define LEAST_STEP	  ((Size) 256 << 10)

/*
 * Code that catches errors can be refused memory again and again, and a sweep reads all memory in
 * use.  So the next sweep comes after this many times what the last one took.
 */
#define SWEEP_REST 20

/*
 * While the total limit is a share of the machine, it can change.  So look again whenever the
 * process has grown by this many bytes.
 */
#define RESIZE_STEP ((Size) 8 << 20)

/*
 * A process that holds no more than this is not refused memory because of a shared limit, so that
 * sessions can begin, see which process holds the memory, and cancel it.
 */
#define SMALL_PROCESS ((Size) 4 << 20)

/* How far up the parents of a context are looked at. */
#define DEEPEST 64

static Size error_context_empty;	  /* bytes used in ErrorContext without an error */
static bool looking_again = false;	  /* memory was given back already */
static bool limits_unlooked = false;  /* the heap may go on without a look having been taken */
static uint64 looked_in = UINT64_MAX; /* the number of the transaction that last was near a limit */
static Size held_at_start;			  /* of that, about */
static TimestampTz sweep_again = 0;	  /* not before */
static TimestampTz looked_for = 0;	  /* the time of the client's command that last was */
static Size held_at_command;		  /* when that was near a limit first, about */

/*
 * The least that this process was seen to hold since it found a limit full that it shares, or
 * its own below what it keeps, SIZE_MAX if there was room when it last looked.  A command may
 * take RESERVE beyond that, and
 * beyond what was held when it began, for what ends with it or with the transaction, or it
 * could not even close a cursor to make room.  That is for all commands together, not for
 * each: until there is room, this only comes down.  So what all processes hold passes a limit by
 * RESERVE for each of them.
 */
static Size limits_stuck_at[TOTAL_LIMIT + 1] = {
	[OWN_LIMIT] = SIZE_MAX,		 [SESSION_LIMIT] = SIZE_MAX, [USER_LIMIT] = SIZE_MAX,
	[DATABASE_LIMIT] = SIZE_MAX, [TOTAL_LIMIT] = SIZE_MAX,
};

/*
 * limits_error_context_used
 *		Bytes in use in ErrorContext, which holds errors until they are dealt with.
 */
static Size
limits_error_context_used(void)
{
	MemoryContextCounters counters = {0};

	ErrorContext->methods->stats(ErrorContext, NULL, NULL, &counters, false);
	return counters.totalspace - counters.freespace;
}

/*
 * limits_in_transition
 *		Does a subtransaction begin or end?  If the server fails then, its lists are left in pieces.
 *		A failed transaction is different: statements are still parsed in it.
 */
static bool
limits_in_transition(void)
{
	return IsTransactionOrTransactionBlock() && !IsTransactionState() &&
		   !IsAbortedTransactionBlockState();
}

/*
 * limits_may_refuse
 *		Is this a process, and a moment, in which an error does no harm?
 */
static bool
limits_may_refuse(void)
{
	if (!IsUnderPostmaster || CritSectionCount > 0 || InterruptHoldoffCount > 0 ||
		proc_exit_inprogress || !ProcessIsOurs() || limits_in_transition())
		return false;
	switch (MyBackendType)
	{
		case B_BACKEND:
		case B_AUTOVAC_WORKER:
		case B_WAL_SENDER:
			return true;
		case B_BG_WORKER:
			return !IsLogicalLauncher();
		default:
			return false;
	}
}

/*
 * limits_granted
 *		How many bytes this process may hold beyond any limit, because the server depends on its
 *		work: without autovacuum it stops before transaction identifiers wrap around, and without a
 *		walsender that decodes, its slot keeps WAL until the disk is full.  Both have a setting for
 *		what they use.  The changes that are decoded take up to twice as much as they are counted
 *		with.
 */
static Size
limits_granted(void)
{
	if (MyBackendType == B_AUTOVAC_WORKER)
		return (Size) (autovacuum_work_mem >= 0 ? autovacuum_work_mem : maintenance_work_mem) *
			   1024;
	if (MyBackendType == B_WAL_SENDER)
		return (Size) logical_decoding_work_mem * 1024 * 2;
	return 0;
}

/*
 * limits_ceiling
 *		How much may a process hold under a limit, if it held this much when its transaction began?
 */
static Size
limits_ceiling(Size limit, Size held)
{
	Size ceiling = limit + limits_granted();

	if (held + RESERVE > ceiling)
		ceiling += RESERVE;
	if (limits_error_context_used() > error_context_empty || IsAbortedTransactionBlockState())
		ceiling += RESERVE;
	return ceiling;
}

/*
 * limits_step
 *		How many bytes more the process may take before it looks at limits again.
 */
static Size
limits_step(Size ceiling, Size held, int share)
{
	Size left = held < ceiling ? ceiling - held : 0;

	return Min(left, Max(left / (Size) share, LEAST_STEP));
}

/*
 * limits_refuse
 *		Fill refusal: a limit would be crossed.
 */
static Crossed
limits_refuse(Crossed which, Size limit, Size held)
{
	refusal.limit = limit;
	refusal.held = held;
	return which;
}

/*
 * limits_session_held
 *		How much this process and the others of its parallel query hold.
 */
static Size
limits_session_held(void)
{
	if (MyProc == NULL || MyProc->lockGroupLeader == NULL || !RegistryExists())
		return UsageHeld();
	RegistryPublish();
	return RegistryGroupHeld(MyProc->lockGroupLeader);
}

/*
 * limits_is_transient
 *		Does a context end with the command, the cursor or the transaction, or does the server need
 *		it to work at all?  Subtransactions alone nest deeper than is looked.
 */
static bool
limits_is_transient(MemoryContext context)
{
	for (int i = 0; i < DEEPEST && context != NULL; i++, context = context->parent)
		if (context == MessageContext || context == TopTransactionContext ||
			context == CacheMemoryContext || context == PortalContext ||
			strcmp(GuardName(context), "TopPortalContext") == 0)
			return true;
	return context != NULL;
}

/*
 * limits_may_tidy
 *		A limit is full.  May this process take more bytes all the same, so that it can give
 *		back what it held before?
 */
static bool
limits_may_tidy(Crossed which, Size bytes)
{
	Size held = UsageHeld();

	limits_stuck_at[which] = Min(limits_stuck_at[which], held);
	return held + bytes <= Min(limits_stuck_at[which], held_at_command) + RESERVE &&
		   (limits_is_transient(refusal.context) || LimitExemption(refusal.context) > 0);
}

/*
 * limits_look_shared
 *		Would a limit be crossed that this process shares with others? others_too is what all of
 *		them hold.  If not, lowers *step to where to look next.
 */
static Crossed
limits_look_shared(Crossed which, Size limit, Size others_too, Size bytes, Size *step)
{
	Size ceiling = limits_ceiling(limit, 0);
	Size held = others_too + bytes;

	/* A failed transaction must be able to roll back, however much the other processes hold. */
	if (IsAbortedTransactionBlockState() && UsageHeld() + bytes <= held_at_start + RESERVE)
	{
		*step = Min(*step, LEAST_STEP);
		return NO_LIMIT_CROSSED;
	}
	if (held <= limit)
		limits_stuck_at[which] = SIZE_MAX;
	if (held > ceiling && UsageHeld() + bytes > SMALL_PROCESS)
	{
		if (held > ceiling + LimitExemption(refusal.context) && !limits_may_tidy(which, bytes))
			return limits_refuse(which, limit, others_too);
		*step = 0; /* what comes next may be for something else */
		return NO_LIMIT_CROSSED;
	}
	*step = Min(*step, Max(limits_step(ceiling, held, TOTAL_SHARE), LEAST_STEP));
	return NO_LIMIT_CROSSED;
}

/*
 * limits_look_at_sums
 *		Do so for all shared limits.
 */
static Crossed
limits_look_at_sums(Size bytes, Size *step)
{
	Crossed crossed = NO_LIMIT_CROSSED;
	Size limit;

	if (likely(!LimitSettingShared()))
		return crossed;
	RegistryPublish();
	if ((limit = UserMemoryLimit()) != SIZE_MAX)
		crossed = limits_look_shared(USER_LIMIT, limit, OwnersHeld(OWNER_USER), bytes, step);
	if (crossed == NO_LIMIT_CROSSED && (limit = DatabaseMemoryLimit()) != SIZE_MAX)
		crossed =
			limits_look_shared(DATABASE_LIMIT, limit, OwnersHeld(OWNER_DATABASE), bytes, step);
	if (crossed == NO_LIMIT_CROSSED && (limit = TotalLimit()) != SIZE_MAX)
	{
		crossed = limits_look_shared(TOTAL_LIMIT, limit, RegistryTotalHeld(), bytes, step);
		if (total_value.share > 0)
			*step = Min(*step, RESIZE_STEP);
	}
	return crossed;
}

/*
 * limits_look
 *		Would this many bytes more cross a limit?  If not, set ga_heap.limit to where to look next.
 */
static Crossed
limits_look(Size bytes)
{
	Size exempt = LimitExemption(refusal.context);
	Size step = SIZE_MAX;
	Crossed crossed;
	Size limit;

	if ((limit = MemoryLimit()) != SIZE_MAX)
	{
		Size held = UsageHeld() + bytes;
		Size ceiling = limits_ceiling(limit, held_at_start);

		if (held <= limit)
			limits_stuck_at[OWN_LIMIT] = SIZE_MAX;
		if (held > ceiling + exempt && !limits_may_tidy(OWN_LIMIT, bytes))
			return limits_refuse(OWN_LIMIT, limit, held - bytes);
		step = limits_step(ceiling, held, OWN_SHARE);
	}
	if ((limit = SessionMemoryLimit()) != SIZE_MAX)
	{
		Size held = limits_session_held() + bytes;
		Size ceiling = limits_ceiling(limit, held_at_start);

		if (held <= limit)
			limits_stuck_at[SESSION_LIMIT] = SIZE_MAX;
		if (held > ceiling + exempt && !limits_may_tidy(SESSION_LIMIT, bytes))
			return limits_refuse(SESSION_LIMIT, limit, held - bytes);
		step = Min(step, limits_step(ceiling, held, SESSION_SHARE));
	}
	crossed = limits_look_at_sums(bytes, &step);
	if (crossed != NO_LIMIT_CROSSED)
		return crossed;
	process_heap.limit = step == SIZE_MAX ? SIZE_MAX : ga_heap_held(&process_heap) + bytes + step;
	return NO_LIMIT_CROSSED;
}

/*
 * limits_give_back
 *		Give back memory that is not in use, until no limit is crossed.  Memory in quarantine gives
 *		its pages back without a sweep.
 */
static Crossed
limits_give_back(Size bytes)
{
	ga_sweep_result result;
	Crossed crossed;

	(void) ga_heap_release(&process_heap);
	crossed = limits_look(bytes);
	if (crossed == NO_LIMIT_CROSSED)
		return crossed;

	ArenaContextsTrim();
	if (process_heap.state_chunks[GA_FAULT] + process_heap.state_chunks[GA_QUARANTINED] > 0 &&
		SafeToSweep() && GetCurrentTimestamp() >= sweep_again)
	{
		RunSweep(SWEEP_LIMIT, &result);
		sweep_again = GetCurrentTimestamp() + (TimestampTz) result.duration * SWEEP_REST;
		RegistryPublish();
	}
	(void) ga_heap_release(&process_heap);
	return limits_look(bytes);
}

/*
 * limits_find_room
 *		Do the work of LimitsFindRoom for this many bytes.
 */
static bool
limits_find_room(Size bytes)
{
	Crossed crossed;

	if (!limits_may_refuse() || looking_again || LimitExemptsMainLoop(refusal.context, bytes))
	{
		process_heap.limit = ga_heap_held(&process_heap) + bytes + LEAST_STEP;
		limits_unlooked = true;
		return true;
	}

	TotalLimitJoin();
	UsageMeasurePlain();
	if (looked_in != free_history_transactions)
		held_at_start = UsageHeld();
	looked_in = free_history_transactions;
	if (looked_for != GetCurrentStatementStartTimestamp())
		held_at_command = UsageHeld();
	looked_for = GetCurrentStatementStartTimestamp();
	if (limits_look(bytes) == NO_LIMIT_CROSSED)
		return true;

	looking_again = true;
	crossed = limits_give_back(bytes);
	for (Crossed limit = USER_LIMIT; limit <= TOTAL_LIMIT; limit++)
		if (crossed == limit)
			crossed = UnusedReclaim(limit, bytes, limits_look);
	if (crossed == TOTAL_LIMIT && goarena_on_total_limit != ON_TOTAL_ERROR)
		crossed = TotalLimitCancelLargest(bytes, limits_look);
	looking_again = false;
	if (crossed == NO_LIMIT_CROSSED)
		return true;

	/* Look again at the next allocation. */
	process_heap.limit = 0;
	refusal.crossed = crossed;
	GA_PROBE4(limit__refused, (int) crossed, refusal.limit, refusal.held, bytes);
	LimitExemptRefused(refusal.context);
	CountersAdd(COUNT_LIMIT_HITS);
	return false;
}

bool
LimitsFindRoom(void)
{
	Size refused = process_heap.refused;

	process_heap.refused = 0;
	return limits_find_room(refused);
}

/*
 * limits_left_under
 *		How many bytes a limit leaves when held bytes are held.
 */
static Size
limits_left_under(Size limit, Size held)
{
	if (limit == SIZE_MAX)
		return SIZE_MAX;
	return held < limit ? limit - held : 0;
}

Size
LimitsLeft(void)
{
	Size left = SIZE_MAX;

	UsageMeasurePlain();
	left = Min(left, limits_left_under(MemoryLimit(), UsageHeld()));
	left = Min(left, limits_left_under(SessionMemoryLimit(), limits_session_held()));
	left = Min(left, limits_left_under(UserMemoryLimit(), OwnersHeld(OWNER_USER)));
	left = Min(left, limits_left_under(DatabaseMemoryLimit(), OwnersHeld(OWNER_DATABASE)));
	return Min(left, limits_left_under(TotalLimit(), RegistryTotalHeld()));
}

/*
 * LimitsPlainAsk
 *		As LimitsFindRoom, for a context that is no arena.
 */
bool
LimitsPlainAsk(Size bytes, bool taken)
{
	Size before = usage_undecided;
	bool result;

	if (taken)
		usage_undecided += bytes;
	result = limits_find_room(bytes);
	usage_undecided = before;
	return result;
}

/*
 * LimitsPlainTook
 *		Until the next look, arenas may take so much less.  Bytes that such contexts gave back
 *		meanwhile are noticed when they are measured again.
 */
void
LimitsPlainTook(Size bytes)
{
	if (process_heap.limit != SIZE_MAX)
		process_heap.limit -= Min(process_heap.limit, bytes);
	if (UsagePlainGrew(bytes))
		UsageMeasurePlain();
}

/*
 * LimitsRaise
 *		Raise the error for memory that a limit refused.  Its SQLSTATE is that of memory that is
 *		used up, since programs know what to do then.  The message has the name of the limit, so
 *		that it differs from the system's error even in a log without details.  The name is also in
 *		the field for constraints.
 */
void
LimitsRaise(MemoryContext context, Size size)
{
	static const struct
	{
		const char *name;
		const char *holder;
		const char *hint;
	} limits[] = {
		[OWN_LIMIT] = {"goarena.memory_limit", "this process holds",
					   "Have the statement use less memory, or raise goarena.memory_limit."},
		[SESSION_LIMIT] = {"goarena.session_memory_limit",
						   "this session and its parallel workers hold",
						   "Have the statement use less memory or fewer parallel workers, or raise "
						   "goarena.session_memory_limit."},
		[USER_LIMIT] = {"goarena.user_memory_limit", "all processes of user \"%s\" hold",
						"Run fewer statements at a time as this user, have them use less memory, "
						"or raise goarena.user_memory_limit."},
		[DATABASE_LIMIT] = {"goarena.database_memory_limit",
							"all processes of database \"%s\" hold",
							"Run fewer statements at a time in this database, have them use less "
							"memory, or raise goarena.database_memory_limit."},
		[TOTAL_LIMIT] = {"goarena.total_memory_limit", "all processes hold",
						 "Run fewer statements at a time, have them use less memory, or raise "
						 "goarena.total_memory_limit."},
	};
	Crossed crossed = refusal.crossed;
	const char *name = limits[crossed].name;
	char holder[NAMEDATALEN + 64];
	LargestContexts largest;
	const char *holders = "";
	bool idle = false;

	refusal.crossed = NO_LIMIT_CROSSED;
	FindLargestContexts(&largest);
	if (crossed >= USER_LIMIT)
		holders = SharedLimitHolders(crossed, &idle);
	snprintf(holder, sizeof(holder), limits[crossed].holder,
			 crossed == DATABASE_LIMIT ? process_database_name : process_user_name);
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory because of %s", name),
			 errdetail("Failed on request of size %zu in memory context \"%s\": %s is %zu kB, and "
					   "%s %zu kB.%s  The largest contexts of this process: %s.",
					   size, GuardName(context), name, refusal.limit / 1024, holder,
					   refusal.held / 1024, holders, LargestContextsText(&largest, false)),
			 idle ? errhint("End the session that holds the most, or raise %s.", name)
				  : errhint("%s", limits[crossed].hint),
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, name)));
}

pg_attribute_hot void
LimitsLookSooner(void)
{
	process_heap.limit = Min(process_heap.limit, ga_heap_held(&process_heap) + LEAST_STEP);
}

/*
 * LimitsStatementBegun
 *		What was not refused while it could not be is no share of what comes now.
 */
void
LimitsStatementBegun(void)
{
	if (limits_unlooked)
		process_heap.limit = 0;
	limits_unlooked = false;
}

void
LimitsInit(void)
{
	error_context_empty = limits_error_context_used();
}
