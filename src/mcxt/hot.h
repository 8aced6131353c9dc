/*-------------------------------------------------------------------------
 *
 * hot.h
 *	  What each transaction runs through, side by side.
 *
 * A simple statement runs through more code and data than the processor's first caches hold.  So what
 * goarena does at each beginning and end of a context and of a transaction finds its lines gone, and
 * costs misses rather than instructions.  Variables marked HOT_DATA lie in a section of their own, and
 * functions marked pg_attribute_hot beside each other, and share a few lines and pages.  Those that other
 * files use are declared with HOT_EXTERN, which spares code the look into the table of global offsets.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_HOT_H
#define GOARENA_HOT_H

#define HOT_DATA   __attribute__((section("goarena_hot")))
#define HOT_EXTERN extern __attribute__((visibility("hidden")))

#endif /* GOARENA_HOT_H */
