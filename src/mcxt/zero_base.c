/*-------------------------------------------------------------------------
 *
 * zero_base.c
 *	  See zero_base.h.
 *
 * When a pointer is freed, the server finds the methods for that by the word before it.  So there
 * is such a word here.  On PostgreSQL 15 it is the address of a context that has nothing but
 * methods; later it is the tag of arenas, whose methods know the address.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/memnodes.h"

#include "engine/config.h"
#include "mcxt/zero_base.h"

/* As before any object. */
static struct
{
	uint64 header;
	uint64 dispatch;
	uint64 nothing;
} zero_base;

/*
 * The context that it belongs to: servers with assertions look at that of a pointer that is
 * repalloc'd.
 */
static MemoryContextData zero_context = {
	.type = T_AllocSetContext,
	.allowInCritSection = true,
	.name = "goarena zero base",
};

void
ZeroBaseRefuse(void)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("an object without bytes cannot change its size"),
					errhint("Use GoarenaResizeArray, or allocate another one.")));
}

#if GA_OWNER_WORD

static void
zero_free(MemoryContext context, void *pointer)
{
}

static void *
zero_realloc(MemoryContext context, void *pointer, Size size)
{
	ZeroBaseRefuse();
}

static Size
zero_space(MemoryContext context, void *pointer)
{
	return 0;
}

static const MemoryContextMethods zero_methods = {
	.free_p = zero_free,
	.realloc = zero_realloc,
	.get_chunk_space = zero_space,
};

void
ZeroBaseStart(unsigned tag)
{
	zero_context.methods = &zero_methods;
	zero_base.dispatch = (uint64) (uintptr_t) &zero_context;
}

#else

void
ZeroBaseStart(unsigned tag)
{
	zero_base.dispatch = tag;
}

#endif

void *
ZeroBase(void)
{
	return &zero_base.nothing;
}

MemoryContext
ZeroBaseContext(void)
{
	return &zero_context;
}
