/*-------------------------------------------------------------------------
 *
 * refusal.h
 *	  Memory that could not be had, and why.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_REFUSAL_H
#define GOARENA_REFUSAL_H

#include "postgres.h"

#include "nodes/memnodes.h"

#include "mcxt/hot.h"

/* Which limit would be crossed. */
typedef enum Crossed
{
	NO_LIMIT_CROSSED,
	OWN_LIMIT,
	SESSION_LIMIT,	/* of a session with its parallel workers */
	USER_LIMIT,		/* of all processes of a user */
	DATABASE_LIMIT, /* of all that are connected to a database */
	TOTAL_LIMIT
} Crossed;

/* What could not be allocated or made larger the last time. */
typedef struct Refusal
{
	MemoryContext context;
	Size size;		 /* of the object */
	Crossed crossed; /* the limit that refused it; none if the system did, or nothing was refused */
	Size limit;		 /* and its value, in bytes, and what was held then */
	Size held;
} Refusal;

HOT_EXTERN Refusal refusal;

#endif /* GOARENA_REFUSAL_H */
