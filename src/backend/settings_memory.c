/*-------------------------------------------------------------------------
 *
 * settings_memory.c
 *	  What the values of settings take that are not in memory contexts.
 *
 * Anybody can give a setting with a prefix of their own a value of a gigabyte.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc_tables.h"

#include "backend/settings_memory.h"

#if PG_VERSION_NUM < 160000

static Size
TextSize(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

/*
 * StackedSize
 *		Values that come back when transactions and functions end.
 */
static Size
StackedSize(const struct config_string *setting)
{
	Size size = 0;

	for (const GucStack *stack = setting->gen.stack; stack != NULL; stack = stack->prev)
	{
		if (stack->prior.val.stringval != *setting->variable &&
			stack->prior.val.stringval != setting->reset_val)
			size += TextSize(stack->prior.val.stringval);
		if (stack->state == GUC_SET_LOCAL && stack->masked.val.stringval != setting->reset_val)
			size += TextSize(stack->masked.val.stringval);
	}
	return size;
}

Size
SettingsMemory(void)
{
	struct config_generic **settings = get_guc_variables();
	int count = GetNumConfigOptions();
	Size size = 0;

	for (int i = 0; i < count; i++)
	{
		const struct config_string *setting = (const struct config_string *) settings[i];

		if (settings[i]->vartype != PGC_STRING)
			continue;
		size += TextSize(*setting->variable) + TextSize(settings[i]->last_reported);
		if (setting->reset_val != *setting->variable)
			size += TextSize(setting->reset_val);
		size += StackedSize(setting);
	}
	return size;
}

#else

Size
SettingsMemory(void)
{
	return 0;
}

#endif
