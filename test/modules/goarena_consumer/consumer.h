/*-------------------------------------------------------------------------
 *
 * consumer.h
 *	  What the files of goarena_consumer share.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CONSUMER_H
#define GOARENA_CONSUMER_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "goarena.h"

/* Return what is wrong from the function, unless the condition holds. */
#define EXPECT(condition)                                                                          \
	do                                                                                             \
	{                                                                                              \
		if (!(condition))                                                                          \
			PG_RETURN_TEXT_P(cstring_to_text(psprintf("line %d: %s", __LINE__, #condition)));      \
	} while (0)

#define OK() PG_RETURN_TEXT_P(cstring_to_text("ok"))

#endif /* GOARENA_CONSUMER_H */
