/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Which servers goarena supports, and what differs between them.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_COMPAT_H
#define GOARENA_COMPAT_H

#include "postgres.h"

#ifndef GOARENA_UNTESTED_MAJOR
#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000 || PG_VERSION_NUM / 10000 == 16
#error "goarena is tested with PostgreSQL 15, 17, 18 and 19 only"
#endif
#endif

/*
 * 16 has the chunk headers of its successors but only three bits for the
 * method id, and no id that ordinary memory does not resemble.
 */
#if PG_VERSION_NUM / 10000 == 16
#error "PostgreSQL 16 has no method id to spare for goarena"
#endif

/*
 * Up to 15 the context's address stands before each chunk; since then a method
 * id is in the low bits of the header.  See chunk_format.h.  The engine has
 * this from the Makefile, since it includes no header of the server.
 */
#if GA_OWNER_WORD != (PG_VERSION_NUM < 160000)
#error "GA_OWNER_WORD is not what the server wants"
#endif

/*
 * On 15 methods get the context, and later ones flags and find the context
 * themselves.  See chunk_format.h.
 */
#if GA_OWNER_WORD
#define FLAGS_PARAMETER
#define FLAGS_ARGUMENT
#define FLAGS_NO_OOM
#define CONTEXT_PARAMETER MemoryContext context,
#define CONTEXT_ARGUMENT  context,
#else
#define FLAGS_PARAMETER , int flags
#define FLAGS_ARGUMENT	, flags
#define FLAGS_NO_OOM	, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE
#define CONTEXT_PARAMETER
#define CONTEXT_ARGUMENT
#endif

/* Memory for what a check hook hands on; NULL if there is none. */
#if PG_VERSION_NUM < 160000
#define GucAlloc(size) malloc(size)
#define GucFree(ptr)   free(ptr)
#else
#define GucAlloc(size) guc_malloc(LOG, size)
#define GucFree(ptr)   guc_free(ptr)
#endif

#endif /* GOARENA_COMPAT_H */
