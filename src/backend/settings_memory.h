/*-------------------------------------------------------------------------
 *
 * settings_memory.h
 *	  What the values of settings take that are not in memory contexts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SETTINGS_MEMORY_H
#define GOARENA_SETTINGS_MEMORY_H

#include "postgres.h"

/*
 * Bytes of all texts that settings have as values.  From 16 on they are in a
 * context, and this is 0.  Allocates nothing.
 */
extern Size SettingsMemory(void);

#endif /* GOARENA_SETTINGS_MEMORY_H */
