/*-------------------------------------------------------------------------
 *
 * names.c
 *	  The names of the user and the database of this process, for messages that
 *	  come when they cannot be looked up.
 *
 * Reports of faults are written in signal handlers, and a limit can refuse memory in the
 * midst of a look into a catalog.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/lsyscache.h" /* get_database_name(), from 19 on */

#include "backend/process/names.h"

char process_user_name[NAMEDATALEN];
char process_database_name[NAMEDATALEN];

/*
 * ProcessLearnNames
 *		Called before the first commit of a process, which is that of the transaction it
 *		starts with.
 */
void
ProcessLearnNames(void)
{
	static bool known = false;
	char *name;

	if (known || !OidIsValid(MyDatabaseId))
		return;
	known = true;
	name = get_database_name(MyDatabaseId);
	if (name != NULL)
		strlcpy(process_database_name, name, sizeof(process_database_name));
	if (OidIsValid(GetSessionUserId()))
	{
		name = GetUserNameFromId(GetSessionUserId(), true);
		if (name != NULL)
			strlcpy(process_user_name, name, sizeof(process_user_name));
	}
}
