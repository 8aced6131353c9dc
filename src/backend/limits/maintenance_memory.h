/*-------------------------------------------------------------------------
 *
 * maintenance_memory.h
 *	  maintenance_work_mem where a limit leaves less than that.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_MAINTENANCE_MEMORY_H
#define GOARENA_MAINTENANCE_MEMORY_H

#include "postgres.h"

#include "nodes/parsenodes.h"

/*
 * How much of maintenance_work_mem a utility statement may use, in kB: all of it, or half of what
 * limits leave.
 */
extern int MaintenanceMemoryAllowed(Node *statement);

/* Set maintenance_work_mem to kb while a command runs.  Returns what it was. */
extern int MaintenanceMemoryLower(int kb);

/* The command has ended: set it back, unless something else has set it. */
extern void MaintenanceMemoryRestore(int lowered_kb, int kb);

#endif /* GOARENA_MAINTENANCE_MEMORY_H */
