/*-------------------------------------------------------------------------
 *
 * statement_hooks.h
 *	  Who wants the hooks of planner and executor.
 *
 * They would cost each statement something, and by default nobody wants to know of
 * statements.  So they are installed when a setting first asks for them, on top of
 * those that are there by then.  They stay: another library may have come to
 * call ours.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_STATEMENT_HOOKS_H
#define GOARENA_STATEMENT_HOOKS_H

#include "postgres.h"

/* A setting takes effect for which statements must be seen; for assign hooks. */
extern void StatementHooksWant(void);

/*
 * Once, from _PG_init: call install each time that a setting asks for hooks, and now
 * if one has asked already.
 */
extern void StatementHooksInit(void (*install)(void));

#endif /* GOARENA_STATEMENT_HOOKS_H */
