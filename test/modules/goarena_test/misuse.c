/*-------------------------------------------------------------------------
 *
 * misuse.c
 *	  What no correct program does with memory.
 *
 * A sweep takes every word that looks like a pointer for one.  For a test to
 * say what pins a chunk, no copy of an address may stay behind on the stack:
 * functions that handle one overwrite what lies below them before they return.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_keep);
PG_FUNCTION_INFO_V1(test_keeper);
PG_FUNCTION_INFO_V1(test_clear);
PG_FUNCTION_INFO_V1(test_read_kept);
PG_FUNCTION_INFO_V1(test_write_kept);
PG_FUNCTION_INFO_V1(test_free_kept);
PG_FUNCTION_INFO_V1(test_grow_kept);
PG_FUNCTION_INFO_V1(test_free_wrong);
PG_FUNCTION_INFO_V1(test_realloc_wrong);

static char *volatile kept = NULL;

pg_noinline void
ScrubStack(void)
{
	volatile char scrub[16 * 1024];

	for (int i = 0; i < lengthof(scrub); i++)
		scrub[i] = 0;
}

static char *
Kept(void)
{
	if (kept == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no pointer is kept"), errhint("Call test_keep().")));
	return kept;
}

/*
 * AddressText
 *		As goarena_chunks() shows addresses.
 */
static text *
AddressText(const volatile void *address)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "0x%012lx", (unsigned long) (uintptr_t) address);
	return cstring_to_text(digits);
}

static pg_noinline void
Keep(Size size)
{
	kept = MemoryContextAllocHuge(TestContext(), size);
	memset(kept, 'k', size);
}

Datum
test_keep(PG_FUNCTION_ARGS)
{
	text *result;

	Keep((Size) PG_GETARG_INT32(0));
	result = AddressText(kept);
	ScrubStack();
	PG_RETURN_TEXT_P(result);
}

Datum
test_keeper(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(AddressText(&kept));
}

Datum
test_clear(PG_FUNCTION_ARGS)
{
	kept = NULL;
	ScrubStack();
	PG_RETURN_VOID();
}

Datum
test_read_kept(PG_FUNCTION_ARGS)
{
	char first[2] = {*Kept(), '\0'};

	ScrubStack();
	PG_RETURN_TEXT_P(cstring_to_text(first));
}

Datum
test_write_kept(PG_FUNCTION_ARGS)
{
	memcpy(Kept() + 64, "written after free", 18);
	ScrubStack();
	PG_RETURN_VOID();
}

Datum
test_free_kept(PG_FUNCTION_ARGS)
{
	pfree(Kept());
	ScrubStack();
	PG_RETURN_VOID();
}

/*
 * test_grow_kept(size integer) returns void
 *		The new object is not kept; the pointer goes on to point to the old one.
 */
Datum
test_grow_kept(PG_FUNCTION_ARGS)
{
	char *grown = repalloc_huge(Kept(), (Size) PG_GETARG_INT32(0));

	*grown = 'g';
	ScrubStack();
	PG_RETURN_VOID();
}

/*
 * Disguise
 *		Let memory look as if it were an object of the context that a true object
 *		belongs to: pfree() looks at the word before it.
 */
static void *
Disguise(void *memory, const void *object)
{
	uint64 *words = memory;

	words[0] = 0;
#if PG_VERSION_NUM >= 160000
	words[1] = ((const uint64 *) object)[-1] & 0xf; /* the method id */
#else
	words[1] = ((const uint64 *) object)[-1]; /* the context */
#endif
	return &words[2];
}

/*
 * WrongPointer
 *		A pointer that claims to belong to the test context and must not be freed.
 */
static void *
WrongPointer(const char *what)
{
	static char elsewhere[256] pg_attribute_aligned(16);
	MemoryContext context = TestContext();
	char *object = MemoryContextAllocZero(context, 200);

	/* The object allocated last is freed in another way. */
	(void) MemoryContextAllocZero(context, 200);

	if (strcmp(what, "twice") == 0)
		pfree(object);
	else if (strcmp(what, "interior") == 0)
		return Disguise(object + 64, object);
	else if (strcmp(what, "foreign") == 0)
		return Disguise(elsewhere, object);
	else if (strcmp(what, "other") == 0)
	{
		MemoryContext other = GoarenaContextCreate(CurrentMemoryContext, "goarena other");

		return Disguise(MemoryContextAllocZero(other, 200), object);
	}
	else
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no such mistake: \"%s\"", what)));
	return object;
}

Datum
test_free_wrong(PG_FUNCTION_ARGS)
{
	pfree(WrongPointer(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_VOID();
}

Datum
test_realloc_wrong(PG_FUNCTION_ARGS)
{
	void *object = repalloc(WrongPointer(text_to_cstring(PG_GETARG_TEXT_PP(0))), 400);

	pfree(object);
	PG_RETURN_VOID();
}
