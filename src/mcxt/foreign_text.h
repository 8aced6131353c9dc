/*-------------------------------------------------------------------------
 *
 * foreign_text.h
 *	  Reading texts that belong to others and may be gone.
 *
 * The names of memory contexts are to be constants, and their identifiers are to live
 * as long as they do, but nothing sees to it: the server reads them only when a user
 * asks for statistics.  So what is wrong with them must not show before that, and in
 * what goarena says there must be no bytes of whatever lies there now.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_FOREIGN_TEXT_H
#define GOARENA_FOREIGN_TEXT_H

#include "postgres.h"

/* Stands for a name that cannot be read. */
#define UNREADABLE_NAME "unreadable"

/* Names are cut off here, as other names in the server are. */
#define CONTEXT_NAME_LENGTH NAMEDATALEN

/*
 * Are these bytes, up to the end of the string or the limit, text in the encoding of
 * the database, or in UTF-8 if that is SQL_ASCII?  They must be readable.
 * Async-signal-safe.
 */
extern bool ForeignTextIsText(const char *text, size_t limit);

/*
 * Copy a text into size bytes, cut off at a character.  False, with nothing copied, if
 * there is none, if it cannot be read, or if it is no text.  Async-signal-safe.
 */
extern bool ForeignTextCopy(char *to, const char *from, size_t size);

/*
 * Copy size bytes or up to the end of a text, as they are: empty if there is none, or it cannot
 * be read.  Whoever wants to use what was copied does that with ForeignTextCopy().
 */
extern void ForeignTextKeep(char *to, const char *from, size_t size);

/* ForeignTextCopy() for a name: UNREADABLE_NAME instead of nothing. */
extern const char *ForeignNameCopy(char *to, const char *from, size_t size);

/*
 * A name that stays what it is as long as this process lives: itself if it is a constant
 * of the program or of a library, else a copy, of which equal ones are one.
 */
extern const char *ForeignNameKeep(const char *name);

/* Is it a constant of the program or of a library that is loaded? */
extern bool ForeignTextIsConstant(const char *text);

#endif /* GOARENA_FOREIGN_TEXT_H */
