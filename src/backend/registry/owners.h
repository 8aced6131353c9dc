/*-------------------------------------------------------------------------
 *
 * owners.h
 *	  What the processes of each user hold together, and those of each database.
 *
 * A process belongs to the user who logged in, whatever role is set later, and to
 * the database that it is connected to.  Parallel workers belong to those of their
 * leader.  Processes of the server have no user, and some have no database.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_OWNERS_H
#define GOARENA_OWNERS_H

#include "postgres.h"

typedef enum OwnerKind
{
	OWNER_USER,
	OWNER_DATABASE,
	NUM_OWNER_KINDS
} OwnerKind;

/* The sum over the processes of one owner. */
typedef struct OwnerSum
{
	OwnerKind kind;
	Oid id;
	int processes;
	uint64 held; /* bytes, as published */
} OwnerSum;

/* For shared_memory.c. */
extern Size OwnersSize(void);
extern void OwnersAttach(void *memory, bool anew);

/*
 * To be called when this process has published what it holds, in bytes.  Only while it has a slot.
 */
extern void OwnersCount(uint64 held);

/* To be called when it gives up its slot. */
extern void OwnersLeave(void);

/* The sum of the user or the database of this process; 0 if it has none. */
extern uint64 OwnersHeld(OwnerKind kind);

/* All owners, by number from 0 to OwnersCapacity() - 1; false if there is none of that number. */
extern int OwnersCapacity(void);
extern bool OwnersRead(int number, OwnerSum *sum);

#endif /* GOARENA_OWNERS_H */
