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
 * Say what is known of any address, of memory that can be read or not.  Fills in the
 * first size bytes of the result, which callers of other versions may know as shorter
 * or longer.
 */
extern void PointerDescribe(const void *pointer, GoarenaPointer *result, Size size);

#endif /* GOARENA_POINTER_H */
