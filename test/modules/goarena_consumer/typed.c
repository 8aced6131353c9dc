/*-------------------------------------------------------------------------
 *
 * typed.c
 *	  Types, typed memory and copies: what they do, and what they refuse.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "consumer.h"

#include "miscadmin.h"
#include "nodes/memnodes.h"

PG_FUNCTION_INFO_V1(consumer_version);
PG_FUNCTION_INFO_V1(consumer_types);
PG_FUNCTION_INFO_V1(consumer_type);
PG_FUNCTION_INFO_V1(consumer_many_types);
PG_FUNCTION_INFO_V1(consumer_alloc);
PG_FUNCTION_INFO_V1(consumer_alloc_array);
PG_FUNCTION_INFO_V1(consumer_resize);
PG_FUNCTION_INFO_V1(consumer_free);
PG_FUNCTION_INFO_V1(consumer_zero);
PG_FUNCTION_INFO_V1(consumer_clone);
PG_FUNCTION_INFO_V1(consumer_keep);
PG_FUNCTION_INFO_V1(consumer_hold);
PG_FUNCTION_INFO_V1(consumer_node);
PG_FUNCTION_INFO_V1(consumer_overrun);
PG_FUNCTION_INFO_V1(consumer_accounting);

/* A node of a ring. */
typedef struct Ring
{
	uint64 number;
	struct Ring *next;
	char *text;			 /* shared by all; memory without pointers */
	const char *untyped; /* shared by all; palloc'd in the same context */
	const char *foreign; /* what is in no arena */
	struct Ring **all;	 /* shared by all; an array of pointers */
} Ring;

static const Size ring_offsets[] = {offsetof(Ring, next), offsetof(Ring, text),
									offsetof(Ring, untyped), offsetof(Ring, foreign),
									offsetof(Ring, all)};

static const GoarenaType *
ring_type(void)
{
	return GoarenaTypeFromOffsets("Ring", sizeof(Ring), lengthof(ring_offsets), ring_offsets);
}

static const GoarenaType *
char_type(void)
{
	return GoarenaTypePointerFree("char", 1, 1);
}

/* An array of so many pointers to anything. */
static const GoarenaType *
pointer_type(void)
{
	static const uint64 bitmap = 1;

	return GoarenaTypeCreate("pointer", sizeof(void *), 8, &bitmap);
}

static bool
is_zero(const void *memory, Size size)
{
	for (Size i = 0; i < size; i++)
		if (((const char *) memory)[i] != 0)
			return false;
	return true;
}

/* Any AllocSet can be an arena, but a Generation cannot. */
static MemoryContext
new_context(bool arena)
{
	return arena ? GoarenaContextCreate(CurrentMemoryContext, "goarena consumer")
				 : GenerationContextCreate(CurrentMemoryContext, "goarena consumer",
										   ALLOCSET_DEFAULT_SIZES);
}

Datum
consumer_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(GoarenaGetApi() == NULL ? 0 : GoarenaGetApi()->version);
}

Datum
consumer_types(PG_FUNCTION_ARGS)
{
	static const uint64 bitmap = 0x3e; /* all but the first word */
	const GoarenaType *type = ring_type();

	EXPECT(type->size == sizeof(Ring) && type->alignment == 8);
	EXPECT(char_type()->size == 1 && char_type()->alignment == 1);
	if (GoarenaGetApiSince(2) == NULL)
		EXPECT(type->number == 0);
	else
	{
		EXPECT(type->number > 0);
		EXPECT(ring_type() == type);
		EXPECT(GoarenaTypeCreate("Ring", sizeof(Ring), 8, &bitmap) == type);
		EXPECT(GoarenaTypeCreate("Other", sizeof(Ring), 8, &bitmap) != type);
		EXPECT(char_type() != type);
	}
	OK();
}

Datum
consumer_type(PG_FUNCTION_ARGS)
{
	Size size = (Size) PG_GETARG_INT64(0);
	Size alignment = (Size) PG_GETARG_INT64(1);
	Size offset = (Size) PG_GETARG_INT64(2);

	if (PG_GETARG_INT64(2) < 0)
		(void) GoarenaTypePointerFree("odd", size, alignment);
	else if (alignment == 8)
		(void) GoarenaTypeFromOffsets("odd", size, 1, &offset);
	else
	{
		uint64 bitmap = UINT64CONST(1) << offset / 8;

		(void) GoarenaTypeCreate("odd", size, alignment, &bitmap);
	}
	PG_RETURN_BOOL(true);
}

Datum
consumer_many_types(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		(void) GoarenaTypePointerFree("many", 1 + (Size) i, 1);
	PG_RETURN_VOID();
}

Datum
consumer_alloc(PG_FUNCTION_ARGS)
{
	MemoryContext context = new_context(PG_GETARG_BOOL(0));
	const GoarenaType *ring = ring_type();
	const GoarenaType *byte = char_type();

	for (int life = 0; life < 2; life++)
	{
		for (Size count = 1; count < 3000000; count *= 3)
		{
			Ring *one = GoarenaAlloc(context, ring);
			char *bytes = GoarenaAllocArray(context, byte, count);

			EXPECT(is_zero(one, sizeof(*one)) && is_zero(bytes, count));
			EXPECT((uintptr_t) one % 8 == 0);
			memset(one, 0xff, sizeof(*one));
			memset(bytes, 0xff, count);
			if (count < 100000)
			{
				Ring *many = GoarenaAllocArray(context, ring, count);

				EXPECT(is_zero(many, sizeof(*many) * count));
				memset(many, 0xff, sizeof(*many) * count);
				if (count % 2 == 1)
					GoarenaFree(many);
				else
					pfree(many);
			}
		}
		MemoryContextReset(context);
		if (GoarenaIsArena(context) && GoarenaGetApi() != NULL)
			EXPECT(MemoryContextMemAllocated(context, false) <= 16384);
	}
	MemoryContextDelete(context);
	OK();
}

Datum
consumer_alloc_array(PG_FUNCTION_ARGS)
{
	MemoryContext context = new_context(true);
	const GoarenaType *type = GoarenaTypePointerFree("some", (Size) PG_GETARG_INT64(0), 1);

	(void) GoarenaAllocArray(context, type, (Size) PG_GETARG_INT64(1));
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

Datum
consumer_resize(PG_FUNCTION_ARGS)
{
	MemoryContext context = new_context(PG_GETARG_BOOL(0));
	const GoarenaType *types[] = {ring_type(), pointer_type(),
								  GoarenaTypePointerFree("number", 4, 4)};

	for (int i = 0; i < lengthof(types); i++)
	{
		Size old_count = 0;
		char *array = NULL;

		for (Size count = 1; count < 100000; count = count * 2 + 1)
		{
			array = GoarenaResizeArray(context, array, types[i], old_count, count);
			for (Size at = 0; at < old_count; at++)
				EXPECT(*(uint32 *) (array + at * types[i]->size) == (uint32) at);
			EXPECT(
				is_zero(array + old_count * types[i]->size, (count - old_count) * types[i]->size));
			for (Size at = old_count; at < count; at++)
				*(uint32 *) (array + at * types[i]->size) = (uint32) at;
			old_count = count;
		}
		if (PG_GETARG_BOOL(0) && GoarenaGetApi() != NULL)
		{
			/* That of another arena is refused. */
			MemoryContext current = CurrentMemoryContext;
			MemoryContext other = new_context(true);
			bool refused = false;

			EXPECT(GoarenaResizeArray(other, NULL, types[i], 0, 2) != NULL);
			PG_TRY();
			{
				(void) GoarenaResizeArray(context, GoarenaAllocArray(other, types[i], 20), types[i],
										  20, 10);
			}
			PG_CATCH();
			{
				MemoryContextSwitchTo(current);
				FlushErrorState();
				refused = true;
			}
			PG_END_TRY();
			EXPECT(refused);
			MemoryContextDelete(other);
		}
		array = GoarenaResizeArray(context, array, types[i], old_count, 10);
		EXPECT(*(uint32 *) (array + 9 * types[i]->size) == 9);
		array = GoarenaResizeArray(context, array, types[i], 10, 0);
		array = GoarenaResizeArray(context, array, types[i], 0, 10);
		EXPECT(is_zero(array, 10 * types[i]->size));
	}
	MemoryContextDelete(context);
	OK();
}

static void
finish(void *object, void *arg)
{
}

/* What can be done to a pointer. */
static void
let_have(const char *how, void *pointer)
{
	if (strcmp(how, "pfree") == 0)
		pfree(pointer);
	else if (strcmp(how, "repalloc") == 0)
		pointer = repalloc(pointer, 100000);
	else if (strcmp(how, "GoarenaSetFinalizer") == 0)
		GoarenaSetFinalizer(pointer, finish, NULL);
	else
		GoarenaFree(pointer);
}

Datum
consumer_free(PG_FUNCTION_ARGS)
{
	MemoryContext context = new_context(true);
	void *pointer = GoarenaAllocArray(context, char_type(), (Size) PG_GETARG_INT64(1));

	(void) GoarenaAlloc(context, ring_type());
	let_have(text_to_cstring(PG_GETARG_TEXT_PP(0)), pointer);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

Datum
consumer_zero(PG_FUNCTION_ARGS)
{
	MemoryContext context = new_context(true);
	void *nothing = GoarenaAllocArray(context, ring_type(), 0);
	bool same = GoarenaAllocArray(CurrentMemoryContext, char_type(), 0) == nothing;

	let_have(text_to_cstring(PG_GETARG_TEXT_PP(0)), nothing);
	MemoryContextDelete(context);
	PG_RETURN_BOOL(same);
}

/* A ring of so many nodes; returns the first one. */
static Ring *
new_ring(MemoryContext context, int count)
{
	Ring **all = GoarenaAllocArray(context, pointer_type(), (Size) count);
	char *text = GoarenaAllocArray(context, char_type(), 7);
	const char *untyped = MemoryContextStrdup(context, "untyped");

	strcpy(text, "shared");
	for (int i = 0; i < count; i++)
	{
		all[i] = GoarenaAlloc(context, ring_type());
		all[i]->number = (uint64) i;
		all[i]->text = text + i % 3;
		all[i]->untyped = untyped;
		all[i]->foreign = "foreign";
		all[i]->all = all;
		if (i > 0)
			all[i - 1]->next = all[i];
	}
	all[count - 1]->next = all[0];
	return all[0];
}

Datum
consumer_clone(PG_FUNCTION_ARGS)
{
	int count = PG_GETARG_INT32(0);
	MemoryContext from = new_context(true);
	MemoryContext to = new_context(PG_GETARG_BOOL(1));
	Ring *original = new_ring(from, count);
	Ring **all = original->all;
	Ring *shallow = GoarenaClone(to, original);
	uint64 *inner = GoarenaClone(to, &original->next);
	Ring *copy = GoarenaCloneDeep(to, original);
	Ring *again = GoarenaCloneDeep(to, copy);
	int local = 0;

	EXPECT(shallow != original && memcmp(shallow, original, sizeof(Ring)) == 0);
	EXPECT(*inner == (uint64) (uintptr_t) original->next);
	EXPECT(GoarenaClone(to, &local) == &local && GoarenaCloneDeep(to, &local) == &local);
	EXPECT(GoarenaClone(to, NULL) == NULL);
	if (PG_GETARG_BOOL(1))
		EXPECT(again != copy); /* else it is in no arena */
	else
		EXPECT(again == copy);
	EXPECT(copy != original && copy->all != original->all && copy->text != original->text);
	for (int i = 0; i < count; i++)
		memset(all[i], 0x7f, sizeof(Ring));
	MemoryContextDelete(from);

	for (int round = 0; round < 2; round++, copy = again)
	{
		Ring *at = copy;

		for (int i = 0; i < count; i++, at = at->next)
		{
			EXPECT(at == copy->all[i] && at->number == (uint64) i && at->all == copy->all);
			EXPECT(at->text == copy->text + i % 3);
			EXPECT(at->untyped == copy->untyped);
			EXPECT(strcmp(at->foreign, "foreign") == 0);
		}
		EXPECT(at == copy);
		EXPECT(strcmp(copy->text, "shared") == 0);
		EXPECT(strcmp(copy->untyped, "untyped") == 0);
	}
	MemoryContextDelete(to);
	OK();
}

/* Memory that was given up and is pointed to from one place alone. */
static MemoryContext keeper = NULL;

/* A context that lives as long as the session, empty. */
static void
new_keeper(void)
{
	if (keeper != NULL)
		MemoryContextDelete(keeper);
	keeper = GoarenaContextCreate(TopMemoryContext, "goarena consumer keeper");
}

Datum
consumer_keep(PG_FUNCTION_ARGS)
{
	char *place = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MemoryContext lost = new_context(true);
	char *object;
	uint64 *at;
	Ring *ring;

	new_keeper();
	ring = GoarenaAlloc(keeper, ring_type());
	if (strcmp(place, "pointer") == 0)
		at = (uint64 *) &ring->next;
	else if (strcmp(place, "number") == 0)
		at = &ring->number;
	else if (strcmp(place, "untyped") == 0)
		at = MemoryContextAllocZero(keeper, 100);
	else if (strcmp(place, "large") == 0)
		at = GoarenaAllocArray(keeper, char_type(), 10000000);
	else
		at = GoarenaAllocArray(keeper, char_type(), 100);
	object = MemoryContextAlloc(lost, 4000000);
	*at = (uint64) (uintptr_t) object + 100;
	object = NULL;
	MemoryContextDelete(lost);
	PG_RETURN_VOID();
}

/* Hold so many kilobytes, as typed memory without pointers or as objects without a type. */
Datum
consumer_hold(PG_FUNCTION_ARGS)
{
	const GoarenaType *type = GoarenaTypePointerFree("kilobyte", 1024, 8);

	new_keeper();
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		memset(PG_GETARG_BOOL(1) ? GoarenaAlloc(keeper, type) : MemoryContextAlloc(keeper, 1024), 1,
			   1024);
	PG_RETURN_VOID();
}

/* The address of a typed object in an arena, or with large of an array. */
Datum
consumer_node(PG_FUNCTION_ARGS)
{
	void *node;

	new_keeper();
	node = PG_GETARG_BOOL(0) ? GoarenaAllocArray(keeper, char_type(), 10000000)
							 : GoarenaAlloc(keeper, ring_type());
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%p", node)));
}

/* Write one byte behind an array whose size is a multiple of 8. */
Datum
consumer_overrun(PG_FUNCTION_ARGS)
{
	const GoarenaType *type =
		PG_GETARG_BOOL(1) ? ring_type() : GoarenaTypePointerFree("word", 8, 8);
	Size count = (Size) PG_GETARG_INT32(0);
	volatile char *array;

	new_keeper();
	array = GoarenaAllocArray(keeper, type, count);
	array[count * type->size] = 1;
	PG_RETURN_VOID();
}

Datum
consumer_accounting(PG_FUNCTION_ARGS)
{
	MemoryContext context = new_context(true);
	Size bytes = (Size) PG_GETARG_INT64(0);
	const GoarenaType *type = GoarenaTypePointerFree("kilobyte", 1024, 8);
	Size counted;

	for (Size done = 0; done < bytes; done += 1024)
		(void) GoarenaAlloc(context, type);
	counted = MemoryContextMemAllocated(context, false);
	if (counted < bytes || counted > bytes + bytes / 50 + 65536)
		PG_RETURN_BOOL(false);
	MemoryContextReset(context);
	counted = MemoryContextMemAllocated(context, false);
	MemoryContextDelete(context);
	PG_RETURN_BOOL(counted <= 16384);
}
