/*-------------------------------------------------------------------------
 *
 * look.c
 *	  Objects with known contents, and what a use of freed memory finds.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "goarena_bugs.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

#define PATTERN_SIZE 16

static const char old_pattern[PATTERN_SIZE + 1] = "the old value.  ";
static const char new_pattern[PATTERN_SIZE + 1] = "somebody else's ";

/* A result that is not constant. */
static char saw[100];

/* GUC */
static int meanwhile_kb = 0;

void
_PG_init(void)
{
	DefineCustomIntVariable(
		"goarena_bugs.meanwhile", "Sets how much is allocated before a pointer is used.", NULL,
		&meanwhile_kb, 0, 0, INT_MAX, PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

static char *
Fill(char *object, Size size, const char *pattern)
{
	for (Size i = 0; i < size; i++)
		object[i] = pattern[i % PATTERN_SIZE];
	return object;
}

MemoryContext
MakeContext(const char *name)
{
	return AllocSetContextCreateInternal(CurrentMemoryContext, name, ALLOCSET_DEFAULT_SIZES);
}

char *
MakeObject(MemoryContext context, Size size)
{
	return Fill(MemoryContextAlloc(context, size), size, old_pattern);
}

char *
MakeOtherObject(MemoryContext context, Size size)
{
	return Fill(MemoryContextAlloc(context, size), size, new_pattern);
}

char *
MakeString(MemoryContext context, Size length)
{
	char *string = MakeObject(context, length + 1);

	string[length] = '\0';
	return string;
}

void
GoOn(void)
{
	static const Size sizes[] = {32, 64, 128, 256, 512, 1024, 2048, 3072};

	/* AllocSet keeps deleted contexts of both kinds for later ones. */
	for (int i = 0; i < 6; i++)
	{
		MemoryContext context = AllocSetContextCreateInternal(
			CurrentMemoryContext, "goarena_bugs next", ALLOCSET_DEFAULT_MINSIZE,
			i % 2 == 0 ? ALLOCSET_DEFAULT_INITSIZE : ALLOCSET_SMALL_INITSIZE,
			i % 2 == 0 ? ALLOCSET_DEFAULT_MAXSIZE : ALLOCSET_SMALL_MAXSIZE);

		for (int j = 0; j < lengthof(sizes); j++)
			(void) MakeOtherObject(context, sizes[j]);
	}
}

void
Meanwhile(void)
{
	const Size size = 2000;
	const int count = 20;

	for (Size done = 0; done < (Size) meanwhile_kb * 1024; done += count * size)
	{
		MemoryContext context =
			AllocSetContextCreate(TopMemoryContext, "goarena_bugs work", ALLOCSET_DEFAULT_SIZES);

		for (int i = 0; i < count; i++)
			(void) MakeOtherObject(context, size);
		MemoryContextDelete(context);
	}
}

PG_FUNCTION_INFO_V1(goarena_bugs_meanwhile);

Datum
goarena_bugs_meanwhile(PG_FUNCTION_ARGS)
{
	Meanwhile();
	PG_RETURN_VOID();
}

void
WarmUpMalloc(void)
{
	void *volatile memory = malloc(5 * LARGE_SIZE);

	/*
	 * glibc raises the size from which it maps memory separately to the size of
	 * what was mapped and freed; see mallopt(3), M_MMAP_THRESHOLD.
	 */
	free(memory);
}

/*
 * IsPieceOf
 *		Are these bytes, at most PATTERN_SIZE, from memory filled with a pattern?
 */
static bool
IsPieceOf(const char *pattern, const void *found, Size size)
{
	const char *bytes = found;

	for (int start = 0; start < PATTERN_SIZE; start++)
	{
		Size i = 0;

		while (i < size && bytes[i] == pattern[(start + i) % PATTERN_SIZE])
			i++;
		if (i == size)
			return true;
	}
	return false;
}

pg_noinline const char *
Look(const volatile void *where)
{
	const volatile char *bytes = where;
	char found[PATTERN_SIZE];
	uint64 word;

	Meanwhile();
	for (int i = 0; i < PATTERN_SIZE; i++)
		found[i] = bytes[i];

	if (IsPieceOf(old_pattern, found, sizeof(found)))
		return "read the old value";
	if (IsPieceOf(new_pattern, found, sizeof(found)))
		return "read somebody else's data";
	memcpy(&word, found, sizeof(word));
	snprintf(saw, sizeof(saw), "read 0x%016llx", (unsigned long long) word);
	return saw;
}

pg_noinline const char *
LookAtInt(const volatile int *where, int old_value)
{
	int found;

	Meanwhile();
	found = *where;
	if (found == old_value)
		return "read the old value";
	if (IsPieceOf(new_pattern, &found, sizeof(found)))
		return "read somebody else's data";
	snprintf(saw, sizeof(saw), "read %d instead of %d", found, old_value);
	return saw;
}
