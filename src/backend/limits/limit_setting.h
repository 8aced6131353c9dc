/*-------------------------------------------------------------------------
 *
 * limit_setting.h
 *	  The settings of limits: what they are, and who may set them to what.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LIMIT_SETTING_H
#define GOARENA_LIMIT_SETTING_H

#include "postgres.h"

#include "nodes/nodes.h"
#include "utils/guc.h"

#include "backend/limits/total_value.h"

/* The least limit of a process, a session, a user or a database, in kB. */
#define MIN_MEMORY_LIMIT_KB (16 * 1024)

/* What to do when a process needs memory beyond the total limit. */
typedef enum OnTotalLimit
{
	ON_TOTAL_ERROR,				 /* it fails */
	ON_TOTAL_CANCEL_LARGEST,	 /* it has the largest statement cancelled, waits, or fails */
	ON_TOTAL_CANCEL_OR_TERMINATE /* the same, and sessions that cannot be cancelled are ended */
} OnTotalLimit;

/* GUC variables, limits in kB, and their hooks. */
extern int goarena_memory_limit_kb;
extern int goarena_session_memory_limit_kb;
extern int goarena_user_memory_limit_kb;
extern int goarena_database_memory_limit_kb;
extern char *goarena_total_memory_limit;
extern int goarena_on_total_limit;

extern bool CheckMemoryLimit(int *newval, void **extra, GucSource source);
extern void AssignMemoryLimit(int newval, void *extra);
extern bool CheckSessionMemoryLimit(int *newval, void **extra, GucSource source);
extern void AssignSessionMemoryLimit(int newval, void *extra);
extern bool CheckUserMemoryLimit(int *newval, void **extra, GucSource source);
extern bool CheckDatabaseMemoryLimit(int *newval, void **extra, GucSource source);
extern void AssignUserMemoryLimit(int newval, void *extra);
extern void AssignDatabaseMemoryLimit(int newval, void *extra);
extern bool CheckTotalMemoryLimit(char **newval, void **extra, GucSource source);
extern void AssignTotalMemoryLimit(const char *newval, void *extra);

/*
 * The limit that holds in this process, in bytes; SIZE_MAX without one.  It is the value that is
 * set, but at most the cap, unless a superuser has set it.
 */
extern Size MemoryLimit(void);
extern Size SessionMemoryLimit(void);

/*
 * The limits of sums over processes, in bytes.  They are SIZE_MAX unless the library is preloaded.
 */
extern Size UserMemoryLimit(void);
extern Size DatabaseMemoryLimit(void);

/* The value of goarena.total_memory_limit.  TotalLimit says how many bytes it is. */
extern TotalValue total_value;

static inline bool
LimitSettingTotal(void)
{
	return total_value.kb != NO_LIMIT || total_value.share > 0;
}

/* Is there a limit that this process shares with others? */
static inline bool
LimitSettingShared(void)
{
	return LimitSettingTotal() || goarena_user_memory_limit_kb != NO_LIMIT ||
		   goarena_database_memory_limit_kb != NO_LIMIT;
}

/* Is there any limit? */
static inline bool
LimitSettingAny(void)
{
	return goarena_memory_limit_kb != NO_LIMIT || goarena_session_memory_limit_kb != NO_LIMIT ||
		   LimitSettingShared();
}

/* Is a value in effect that no superuser set?  Then it can be above the cap. */
extern bool limit_of_user;

/* See LimitSettingAtStatement. */
extern void LimitSettingSettle(void);

/*
 * Does a command change settings that are stored for databases and roles?  From Begin
 * on, only superusers may change limits there.  End must be called after an error, too.
 */
static inline bool
LimitSettingGuards(const Node *command)
{
	return IsA(command, AlterRoleSetStmt) || IsA(command, AlterDatabaseSetStmt);
}
extern void LimitSettingGuardBegin(void);
extern void LimitSettingGuardEnd(void);

/* For shared_memory.c. */
extern Size LimitSettingSize(void);
extern void LimitSettingAttach(void *memory, bool anew);

/*
 * Called once, from _PG_init, when all settings are defined: limits hold from now on, those of sums
 * over processes only if the library is preloaded.
 */
extern void LimitSettingInit(bool preloaded);

/*
 * Called instead: limits do not hold in this process. why is a sentence.  Warns of limits that are
 * set.
 */
extern void LimitSettingIdle(const char *why);

/*
 * To be called when a statement begins: if the limit that holds is below the value of the setting,
 * set the setting to it.
 */
static inline void
LimitSettingAtStatement(void)
{
	if (unlikely(limit_of_user))
		LimitSettingSettle();
}

#endif /* GOARENA_LIMIT_SETTING_H */
