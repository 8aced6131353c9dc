/*-------------------------------------------------------------------------
 *
 * clone.h
 *	  Copies of objects out of arenas.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_CLONE_H
#define GOARENA_CLONE_H

#include "postgres.h"

/*
 * Copy the object of an arena that a pointer points into to any context, and return what points
 * into the copy.  A deep copy has copies, too, of what it points to, and so on:
 *
 *	- of objects of any arena whose type is known, and of memory without pointers;
 *	- of objects without a type that lie in the arena of the first one, if it is their
 *	  beginning that is pointed to; whatever they hold stays as it is;
 *	- each once, so that cycles and shared parts are what they were.
 *
 * All else is not copied, and pointers to it stay as they are; so does pointer itself.  Copies have
 * their type if the context is an arena.  Raises ERRCODE_OUT_OF_MEMORY, and what
 * interrupts raise; copies made by then are freed as far as they can be.
 *
 * A deep copy takes time in proportion to what it copies, and while it lasts 32 bytes or so for each object.
 */
extern void *Clone(MemoryContext context, void *pointer, bool deep);

#endif /* GOARENA_CLONE_H */
