/*-------------------------------------------------------------------------
 *
 * pprof.h
 *	  A heap profile in the format of the pprof tool.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_PPROF_H
#define GOARENA_PPROF_H

#include "postgres.h"

#include "backend/profile/pack.h"

/*
 * The profile as gzipped profile.proto, palloc'd.  Raises ERRCODE_PROGRAM_LIMIT_EXCEEDED if
 * it takes more than a value can have.
 */
extern bytea *PprofMake(const PackedProfile *packed);

#endif /* GOARENA_PPROF_H */
