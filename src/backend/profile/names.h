/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Names of the functions in a packed profile.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_NAMES_H
#define GOARENA_NAMES_H

#include "postgres.h"

#include "backend/profile/pack.h"

typedef struct NamedFrame
{
	const char *function; /* else the file, and where in it the function or the address is */
	const char *file;	  /* name of the program or library, without directories */
	uint64 offset;		  /* in the function, or in the file if that has no name */
	bool named;
	uint64 start; /* of the function in the file, or the address if that is not known */
} NamedFrame;

/* Names that were looked up, in the memory context that is current when it is made. */
typedef struct NameCache NameCache;

extern NameCache *NamesBegin(const PackedProfile *packed);

/* What a return address belongs to; lives as long as the cache. */
extern const NamedFrame *NamesFind(NameCache *names, ModuleOffset address);

/*
 * The number of the first frame of a row that is not a function of the server which only
 * allocates for its caller, such as palloc.  The row's depth if there is none.
 */
extern int NamesFirstFrame(NameCache *names, const ProfileRow *row);

#endif /* GOARENA_NAMES_H */
