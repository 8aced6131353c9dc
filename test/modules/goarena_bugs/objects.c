/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Objects that were freed one by one, in contexts that live on.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "goarena_bugs.h"

PG_FUNCTION_INFO_V1(bug_large_read);
PG_FUNCTION_INFO_V1(bug_large_write);
PG_FUNCTION_INFO_V1(bug_large_interior);
PG_FUNCTION_INFO_V1(bug_large_stringinfo);
PG_FUNCTION_INFO_V1(bug_large_double_pfree);
PG_FUNCTION_INFO_V1(bug_small_stringinfo);
PG_FUNCTION_INFO_V1(bug_small_follow);
PG_FUNCTION_INFO_V1(bug_small_follow_late);
PG_FUNCTION_INFO_V1(bug_small_callback);
PG_FUNCTION_INFO_V1(bug_small_list);
PG_FUNCTION_INFO_V1(bug_small_write);
PG_FUNCTION_INFO_V1(bug_list_cell);
PG_FUNCTION_INFO_V1(bug_overrun);
PG_FUNCTION_INFO_V1(bug_double_pfree);
PG_FUNCTION_INFO_V1(bug_pfree_interior);
PG_FUNCTION_INFO_V1(bug_pfree_foreign);

static pg_noinline void
FreeImage(char *image)
{
	pfree(image);
}

/*
 * bug_large_read() returns text
 *		A large object is read after pfree().
 */
Datum
bug_large_read(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs images");
	char *image;

	WarmUpMalloc();
	image = MakeObject(context, LARGE_SIZE);
	FreeImage(image);
	PG_RETURN_TEXT_P(cstring_to_text(Look(image + 1024)));
}

/*
 * bug_large_write() returns text
 *		A large object is written to after pfree().
 */
Datum
bug_large_write(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs images");
	char *image;

	WarmUpMalloc();
	image = MakeObject(context, LARGE_SIZE);
	FreeImage(image);
	Meanwhile();
	((volatile char *) image)[LARGE_SIZE / 2] = 'w';
	PG_RETURN_TEXT_P(cstring_to_text("overwrote free memory"));
}

/*
 * bug_large_interior() returns text
 *		A pointer into the middle of a large object outlives it.
 */
Datum
bug_large_interior(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs images");
	char *image;
	const char *line;

	WarmUpMalloc();
	image = MakeObject(context, LARGE_SIZE);
	line = image + LARGE_SIZE / 4 * 3;
	FreeImage(image);
	PG_RETURN_TEXT_P(cstring_to_text(Look(line)));
}

static pg_noinline void
AppendMore(StringInfo buffer, int more)
{
	enlargeStringInfo(buffer, more);
	memset(buffer->data + buffer->len, 'm', more);
	buffer->len += more;
}

/*
 * ReadBehindGrowth
 *		A pointer to the data of a buffer is used after the buffer grew.
 */
static const char *
ReadBehindGrowth(MemoryContext context, int length)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	StringInfoData buffer;
	const char *start;

	initStringInfo(&buffer);
	enlargeStringInfo(&buffer, length);
	start = buffer.data;
	appendBinaryStringInfo(&buffer, MakeObject(context, length), length);
	AppendMore(&buffer, length);
	MemoryContextSwitchTo(caller);
	return Look(start + 16);
}

/*
 * bug_large_stringinfo() returns text
 *		A pointer into a StringInfo is used after repalloc() moved a large buffer.
 *
 * Hornetlabs/synchdb#252 has such a use of a StringInfo after it was freed.
 */
Datum
bug_large_stringinfo(PG_FUNCTION_ARGS)
{
	WarmUpMalloc();
	PG_RETURN_TEXT_P(
		cstring_to_text(ReadBehindGrowth(MakeContext("goarena_bugs message"), LARGE_SIZE)));
}

/*
 * bug_small_stringinfo() returns text
 *		The same with a small buffer.
 */
Datum
bug_small_stringinfo(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(ReadBehindGrowth(MakeContext("goarena_bugs message"), 1000)));
}

/*
 * bug_large_double_pfree() returns text
 *		A large object is freed twice.
 */
Datum
bug_large_double_pfree(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs images");
	char *image;

	WarmUpMalloc();
	image = MakeObject(context, LARGE_SIZE);
	FreeImage(image);
	Meanwhile();
	pfree(image);
	PG_RETURN_TEXT_P(cstring_to_text("freed free memory"));
}

/* A struct with a pointer to another object. */
typedef struct Entry
{
	char *name;
	int64 hits;
	char comment[100];
} Entry;

static Entry *
MakeEntry(MemoryContext context)
{
	Entry *entry = MemoryContextAllocZero(context, sizeof(Entry));

	entry->name = MakeString(context, 100);
	return entry;
}

static pg_noinline void
FreeEntry(Entry *entry)
{
	pfree(entry);
}

/*
 * bug_small_follow() returns text
 *		A pointer in a freed struct is followed.
 */
Datum
bug_small_follow(PG_FUNCTION_ARGS)
{
	Entry *entry = MakeEntry(MakeContext("goarena_bugs entries"));

	FreeEntry(entry);
	Meanwhile();
	PG_RETURN_TEXT_P(cstring_to_text(Look(((volatile Entry *) entry)->name)));
}

/*
 * bug_small_follow_late() returns text
 *		The same when many other objects were freed after the struct.
 */
Datum
bug_small_follow_late(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs entries");
	Entry *entry = MakeEntry(context);

	FreeEntry(entry);
	for (int i = 0; i < 1000; i++)
		pfree(MakeObject(context, 300));
	Meanwhile();
	PG_RETURN_TEXT_P(cstring_to_text(Look(((volatile Entry *) entry)->name)));
}

/* Something that others may want to hear of. */
typedef struct Listener
{
	const char *(*notify)(const volatile void *);
	const char *topic;
} Listener;

static pg_noinline void
RemoveListener(Listener *listener)
{
	pfree(listener);
}

/*
 * bug_small_callback() returns text
 *		The function in a struct is called after the struct was freed.
 */
Datum
bug_small_callback(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs listeners");
	volatile Listener *listener = MemoryContextAllocZero(context, sizeof(Listener));

	listener->notify = Look;
	listener->topic = MakeString(context, 100);
	RemoveListener((Listener *) listener);
	Meanwhile();
	PG_RETURN_TEXT_P(cstring_to_text(listener->notify(listener->topic)));
}

/*
 * Forget
 *		A list is freed with what is in it.
 */
static pg_noinline void
Forget(List *list)
{
	list_free_deep(list);
}

/*
 * bug_small_list() returns text
 *		A list is walked after list_free_deep().
 */
Datum
bug_small_list(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs list");
	MemoryContext caller = MemoryContextSwitchTo(context);
	List *list = list_make1(MakeString(context, 100));

	/* Cells in memory of their own, as when a list grows. */
	for (int i = 0; i < 10; i++)
		list = lappend(list, MakeString(context, 100));
	Forget(list);
	Meanwhile();
	MemoryContextSwitchTo(caller);
	PG_RETURN_TEXT_P(cstring_to_text(Look(linitial(list))));
}

/*
 * bug_small_write() returns text
 *		A counter in a freed struct is incremented.
 */
Datum
bug_small_write(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs entries");
	Entry *entry = MakeEntry(context);

	FreeEntry(entry);
	Meanwhile();
	((volatile Entry *) entry)->hits++;
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text("overwrote free memory"));
}

static pg_noinline List *
AddMembers(List *list, int count)
{
	for (int i = 0; i < count; i++)
		list = lappend_int(list, i);
	return list;
}

/*
 * bug_list_cell() returns text
 *		A cell is changed after its list was enlarged.
 */
Datum
bug_list_cell(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs list");
	MemoryContext caller = MemoryContextSwitchTo(context);
	List *list = AddMembers(NIL, 10);
	ListCell *cell = list_head(list);

	(void) MakeObject(context, 64);
	list = AddMembers(list, 20);
	Meanwhile();
	*(volatile int *) &lfirst_int(cell) = 42;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text("overwrote free memory"));
}

/*
 * bug_overrun() returns text
 *		One byte past the last object of a context is read.
 */
Datum
bug_overrun(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs buffer");
	const volatile char *buffer = MakeObject(context, 8000);
	char past = buffer[8000];

	PG_RETURN_TEXT_P(cstring_to_text(psprintf("read 0x%02x", (unsigned char) past)));
}

/*
 * bug_double_pfree() returns text
 *		An object is freed twice.
 *
 * As the names in a loop of Hornetlabs/synchdb#252.
 */
Datum
bug_double_pfree(PG_FUNCTION_ARGS)
{
	MemoryContext context = MakeContext("goarena_bugs entries");
	Entry *entry = MakeEntry(context);

	FreeEntry(entry);
	Meanwhile();
	pfree(entry);
	MemoryContextDelete(context);
	PG_RETURN_TEXT_P(cstring_to_text("freed free memory"));
}

/* An item of a pool remembers which context it is charged to. */
typedef struct PoolItem
{
	Size size;
	MemoryContext context;
	char data[FLEXIBLE_ARRAY_MEMBER];
} PoolItem;

#define POOL_ITEM_SIZE 200

/*
 * FreeData
 *		Free the data of an item of a pool, which is no object of its own, and see
 *		who gets the memory next.
 */
static const char *
FreeData(MemoryContext pool, MemoryContext charged)
{
	PoolItem *item = MemoryContextAlloc(pool, offsetof(PoolItem, data) + POOL_ITEM_SIZE);
	char *next;

	item->size = POOL_ITEM_SIZE;
	item->context = charged;
	pfree(item->data);
	next = MemoryContextAlloc(charged, POOL_ITEM_SIZE);
	return next == item->data ? "gave out memory of a live object" : "freed part of a live object";
}

/*
 * bug_pfree_interior() returns text
 *		A pointer into an object is freed.
 */
Datum
bug_pfree_interior(PG_FUNCTION_ARGS)
{
	MemoryContext pool = MakeContext("goarena_bugs pool");
	const char *saw = FreeData(pool, pool);

	MemoryContextDelete(pool);
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}

/*
 * bug_pfree_foreign() returns text
 *		A pointer into an object of another context is freed.
 */
Datum
bug_pfree_foreign(PG_FUNCTION_ARGS)
{
	MemoryContext pool = MakeContext("goarena_bugs pool");
	MemoryContext charged = MakeContext("goarena_bugs charged");
	const char *saw;

	(void) MakeObject(charged, 64);
	saw = FreeData(pool, charged);
	MemoryContextDelete(charged);
	MemoryContextDelete(pool);
	PG_RETURN_TEXT_P(cstring_to_text(saw));
}
