/*-------------------------------------------------------------------------
 *
 * executor_hooks.h
 *	  What is done when the executor or a utility command runs a statement.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_EXECUTOR_HOOKS_H
#define GOARENA_EXECUTOR_HOOKS_H

/* Install the hooks, or have them installed when a setting asks; once, from _PG_init. */
extern void ExecutorHooksInit(void);

#endif /* GOARENA_EXECUTOR_HOOKS_H */
