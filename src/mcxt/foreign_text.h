/*-------------------------------------------------------------------------
 *
 * foreign_text.h
 *	  Reading texts that belong to other code and may be gone.
 *
 * The names of memory contexts should be constants, and their identifiers should live as long as
 * the context.  But nothing enforces that, and the server reads them only when a user asks for
 * statistics. goarena reads them more often.  So a name that is gone must do no harm here, and what
 * goarena shows must not contain bytes of whatever lies there now.
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
 * Return a name that stays what it is as long as this process lives: the name itself if it is a
 * constant of the program or of a library, else a copy.  Equal names share one copy.
 */
extern const char *ForeignNameKeep(const char *name);

/* Is a text a constant of the program or of a library that is loaded? */
extern bool ForeignTextIsConstant(const char *text);

#endif /* GOARENA_FOREIGN_TEXT_H */
