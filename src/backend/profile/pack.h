/*-------------------------------------------------------------------------
 *
 * pack.h
 *	  A heap profile in one piece of memory, which another process can read.
 *
 * It has a row for each site, and the modules that the addresses in rows belong to.  Everything
 * that shows a profile reads this, whether the profile is of this process, of another one, or of
 * the server.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PACK_H
#define GOARENA_PACK_H

#include "postgres.h"

#include "backend/profile/modules.h"
#include "backend/profile/sites.h"

/* Names of a context and its parents take no more than this, with a NUL each. */
#define PROFILE_NAMES 256

typedef struct ProfileRow
{
	SiteFigures figures;
	int64 query_id; /* 0: none */
	Oid database;
	Oid role;
	int depth;
	const ModuleOffset *frames; /* return addresses, the innermost first */
	int names_length;
	const char *names; /* the context's first, each ends with a NUL */
} ProfileRow;

/* The head of a packed profile. */
typedef struct PackedProfile
{
	Size size; /* of the memory */
	Size used; /* by rows and head */
	int rows;
	int modules;	  /* they stand at the end of the memory */
	uint64 left_out;  /* rows for which there was no room */
	SiteFigures rest; /* of these */
	uint64 lost;	  /* samples that are in no row, since there was no memory */
	int64 rate;		  /* of the process that packed it; bytes */
} PackedProfile;

/* Begin a profile without rows, in size bytes of aligned memory that have room for all modules. */
extern PackedProfile *PackBegin(void *memory, Size size);

/* Add a row, or if there is no room for it, add it to the rest. */
extern void PackRow(PackedProfile *packed, const ProfileRow *row);

/* Add the next module; those that rows name, in order. */
extern void PackModule(PackedProfile *packed, const Module *module);

/* The memory that a row of this depth takes at most, and the head with all modules. */
extern Size PackRowSize(int depth, int names_length);
extern Size PackHeadSize(void);

/*
 * Pack the profile of this process, most live bytes first.  Allocates nothing.  Sizes
 * below are enough for all rows.
 */
extern void PackOwn(void *memory, Size size);
extern Size PackOwnSize(void);

/* The row behind an offset, which begins at 0; false at the end. */
extern bool PackedNext(const PackedProfile *packed, Size *offset, ProfileRow *row);

/* A module by its number, or NULL. */
extern const Module *PackedModule(const PackedProfile *packed, int number);

/* Write the names of a site one behind the other; returns their length. */
extern int PackNames(char *names, const char *const *site_names);

#endif /* GOARENA_PACK_H */
