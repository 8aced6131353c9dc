/*-------------------------------------------------------------------------
 *
 * pointer.h
 *	  What a pointer points to.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_POINTER_H
#define GOARENA_POINTER_H

#include "postgres.h"

#include "goarena.h"

/*
 * Find out what is known of an address.  Any address may be asked for, readable or not.  Fills the
 * first size bytes of *result, since callers that were built with another version may know a
 * shorter or longer struct.
 */
extern void PointerDescribe(const void *pointer, GoarenaPointer *result, Size size);

#endif /* GOARENA_POINTER_H */
