/*-------------------------------------------------------------------------
 *
 * folded.h
 *	  A heap profile as collapsed stacks, from which flame graphs are made.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FOLDED_H
#define GOARENA_FOLDED_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "backend/profile/pack.h"

/* What a profile can be drawn by; the names are those of the pprof tool. */
typedef enum ProfileValue
{
	VALUE_ALLOC_OBJECTS,
	VALUE_ALLOC_SPACE,
	VALUE_INUSE_OBJECTS,
	VALUE_INUSE_SPACE,
	NUM_PROFILE_VALUES
} ProfileValue;

extern const char *const profile_value_names[NUM_PROFILE_VALUES];

/* The number of a name, or NUM_PROFILE_VALUES. */
extern ProfileValue ProfileValueOf(const char *name);

/* One of the values of a row, rounded. */
extern int64 ProfileRowValue(const SiteFigures *figures, ProfileValue value);

/*
 * Append a line for each row of which the value is not 0: contexts and then functions,
 * the outermost of each first, with semicolons between them; a space; and the value.
 */
extern void FoldedAppend(StringInfo text, const PackedProfile *packed, ProfileValue value);

#endif /* GOARENA_FOLDED_H */
