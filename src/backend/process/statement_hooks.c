/*-------------------------------------------------------------------------
 *
 * statement_hooks.c
 *	  When the hooks of planner and executor are installed.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "backend/process/statement_hooks.h"

static bool wanted = false;
static void (*install_hooks)(void) = NULL; /* NULL as long as goarena is not in force */

void
StatementHooksWant(void)
{
	wanted = true;
	if (install_hooks != NULL)
		install_hooks();
}

void
StatementHooksInit(void (*install)(void))
{
	install_hooks = install;
	if (wanted)
		install_hooks();
}
