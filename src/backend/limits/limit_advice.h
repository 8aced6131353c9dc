/*-------------------------------------------------------------------------
 *
 * limit_advice.h
 *	  Settings of the server that contradict limits.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_LIMIT_ADVICE_H
#define GOARENA_LIMIT_ADVICE_H

#include "postgres.h"

/* What is set for the server, in bytes; SIZE_MAX without a limit. */
typedef struct ServerLimits
{
	Size memory;
	Size session;
	Size user;
	Size database;
	Size total;
} ServerLimits;

/*
 * Log a warning for each setting of the server that lets a session ask for more than a limit
 * allows.  Does not repeat a warning while the values are the same.
 */
extern void LimitAdvise(const ServerLimits *limits);

#endif /* GOARENA_LIMIT_ADVICE_H */
