/*-------------------------------------------------------------------------
 *
 * limit_advice.c
 *	  Settings of the server that contradict limits.
 *
 * The server's settings say how much memory parts of a statement may use before they make do with
 * files or with more passes.  They only do so if no limit comes before.  An operator who sets a
 * limit should hear of such a contradiction from the server's log, and not from users.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "replication/reorderbuffer.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"

#include "backend/limits/limit_advice.h"

/* A pair that was compared. */
typedef struct Comparison
{
	const char *limit;
	const char *other;
	const char *consequence;
	Size warned_limit; /* the values of the last warning */
	Size warned_other;
} Comparison;

static void
advice_compare(Comparison *pair, Size limit, Size other)
{
	/* The other value may be a limit that is not set. */
	if (limit >= other || other == SIZE_MAX ||
		(limit == pair->warned_limit && other == pair->warned_other))
		return;
	pair->warned_limit = limit;
	pair->warned_other = other;
	ereport(WARNING, (errmsg("\"%s\" is less than %s", pair->limit, pair->other),
					  errdetail("It is %zu kB, and the other one %zu kB.  %s", limit / 1024,
								other / 1024, pair->consequence)));
}

#define FAIL		"Statements can fail at the limit that would have used files."
#define MAINTENANCE "Commands that ask for so much get half of what the limit leaves."
#define GRANTED		"Its workers may hold so much more than the limit."

void
LimitAdvise(const ServerLimits *limits)
{
	static Comparison pairs[] = {
		{"goarena.memory_limit", "\"work_mem\" times \"hash_mem_multiplier\"", FAIL},
		{"goarena.memory_limit", "\"maintenance_work_mem\"", MAINTENANCE},
		{"goarena.memory_limit", "\"autovacuum_work_mem\"", GRANTED},
		{"goarena.memory_limit", "\"logical_decoding_work_mem\"",
		 "A walsender may hold twice so much more than the limit."},
		{"goarena.memory_limit", "\"temp_buffers\"",
		 "Sessions with temporary tables can fail at the limit."},
		{"goarena.session_memory_limit", "\"goarena.memory_limit\"",
		 "No process will reach the latter."},
		{"goarena.user_memory_limit", "\"goarena.memory_limit\"",
		 "No process of a user will reach the latter."},
		{"goarena.database_memory_limit", "\"goarena.memory_limit\"",
		 "No process of a database will reach the latter."},
		{"goarena.total_memory_limit", "\"goarena.user_memory_limit\"",
		 "No user will reach the latter."},
		{"goarena.total_memory_limit", "\"goarena.database_memory_limit\"",
		 "No database will reach the latter."},
		{"goarena.total_memory_limit", "\"goarena.memory_limit\"",
		 "No process will reach the latter."},
		{"goarena.total_memory_limit", "\"maintenance_work_mem\"", MAINTENANCE},
		{"goarena.total_memory_limit", "\"work_mem\" times \"hash_mem_multiplier\"", FAIL},
	};
	const Size kb = 1024;
	Size memory = limits->memory;
	Size hash = (Size) ((double) work_mem * hash_mem_multiplier) * kb;
	Size maintenance = (Size) maintenance_work_mem * kb;
	Comparison *pair = pairs;

	advice_compare(pair++, memory, hash);
	advice_compare(pair++, memory, maintenance);
	advice_compare(pair++, memory, autovacuum_work_mem < 0 ? 0 : (Size) autovacuum_work_mem * kb);
	advice_compare(pair++, memory, (Size) logical_decoding_work_mem * kb);
	advice_compare(pair++, memory, (Size) num_temp_buffers * BLCKSZ);
	advice_compare(pair++, limits->session, memory);
	advice_compare(pair++, limits->user, memory);
	advice_compare(pair++, limits->database, memory);
	advice_compare(pair++, limits->total, limits->user);
	advice_compare(pair++, limits->total, limits->database);
	advice_compare(pair++, limits->total, memory);
	advice_compare(pair++, limits->total, maintenance);
	advice_compare(pair++, limits->total, hash);
	Assert(pair == pairs + lengthof(pairs));
}
