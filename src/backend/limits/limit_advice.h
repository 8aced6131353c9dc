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

/*
 * Warn of each setting of the server that lets a session ask for more than a limit
 * allows; not twice of the same.  Limits are in bytes, SIZE_MAX without one.
 */
extern void LimitAdvise(Size memory, Size session, Size total);

#endif /* GOARENA_LIMIT_ADVICE_H */
