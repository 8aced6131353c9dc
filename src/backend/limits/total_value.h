/*-------------------------------------------------------------------------
 *
 * total_value.h
 *	  The value of goarena.total_memory_limit: a size, or a share of what the machine has.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TOTAL_VALUE_H
#define GOARENA_TOTAL_VALUE_H

#include "postgres.h"

#define NO_LIMIT (-1)

/* The least total limit, in kB: a session can begin and look. */
#define MIN_TOTAL_LIMIT_KB (64 * 1024)

typedef struct TotalValue
{
	double share; /* percent of the machine's memory; 0: kb says it */
	int kb;		  /* or NO_LIMIT */
} TotalValue;

/* Where a limit comes from. */
typedef struct TotalOrigin
{
	Size limit;			  /* in bytes; SIZE_MAX: none */
	const char *source;	  /* "setting", "cgroup" or "host"; NULL without a limit */
	uint64 memory;		  /* of the cgroup or the host; UINT64_MAX if no share is set */
	uint64 shared_memory; /* that is taken off; UINT64_MAX likewise */
} TotalOrigin;

/*
 * Parse a value of the setting: a size as in the server's settings, in kB without a unit, or a
 * share such as "80%". If it is wrong, returns false, and check hook errors say why.
 */
extern bool TotalValueParse(const char *text, TotalValue *value);

/*
 * Calculate the limit in bytes; SIZE_MAX if there is none.  For a share, asks the machine if the
 * last answer is a second old; before there is shared memory, a share is no limit.
 */
extern Size TotalValueBytes(const TotalValue *value);
extern void TotalValueExplain(const TotalValue *value, TotalOrigin *origin);

/* For shared_memory.c. */
extern Size TotalValueSize(void);
extern void TotalValueAttach(void *memory, bool anew);

#endif /* GOARENA_TOTAL_VALUE_H */
