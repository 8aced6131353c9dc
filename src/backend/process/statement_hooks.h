/*-------------------------------------------------------------------------
 *
 * statement_hooks.h
 *	  When the hooks of planner and executor are installed.
 *
 * These hooks cost each statement something, and by default no setting needs them.  So they are
 * installed when a setting first asks for them, on top of the hooks that are there by then.  Then
 * they stay, since another library may call ours from its own.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STATEMENT_HOOKS_H
#define GOARENA_STATEMENT_HOOKS_H

#include "postgres.h"

/* For assign hooks: a setting takes effect that needs the hooks. */
extern void StatementHooksWant(void);

/*
 * Once, from _PG_init: call install each time that a setting asks for hooks, and now
 * if one has asked already.
 */
extern void StatementHooksInit(void (*install)(void));

#endif /* GOARENA_STATEMENT_HOOKS_H */
