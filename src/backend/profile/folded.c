/*-------------------------------------------------------------------------
 *
 * folded.c
 *	  See folded.h.
 *
 * Brendan Gregg's flamegraph.pl introduced the format; most tools for flame graphs read
 * it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "backend/profile/folded.h"
#include "backend/profile/names.h"

const char *const profile_value_names[NUM_PROFILE_VALUES] = {
	[VALUE_ALLOC_OBJECTS] = "alloc_objects",
	[VALUE_ALLOC_SPACE] = "alloc_space",
	[VALUE_INUSE_OBJECTS] = "inuse_objects",
	[VALUE_INUSE_SPACE] = "inuse_space",
};

ProfileValue
ProfileValueOf(const char *name)
{
	int value = 0;

	while (value < NUM_PROFILE_VALUES && strcmp(profile_value_names[value], name) != 0)
		value++;
	return (ProfileValue) value;
}

int64
ProfileRowValue(const SiteFigures *figures, ProfileValue value)
{
	switch (value)
	{
		case VALUE_ALLOC_OBJECTS:
			return (int64) rint(figures->objects);
		case VALUE_ALLOC_SPACE:
			return (int64) rint(figures->bytes);
		case VALUE_INUSE_OBJECTS:
			return (int64) rint(figures->live_objects);
		case VALUE_INUSE_SPACE:
			return (int64) rint(figures->live_bytes);
		case NUM_PROFILE_VALUES:
			break;
	}
	return 0;
}

/*
 * folded_append_name
 *		A name must not end the frame or the line.
 */
static void
folded_append_name(StringInfo text, const char *name)
{
	for (; *name != '\0'; name++)
	{
		if (*name == ';')
			appendStringInfoChar(text, ':');
		else if ((unsigned char) *name < ' ')
			appendStringInfoChar(text, ' ');
		else
			appendStringInfoChar(text, *name);
	}
	appendStringInfoChar(text, ';');
}

/*
 * folded_append_contexts
 *		The row has the innermost first.
 */
static void
folded_append_contexts(StringInfo text, const ProfileRow *row)
{
	const char *contexts[PROFILE_NAMES];
	int count = 0;

	for (int at = 0; at < row->names_length; at += (int) strlen(row->names + at) + 1)
		contexts[count++] = row->names + at;
	while (count > 0)
		folded_append_name(text, contexts[--count]);
}

static void
folded_append_row(StringInfo text, NameCache *names, const ProfileRow *row, int64 value)
{
	int first = NamesFirstFrame(names, row);

	folded_append_contexts(text, row);
	for (int i = row->depth - 1; i >= first; i--)
		folded_append_name(text, NamesFind(names, row->frames[i])->function);
	if (row->depth == 0 && row->names_length == 0)
		folded_append_name(text, "dropped");
	text->data[--text->len] = '\0';
	appendStringInfo(text, " " INT64_FORMAT "\n", value);
}

void
FoldedAppend(StringInfo text, const PackedProfile *packed, ProfileValue value)
{
	NameCache *names = NamesBegin(packed);
	ProfileRow rest = {.figures = packed->rest};
	ProfileRow row;
	Size offset = 0;

	while (PackedNext(packed, &offset, &row))
	{
		int64 shown = ProfileRowValue(&row.figures, value);

		CHECK_FOR_INTERRUPTS();
		if (shown > 0)
			folded_append_row(text, names, &row, shown);
	}
	if (ProfileRowValue(&rest.figures, value) > 0)
		folded_append_row(text, names, &rest, ProfileRowValue(&rest.figures, value));
}
