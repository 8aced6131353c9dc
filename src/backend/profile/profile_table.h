/*-------------------------------------------------------------------------
 *
 * profile_table.h
 *	  The heap profile of all processes, in shared memory.
 *
 * It has a row for each site, whichever processes have it.  A process adds to the rows what
 * changed in its own figures: when another one asks for that, and when it ends, so that
 * what it allocated is known after its end.  The number of rows is limited.  Sites that
 * find no room are added up in one sum, and so are those of a user whose sites take
 * half of the rows already.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PROFILE_TABLE_H
#define GOARENA_PROFILE_TABLE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "backend/profile/pack.h"

/* GUC variable: rows of the table. */
extern int goarena_profile_max;

/* For shared_memory.c. */
extern void ProfileTableRequest(void);
extern Size ProfileTableSize(void);
extern void ProfileTableAttach(void *memory, bool anew);
extern void ProfileTableBegin(int slot);
extern void ProfileTableEnd(void);

/* Is there one? */
extern bool ProfileTableExists(void);

/*
 * Add what changed in this process.  False if another one is at the table; nothing waits
 * here.  Allocates nothing.
 */
extern bool ProfileTablePublish(void);

/* Has the process in a slot something to add? */
extern bool ProfileTableIsBehind(int slot);

/* Pack the table into palloc'd memory. */
extern PackedProfile *ProfileTablePack(void);

/* Forget all rows.  Of what processes have published only what lives comes again. */
extern void ProfileTableReset(void);

typedef struct ProfileTableInfo
{
	int rows;
	int rows_max;
	uint64 dropped; /* sites for which there was no room */
	SiteFigures rest;
	TimestampTz since;
} ProfileTableInfo;

extern void ProfileTableGetInfo(ProfileTableInfo *info);

#endif /* GOARENA_PROFILE_TABLE_H */
