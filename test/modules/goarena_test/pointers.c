/*-------------------------------------------------------------------------
 *
 * pointers.c
 *	  What goarena.h says of pointers.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "goarena_test.h"

PG_FUNCTION_INFO_V1(test_describe);
PG_FUNCTION_INFO_V1(test_describe_briefly);
PG_FUNCTION_INFO_V1(test_chain);

static GoarenaPointer
describe(const char *address)
{
	GoarenaPointer result;

	memset(&result, 'x', sizeof(result));
	GoarenaDescribePointer((const void *) strtoul(address, NULL, 16), &result);
	return result;
}

/*
 * test_describe(address text) returns text
 */
Datum
test_describe(PG_FUNCTION_ARGS)
{
	static const char *const states[] = {"elsewhere", "live", "freed", "unused"};
	GoarenaPointer p = describe(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	char *text;

	text = psprintf("%s, %s context \"%s\", object 0x%012lx of %zu bytes + %zu, %s %s, %s stack",
					states[p.state], p.context == NULL ? "no" : p.context->name, p.context_name,
					(unsigned long) (uintptr_t) p.object, p.size, p.offset,
					p.freed_by == NULL ? "not freed" : p.freed_by,
					p.freed_at == 0						  ? "at no time"
					: p.freed_at <= GetCurrentTimestamp() ? "before now"
														  : "in the future",
					p.freed_depth == 0 ? "no" : "a");
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

/*
 * test_describe_briefly(address text) returns boolean
 *		An extension that was built with a shorter struct, or a longer one.
 */
Datum
test_describe_briefly(PG_FUNCTION_ARGS)
{
	const void *pointer = (const void *) strtoul(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, 16);
	GoarenaPointer whole;
	char room[sizeof(GoarenaPointer) + 8];

	GoarenaGetApi()->describe_pointer(pointer, &whole, sizeof(whole));
	for (Size size = 0; size <= sizeof(room); size++)
	{
		memset(room, 'x', sizeof(room));
		GoarenaGetApi()->describe_pointer(pointer, (GoarenaPointer *) room, size);
		if (memcmp(room, &whole, Min(size, sizeof(whole))) != 0)
			PG_RETURN_BOOL(false);
		for (Size i = sizeof(whole); i < size; i++)
			if (room[i] != 0)
				PG_RETURN_BOOL(false);
		if (size < sizeof(room) && room[size] != 'x')
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}

/* The next one is pointed to in its midst. */
typedef struct Link
{
	uint64 number;
	uint64 *next;
	uint64 more[4];
} Link;

static Link *volatile chain = NULL;

/*
 * make_chain
 *		Its frame is gone when somebody looks for pointers.
 */
static pg_noinline void
make_chain(Datum *addresses, int length)
{
	Link *last = NULL;

	for (int i = 0; i < length; i++)
	{
		Link *link = MemoryContextAllocZero(TestContext(), sizeof(Link));

		link->number = (uint64) i;
		addresses[i] = CStringGetTextDatum(psprintf("0x%012lx", (unsigned long) (uintptr_t) link));
		if (last == NULL)
			chain = link;
		else
			last->next = &link->more[1];
		last = link;
	}
}

/*
 * test_chain(length integer) returns text[]
 */
Datum
test_chain(PG_FUNCTION_ARGS)
{
	int length = PG_GETARG_INT32(0);
	Datum *addresses = palloc(sizeof(Datum) * (Size) length);
	ArrayType *result;

	make_chain(addresses, length);
	result = construct_array(addresses, length, TEXTOID, -1, false, TYPALIGN_INT);
	ScrubStack();
	PG_RETURN_ARRAYTYPE_P(result);
}
