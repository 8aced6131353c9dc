/*-------------------------------------------------------------------------
 *
 * malloced.c
 *	  What the server itself gets from malloc, outside of memory contexts.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/guc_tables.h"

#include "backend/usage/malloced.h"

#if PG_VERSION_NUM < 160000

static Size
malloced_text(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

/*
 * malloced_stacked
 *		Values that come back when transactions and functions end.
 */
static Size
malloced_stacked(const struct config_string *setting)
{
	Size size = 0;

	for (const GucStack *stack = setting->gen.stack; stack != NULL; stack = stack->prev)
	{
		if (stack->prior.val.stringval != *setting->variable &&
			stack->prior.val.stringval != setting->reset_val)
			size += malloced_text(stack->prior.val.stringval);
		if (stack->state == GUC_SET_LOCAL && stack->masked.val.stringval != setting->reset_val)
			size += malloced_text(stack->masked.val.stringval);
	}
	return size;
}

/*
 * malloced_settings
 *		All texts that settings have as values.  From 16 on they are in a context.
 */
static Size
malloced_settings(void)
{
	struct config_generic **settings = get_guc_variables();
	int count = GetNumConfigOptions();
	Size size = 0;

	for (int i = 0; i < count; i++)
	{
		const struct config_string *setting = (const struct config_string *) settings[i];

		if (settings[i]->vartype != PGC_STRING)
			continue;
		size += malloced_text(*setting->variable) + malloced_text(settings[i]->last_reported);
		if (setting->reset_val != *setting->variable)
			size += malloced_text(setting->reset_val);
		size += malloced_stacked(setting);
	}
	return size;
}

#else

static Size
malloced_settings(void)
{
	return 0;
}

#endif

/*
 * malloced_local_buffers
 *		Descriptors of the buffers of temporary tables.  Their pages are in a context.
 *		NLocBuffer is set when all of them are there.
 */
static Size
malloced_local_buffers(void)
{
	int count = NLocBuffer;

	if (count == 0 && LocalBufferDescriptors != NULL)
		count = num_temp_buffers;
	return (Size) count * (sizeof(BufferDesc) + sizeof(Block) + sizeof(int32));
}

Size
MallocedBytes(void)
{
	return malloced_settings() + malloced_local_buffers();
}

void
MallocedTrim(void)
{
#ifdef __GLIBC__
	(void) malloc_trim(0);
#endif
}
