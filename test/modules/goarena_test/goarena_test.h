/*-------------------------------------------------------------------------
 *
 * goarena_test.h
 *	  What the parts of this module share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_TEST_H
#define GOARENA_TEST_H

#include "postgres.h"

#include "goarena.h"

/* The context of test_create(), or an error if there is none. */
extern MemoryContext TestContext(void);

/* Overwrite what earlier calls left on the stack. */
extern void ScrubStack(void);

#endif /* GOARENA_TEST_H */
