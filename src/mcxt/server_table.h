/*-------------------------------------------------------------------------
 *
 * server_table.h
 *	  Changing a constant table of the server.
 *
 * The server's method tables are constant data, which the loader makes read-only after relocation.
 * Everything that goarena writes there goes through this file.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_SERVER_TABLE_H
#define GOARENA_SERVER_TABLE_H

#include "postgres.h"

/* Does the address belong to the program that palloc belongs to? */
extern bool ServerOwns(const void *address);

/*
 * Store size bytes at an address in the server's data: give write access to
 * their pages, store, take it back.
 *
 * Returns NULL, or, with nothing stored, why it cannot be done (a sentence for
 * errdetail).  If the protection cannot be restored, that is a WARNING.
 */
extern const char *ServerTableStore(void *at, const void *bytes, Size size);

#endif /* GOARENA_SERVER_TABLE_H */
