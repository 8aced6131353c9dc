/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  A function that allocates as the input functions of types with a parser do.
 *
 * Such a function sets up a scanner made by flex for each value, whose buffer
 * has 16 kB whatever the length of the text, makes some nodes, and leaves all of
 * it to the context of the row.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "utils/builtins.h"

#include "goarena_bench.h"

PG_FUNCTION_INFO_V1(bench_scan);

#define BUFFER_SIZE (16 * 1024 + 2)
#define STATE_SIZE	144
#define STACK_SIZE	(200 * sizeof(int))

/*
 * bench_scan(text) returns integer
 *		The number of words.
 */
Datum
bench_scan(PG_FUNCTION_ARGS)
{
	char *value = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *state = palloc0(STATE_SIZE);
	char *stack = palloc(STACK_SIZE);
	char *buffer = palloc(BUFFER_SIZE);
	List *words = NIL;
	char *rest;

	strlcpy(buffer, value, BUFFER_SIZE);
	memset(stack, 0, 16);
	state[0] = buffer[0];
	for (char *word = strtok_r(buffer, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
		words = lappend(words, makeString(pstrdup(word)));
	PG_RETURN_INT32(list_length(words));
}
