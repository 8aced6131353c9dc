/*-------------------------------------------------------------------------
 *
 * crossed.h
 *	  Which limit would be crossed.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CROSSED_H
#define GOARENA_CROSSED_H

typedef enum Crossed
{
	NO_LIMIT_CROSSED,
	OWN_LIMIT,
	SESSION_LIMIT, /* of a session with its parallel workers */
	TOTAL_LIMIT
} Crossed;

#endif /* GOARENA_CROSSED_H */
