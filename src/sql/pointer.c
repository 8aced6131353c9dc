/*-------------------------------------------------------------------------
 *
 * pointer.c
 *	  goarena_pointer(): what a pointer points to.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "backend/faults/pointer.h"
#include "backend/faults/symbols.h"
#include "engine/type.h"
#include "sql/columns.h"
#include "sql/sql.h"

SQL_FUNCTION(goarena_pointer);

/* Bytes of text that a stack can take. */
#define STACK_TEXT ((size_t) 16 << 10)

typedef struct PointerRow
{
	const char *state;
	const char *context;
	uint64 arena_id;
	const char *object;
	uint64 size;
	uint64 offset;
	const char *freed_by;
	TimestampTz freed_at;
	const char *freed_query;
	const char *freed_stack;
	const char *type;
} PointerRow;

static const Column columns[] = {
	{"state", COLUMN_TEXT, offsetof(PointerRow, state)},
	{"context", COLUMN_TEXT, offsetof(PointerRow, context)},
	{"arena_id", COLUMN_COUNT, offsetof(PointerRow, arena_id)},
	{"object", COLUMN_TEXT, offsetof(PointerRow, object)},
	{"size", COLUMN_COUNT, offsetof(PointerRow, size)},
	{"object_offset", COLUMN_COUNT, offsetof(PointerRow, offset)},
	{"freed_by", COLUMN_TEXT, offsetof(PointerRow, freed_by)},
	{"freed_at", COLUMN_TIME, offsetof(PointerRow, freed_at)},
	{"freed_query", COLUMN_TEXT, offsetof(PointerRow, freed_query)},
	{"freed_stack", COLUMN_TEXT, offsetof(PointerRow, freed_stack)},
	{"type", COLUMN_TEXT, offsetof(PointerRow, type)},
};

/*
 * pointer_parse
 *		An address as goarena_chunks() and reports show it.
 */
static const void *
pointer_parse(const char *address)
{
	uint64 value = 0;
	int digits = 0;

	if (address[0] == '0' && (address[1] == 'x' || address[1] == 'X'))
		for (const char *at = address + 2; isxdigit((unsigned char) *at) && digits < 16; at++)
		{
			int digit = *at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10;

			value = value << 4 | (uint64) digit;
			digits++;
		}
	if (digits == 0 || address[digits + 2] != '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("invalid address: \"%s\"", address),
						errhint("Addresses begin with 0x and have up to 16 hexadecimal digits.")));
	return (const void *) (uintptr_t) value;
}

static const char *
pointer_stack(const GoarenaPointer *pointer)
{
	uintptr_t frames[GOARENA_POINTER_STACK];
	ReportText text;

	if (pointer->freed_depth == 0)
		return NULL;
	for (int i = 0; i < pointer->freed_depth; i++)
		frames[i] = (uintptr_t) pointer->freed_stack[i];
	ReportInit(&text, palloc(STACK_TEXT), STACK_TEXT);
	SymbolsReport(&text, frames, pointer->freed_depth, false);
	return text.data;
}

static const char *
pointer_text(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

/*
 * goarena_pointer(address text) returns record
 *		For superusers only: addresses help to exploit bugs.
 */
Datum
goarena_pointer(PG_FUNCTION_ARGS)
{
	static const char *const states[] = {
		[GOARENA_POINTER_ELSEWHERE] = "elsewhere",
		[GOARENA_POINTER_LIVE] = "live",
		[GOARENA_POINTER_FREED] = "freed",
		[GOARENA_POINTER_UNUSED] = "unused",
	};
	GoarenaPointer pointer;
	PointerRow row;

	RequireActive();
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for function goarena_pointer"),
						errdetail("Only a superuser may see addresses.")));
	PointerDescribe(pointer_parse(text_to_cstring(PG_GETARG_TEXT_PP(0))), &pointer,
					sizeof(pointer));
	row = (PointerRow){
		.state = states[pointer.state],
		.context = pointer_text(pointer.context_name),
		.arena_id = pointer.arena_id == 0 ? UINT64_MAX : pointer.arena_id,
		.size = UINT64_MAX,
		.offset = UINT64_MAX,
		.freed_by = pointer.freed_by,
		.freed_at = pointer.freed_at,
		.freed_query = pointer_text(pointer.freed_query),
		.freed_stack = pointer_stack(&pointer),
		.type = pointer.type == NULL ? NULL : ((const ga_type *) pointer.type)->name,
	};
	if (pointer.object != NULL)
	{
		row.object = psprintf("0x%012lx", (unsigned long) (uintptr_t) pointer.object);
		row.size = pointer.size;
		row.offset = pointer.offset;
	}
	return ColumnsMake(fcinfo, columns, lengthof(columns), &row);
}
