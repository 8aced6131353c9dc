/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Which servers goarena supports, and what differs between them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_COMPAT_H
#define GOARENA_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 160000
#error "goarena is tested with PostgreSQL 15 only"
#endif

/* The owner's address stands before each chunk (16 and later: a method id). */
#define GA_OWNER_WORD 1

#endif /* GOARENA_COMPAT_H */
