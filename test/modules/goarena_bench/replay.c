/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  Replay recorded operations over contexts of several types.
 *
 * A recording is made into a list of small structs first, in which contexts
 * and objects are indices, so that little besides the operations themselves is
 * timed.  A context is created when something is allocated in it that was
 * never seen or was deleted; all lie under one parent.  Objects that existed
 * before the recording are left out.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "goarena_bench.h"
#include "recording.h"

PG_FUNCTION_INFO_V1(bench_replay);
PG_FUNCTION_INFO_V1(bench_recording);

typedef enum ReplayKind
{
	REPLAY_CREATE, /* size: of the first block */
	REPLAY_ALLOC,
	REPLAY_FREE,
	REPLAY_REALLOC,
	REPLAY_RESET,
	REPLAY_DELETE,
	REPLAY_KINDS
} ReplayKind;

typedef struct ReplayOp
{
	uint32 kind : 4;
	uint32 context : 28;
	uint32 object;
	uint32 target;
	uint32 size;
} ReplayOp;

typedef struct Replay
{
	ReplayOp *ops;
	int64 num_ops;
	MemoryContext *contexts;
	uint32 num_contexts;
	void **objects;
	uint32 num_objects;
	uint64 bytes;
} Replay;

/* An address and its index, for contexts and objects alike. */
typedef struct AddressEntry
{
	uint64 address; /* must be first */
	uint32 index;
	bool live;
	uint32 life;  /* context: number of its resets and deletions; object: that of its context */
	uint32 owner; /* object: index of its context */
} AddressEntry;

#define BYTES_PER_PAGE 4096

static HTAB *
CreateAddresses(const char *name)
{
	HASHCTL info = {.keysize = sizeof(uint64), .entrysize = sizeof(AddressEntry)};

	info.hcxt = CurrentMemoryContext;
	return hash_create(name, 100000, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static AddressEntry *
FindAddress(HTAB *addresses, uint64 address)
{
	return hash_search(addresses, &address, HASH_FIND, NULL);
}

/*
 * EnterAddress
 *		The entry of an address, with an index of its own, and live.
 */
static AddressEntry *
EnterAddress(HTAB *addresses, uint64 address, uint32 *count)
{
	bool found;
	AddressEntry *entry = hash_search(addresses, &address, HASH_ENTER, &found);

	if (!found)
	{
		entry->index = (*count)++;
		entry->life = 0;
	}
	entry->live = true;
	return entry;
}

static ReplayOp *
AddOp(Replay *replay, ReplayKind kind, uint32 context)
{
	ReplayOp *op = &replay->ops[replay->num_ops++];

	op->kind = (uint32) kind;
	op->context = context;
	op->object = op->target = op->size = 0;
	return op;
}

/*
 * ContextOf
 *		The entry of a context, which is created if need be.
 */
static AddressEntry *
ContextOf(Replay *replay, HTAB *contexts, const RecordedOp *recorded)
{
	AddressEntry *entry = FindAddress(contexts, recorded->context);

	if (entry == NULL || !entry->live)
	{
		entry = EnterAddress(contexts, recorded->context, &replay->num_contexts);
		AddOp(replay, REPLAY_CREATE, entry->index)->size =
			recorded->kind == RECORDED_ALLOC ? (uint32) recorded->target : 0;
	}
	return entry;
}

static uint32
EnterObject(Replay *replay, HTAB *objects, uint64 address, const AddressEntry *context)
{
	AddressEntry *object = EnterAddress(objects, address, &replay->num_objects);

	object->owner = context->index;
	object->life = context->life;
	return object->index;
}

/*
 * FindObject
 *		The entry of an object that is freed or reallocated, and ends; NULL if
 *		it was allocated unseen.  What was there before the last reset of its
 *		context ended then.
 */
static AddressEntry *
FindObject(HTAB *contexts, HTAB *objects, const RecordedOp *recorded)
{
	AddressEntry *context = FindAddress(contexts, recorded->context);
	AddressEntry *object = FindAddress(objects, recorded->object);

	if (context == NULL || !context->live || object == NULL || !object->live ||
		object->owner != context->index || object->life != context->life)
		return NULL;
	object->live = false;
	return object;
}

static void
ConvertAlloc(Replay *replay, HTAB *contexts, HTAB *objects, const RecordedOp *recorded,
			 uint64 object)
{
	const AddressEntry *context = ContextOf(replay, contexts, recorded);
	ReplayOp *op = AddOp(replay, REPLAY_ALLOC, context->index);

	op->object = EnterObject(replay, objects, object, context);
	op->size = (uint32) recorded->size;
	replay->bytes += recorded->size;
}

static void
ConvertFree(Replay *replay, HTAB *contexts, HTAB *objects, const RecordedOp *recorded)
{
	const AddressEntry *object = FindObject(contexts, objects, recorded);

	if (object != NULL)
		AddOp(replay, REPLAY_FREE, object->owner)->object = object->index;
}

static void
ConvertRealloc(Replay *replay, HTAB *contexts, HTAB *objects, const RecordedOp *recorded)
{
	const AddressEntry *object = FindObject(contexts, objects, recorded);
	ReplayOp *op;

	if (object == NULL)
	{
		ConvertAlloc(replay, contexts, objects, recorded, recorded->target);
		return;
	}
	op = AddOp(replay, REPLAY_REALLOC, object->owner);
	op->object = object->index;
	op->target =
		EnterObject(replay, objects, recorded->target, ContextOf(replay, contexts, recorded));
	op->size = (uint32) recorded->size;
	replay->bytes += recorded->size;
}

/*
 * ConvertEnd
 *		A reset or a delete.
 */
static void
ConvertEnd(Replay *replay, HTAB *contexts, const RecordedOp *recorded)
{
	AddressEntry *entry = FindAddress(contexts, recorded->context);

	if (entry == NULL || !entry->live)
		return;
	entry->life++;
	if (recorded->kind == RECORDED_DELETE)
		entry->live = false;
	AddOp(replay, recorded->kind == RECORDED_DELETE ? REPLAY_DELETE : REPLAY_RESET, entry->index);
}

/*
 * ReadRecording
 *		The result lies in the current context.
 */
static Replay *
ReadRecording(const char *path)
{
	Replay *replay = palloc0(sizeof(Replay));
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "goarena bench recording",
											   ALLOCSET_DEFAULT_SIZES);
	FILE *file = AllocateFile(path, PG_BINARY_R);
	struct stat status;
	RecordedOp recorded;
	MemoryContext before;
	HTAB *contexts;
	HTAB *objects;

	if (file == NULL || fstat(fileno(file), &status) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open \"%s\": %m", path)));

	/* each operation may have to create its context first */
	replay->ops = MemoryContextAllocHuge(
		CurrentMemoryContext, sizeof(ReplayOp) * 2 * (status.st_size / sizeof(recorded) + 1));
	before = MemoryContextSwitchTo(work);
	contexts = CreateAddresses("contexts of a recording");
	objects = CreateAddresses("objects of a recording");
	while (fread(&recorded, sizeof(recorded), 1, file) == 1)
	{
		CHECK_FOR_INTERRUPTS();
		switch ((RecordedKind) recorded.kind)
		{
			case RECORDED_ALLOC:
				ConvertAlloc(replay, contexts, objects, &recorded, recorded.object);
				break;
			case RECORDED_FREE:
				ConvertFree(replay, contexts, objects, &recorded);
				break;
			case RECORDED_REALLOC:
				ConvertRealloc(replay, contexts, objects, &recorded);
				break;
			case RECORDED_RESET:
			case RECORDED_DELETE:
				ConvertEnd(replay, contexts, &recorded);
				break;
		}
	}
	FreeFile(file);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(work);

	replay->contexts = MemoryContextAllocZero(CurrentMemoryContext,
											  sizeof(MemoryContext) * (replay->num_contexts + 1));
	replay->objects = MemoryContextAllocHuge(CurrentMemoryContext,
											 sizeof(void *) * ((Size) replay->num_objects + 1));
	return replay;
}

/*
 * Touch
 *		Each page of an object is written to.
 */
static inline void *
Touch(char *object, Size size)
{
	for (Size at = 0; at < size; at += BYTES_PER_PAGE)
		object[at] = 0;
	return object;
}

/*
 * Run
 *		All operations once, over contexts of one type.
 */
static void
Run(Replay *replay, BenchType type, MemoryContext parent)
{
	MemoryContext *contexts = replay->contexts;
	void **objects = replay->objects;

	for (int64 i = 0; i < replay->num_ops; i++)
	{
		const ReplayOp *op = &replay->ops[i];

		switch ((ReplayKind) op->kind)
		{
			case REPLAY_CREATE:
				contexts[op->context] = BenchContextCreate(
					type, parent, 0, op->size > 0 && op->size < ALLOCSET_DEFAULT_INITSIZE);
				break;
			case REPLAY_ALLOC:
				objects[op->object] =
					Touch(MemoryContextAllocHuge(contexts[op->context], op->size), op->size);
				break;
			case REPLAY_FREE:
				pfree(objects[op->object]);
				break;
			case REPLAY_REALLOC:
				objects[op->target] = Touch(repalloc_huge(objects[op->object], op->size), op->size);
				break;
			case REPLAY_RESET:
				MemoryContextReset(contexts[op->context]);
				break;
			case REPLAY_DELETE:
				MemoryContextDelete(contexts[op->context]);
				break;
			case REPLAY_KINDS:
				break;
		}
	}
}

static double
TimeRun(Replay *replay, BenchType type)
{
	MemoryContext parent =
		AllocSetContextCreate(CurrentMemoryContext, "goarena bench parent", ALLOCSET_SMALL_SIZES);
	double start;

	CHECK_FOR_INTERRUPTS();
	start = BenchCpuTime();
	Run(replay, type, parent);
	MemoryContextDelete(parent);
	return (BenchCpuTime() - start) / (double) replay->num_ops;
}

/*
 * Sample
 *		The second run is what counts: a server does the same over and over.
 */
static double
Sample(Replay *replay, BenchType type)
{
	BenchPrepare(type);
	(void) TimeRun(replay, type);
	return TimeRun(replay, type);
}

/*
 * TypeOfName
 *		The type of contexts that has this name.
 */
static BenchType
TypeOfName(const char *name)
{
	for (int type = 0; type < BENCH_TYPES; type++)
		if (strcmp(bench_type_names[type], name) == 0 && BenchTypeExists((BenchType) type))
			return (BenchType) type;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("there is no type of contexts \"%s\"", name)));
}

/*
 * bench_replay(file text, type text) returns double precision
 */
Datum
bench_replay(PG_FUNCTION_ARGS)
{
	BenchType type = TypeOfName(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	Replay *replay = ReadRecording(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (replay->num_ops == 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("the recording is empty")));
	PG_RETURN_FLOAT8(Sample(replay, type));
}

/*
 * bench_recording(file text) returns record
 */
Datum
bench_recording(PG_FUNCTION_ARGS)
{
	const Replay *replay = ReadRecording(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	int64 counts[REPLAY_KINDS] = {0};
	TupleDesc desc;
	Datum values[3 + REPLAY_KINDS];
	bool nulls[3 + REPLAY_KINDS] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int64 i = 0; i < replay->num_ops; i++)
		counts[replay->ops[i].kind]++;
	values[0] = Int64GetDatum(replay->num_ops);
	values[1] = Int64GetDatum((int64) replay->num_contexts);
	for (int i = 0; i < REPLAY_KINDS; i++)
		values[2 + i] = Int64GetDatum(counts[i]);
	values[2 + REPLAY_KINDS] = Int64GetDatum((int64) replay->bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
