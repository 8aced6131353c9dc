/*-------------------------------------------------------------------------
 *
 * names.h
 *	  The names of the user and the database of this process, for messages that
 *	  come when they cannot be looked up.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_NAMES_H
#define GOARENA_NAMES_H

/* Of the user who logged in and of the database; "" if they are not known or there are none. */
extern char process_user_name[];
extern char process_database_name[];

/* Remember them, once; in a transaction. */
extern void ProcessLearnNames(void);

#endif /* GOARENA_NAMES_H */
