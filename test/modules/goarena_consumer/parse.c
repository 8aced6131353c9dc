/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  A parser whose tree is built in an arena, and copied out of it.
 *
 * This is the example of docs/c-api.md.  While it parses, it makes terms that come to
 * nothing; the arena is deleted with all of them, and what is left is the tree.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "consumer.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(consumer_parse);

typedef struct Term
{
	char operation; /* + or *; or 0: a name */
	const char *name;
	struct Term *left;
	struct Term *right;
} Term;

static const GoarenaType *term_type;
static const GoarenaType *char_type;

typedef struct Parser
{
	MemoryContext context;
	const char *at;
} Parser;

static Term *parse_sum(Parser *parser);

/* Types are made when they are first needed; a second time would give the same ones. */
static void
make_types(void)
{
	static const Size offsets[] = {offsetof(Term, name), offsetof(Term, left),
								   offsetof(Term, right)};

	if (char_type != NULL)
		return;
	term_type = GoarenaTypeFromOffsets("Term", sizeof(Term), lengthof(offsets), offsets);
	char_type = GoarenaTypePointerFree("char", 1, 1);
}

static Term *
new_term(Parser *parser, char operation, Term *left, Term *right)
{
	Term *term = GoarenaAlloc(parser->context, term_type);

	term->operation = operation;
	term->left = left;
	term->right = right;
	return term;
}

/* A name is memory without pointers: no header, and no sweep reads it. */
static Term *
parse_name(Parser *parser)
{
	Term *term = new_term(parser, 0, NULL, NULL);
	Size length = 0;
	char *name;

	while (isalnum((unsigned char) parser->at[length]))
		length++;
	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR), errmsg("expected a name, not \"%s\"", parser->at)));
	name = GoarenaAllocArray(parser->context, char_type, length + 1);
	memcpy(name, parser->at, length);
	term->name = name;
	parser->at += length;
	return term;
}

static Term *
parse_operand(Parser *parser)
{
	Term *term;

	check_stack_depth();
	if (*parser->at != '(')
		return parse_name(parser);
	parser->at++;
	term = parse_sum(parser);
	if (*parser->at != ')')
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("expected a parenthesis, not \"%s\"", parser->at)));
	parser->at++;
	return term;
}

static Term *
parse_product(Parser *parser)
{
	Term *term = parse_operand(parser);

	while (*parser->at == '*')
	{
		parser->at++;
		term = new_term(parser, '*', term, parse_operand(parser));
	}
	return term;
}

static Term *
parse_sum(Parser *parser)
{
	Term *term = parse_product(parser);

	while (*parser->at == '+')
	{
		parser->at++;
		term = new_term(parser, '+', term, parse_product(parser));
	}
	return term;
}

/* Parse in an arena, and have the tree in the context of the caller. */
static Term *
parse(const char *expression)
{
	MemoryContext context = GoarenaContextCreate(CurrentMemoryContext, "parser");
	Parser parser = {context, expression};
	Term *tree;

	make_types();
	if (!GoarenaIsArena(context))
		parser.context = CurrentMemoryContext; /* goarena is not loaded */
	tree = parse_sum(&parser);
	if (*parser.at != '\0')
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("expected an operator, not \"%s\"", parser.at)));
	if (GoarenaIsArena(context))
		tree = GoarenaCloneDeep(CurrentMemoryContext, tree);
	MemoryContextDelete(context);
	return tree;
}

static void
show(StringInfo text, const Term *term)
{
	check_stack_depth();
	if (term->operation == 0)
	{
		appendStringInfoString(text, term->name);
		return;
	}
	appendStringInfoChar(text, '(');
	show(text, term->left);
	appendStringInfoChar(text, term->operation);
	show(text, term->right);
	appendStringInfoChar(text, ')');
}

Datum
consumer_parse(PG_FUNCTION_ARGS)
{
	StringInfoData shown;

	initStringInfo(&shown);
	show(&shown, parse(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_TEXT_P(cstring_to_text(shown.data));
}
