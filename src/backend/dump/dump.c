/*-------------------------------------------------------------------------
 *
 * dump.c
 *	  Writing what is in the heap of this process to a file.
 *
 * It reads memory as a sweep does: roots with the same care, and pages that are not resident not at
 * all.  It writes each pointer that leads to where objects are, or to memory in quarantine.  The
 * reader of the dump finds out in which object a pointer lies.
 *
 * It allocates nothing.  So the heap does not change while it is written, and a process at its
 * limit can be dumped, too.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "backend/dump/dump.h"
#include "backend/dump/dump_files.h"
#include "backend/dump/dump_writer.h"
#include "backend/faults/guard.h"
#include "backend/sweeps/roots.h"
#include "backend/sweeps/sweeps.h"
#include "engine/visit.h"
#include "mcxt/arena_set.h"
#include "mcxt/foreign_text.h"
#include "mcxt/process_heap.h"

/* The name of the root for arguments of finalizers, which lie in metadata. */
#define FINALIZERS_ROOT "[finalizers]"

typedef struct Look
{
	ga_look look; /* must be first */
	bool live;	  /* objects are being read, not roots */
	uint32 roots; /* written so far */

	/*
	 * The file of the last mapping, and where that ends: a mapping without a name right behind it
	 * is the file's zeroed data.
	 */
	uintptr_t file_end;
	char file[2 * DUMP_NAME];
} Look;

static bool
dump_stopped(void)
{
	if (InterruptHoldoffCount == 0 && (QueryCancelPending || ProcDiePending))
		DumpWriterFail(ECANCELED);
	return DumpWriterError() != 0;
}

static bool
dump_look_stopped(ga_look *look)
{
	return dump_stopped();
}

static bool
dump_visitor_stopped(ga_visitor *visitor)
{
	return dump_stopped();
}

static void
dump_types(void)
{
	unsigned count = ga_type_count(&process_heap);

	for (unsigned id = 1; id <= count; id++)
	{
		const ga_type *type = ga_type_of_id(&process_heap, id);
		DumpType record = {.record.number = id, .size = type->size};

		strlcpy(record.name, type->name, sizeof(record.name));
		DumpWriterPut(DUMP_TYPE, &record, sizeof(record));
	}
}

/* An arena, and where to copy its names. */
typedef struct Names
{
	MemoryContext context;
	DumpArena *record;
} Names;

/*
 * dump_copy_names
 *		Copy the names of an arena, under GuardTry: dumps are also made of processes whose memory is
 *		damaged.
 */
static void
dump_copy_names(void *arg)
{
	const Names *names = arg;
	DumpArena *record = names->record;

	(void) ForeignNameCopy(record->name, names->context->name, sizeof(record->name));
	if (names->context->parent != NULL)
		(void) ForeignNameCopy(record->parent, names->context->parent->name,
							   sizeof(record->parent));
}

static void
dump_arenas(void)
{
	ga_list_foreach (link, &process_heap.arenas)
	{
		const ga_arena *arena = ga_container(ga_arena, link, link);
		DumpArena record = {.record.number = arena->mode, .id = arena->id};
		Names names = {.context = ArenaSetOf(arena)->context, .record = &record};

		if (!GuardTry(dump_copy_names, &names))
			strlcpy(record.name, UNREADABLE_NAME, sizeof(record.name));
		DumpWriterPut(DUMP_ARENA, &record, sizeof(record));
	}
}

static void
dump_chunk(ga_visitor *visitor, const ga_visited_chunk *chunk)
{
	DumpChunk record = {
		.record.number = chunk->state,
		.base = chunk->base,
		.size = chunk->size,
		.from = chunk->from,
		.to = chunk->to,
		.arena_id = chunk->arena_id,
	};

	DumpWriterPut(DUMP_CHUNK, &record, sizeof(record));
}

static void
dump_object(ga_visitor *visitor, const ga_visited_object *object)
{
	DumpObject record = {
		.record.number = object->type == NULL ? 0 : object->type->id,
		.address = object->address,
		.size = object->size,
		.arena_id = object->arena_id,
		.state = object->state,
		.noscan = object->noscan,
	};

	DumpWriterPut(DUMP_OBJECT, &record, sizeof(record));
}

/*
 * dump_leads_to_object
 *		Can there be an object at an address, or was there one?
 */
static bool
dump_leads_to_object(uintptr_t to)
{
	const ga_segment *segment = ga_segment_of(&process_heap, to);
	const ga_chunk *chunk;

	if (segment == NULL || ((segment->swept | segment->lost) & ga_slot_bit(to)) != 0)
		return false;
	if ((segment->spent & ga_slot_bit(to)) != 0)
		return true;
	chunk = ga_heap_lookup(&process_heap, to);
	if (chunk == NULL || (chunk->state != GA_ACTIVE && chunk->state != GA_FULL))
		return false;
	return (to >= chunk->start && to < ga_bump_of(chunk->arena, chunk)) ||
		   ga_chunk_in_back(chunk, to);
}

/*
 * dump_pointer
 *		Write a pointer.  Among those read with the objects, one that lies in no chunk is an
 *		argument of a finalizer.
 */
static void
dump_pointer(ga_look *look, uintptr_t where, uintptr_t to)
{
	const Look *own = (const Look *) look;
	bool in_root = !own->live || ga_segment_of(&process_heap, where) == NULL;
	DumpPointer record = {
		.record.number = in_root ? own->roots - 1 : DUMP_NO_ROOT,
		.where = where,
		.to = to,
	};

	if (dump_leads_to_object(to) && !DumpWriterHas(where))
		DumpWriterPut(DUMP_POINTER, &record, sizeof(record));
}

static void
dump_root(Look *look, uintptr_t from, uintptr_t to, const char *name)
{
	DumpRoot record = {.record.number = look->roots, .from = from, .to = to};
	size_t length = strlen(name);

	/* The end of a path says more than its beginning. */
	if (length >= sizeof(record.name))
		name += length - (sizeof(record.name) - 1);
	strlcpy(record.name, name, sizeof(record.name));
	DumpWriterPut(DUMP_ROOT, &record, sizeof(record));
	look->roots++;
}

/*
 * dump_mapping
 *		Write a root: the RootListener of the dump.
 */
static void
dump_mapping(void *arg, uintptr_t from, uintptr_t to, const char *name)
{
	Look *look = arg;

	if (name[0] == '\0' && from == look->file_end)
		name = look->file;
	dump_root(look, from, to, name);
	look->file_end = 0;
	if (name[0] == '/' && name != look->file)
	{
		look->file_end = to;
		strlcpy(look->file, name, sizeof(look->file));
	}
}

/*
 * dump_objects
 *		Write chunks and objects.  Returns the number of chunks that are damaged.
 */
static pg_noinline size_t
dump_objects(void)
{
	ga_visitor visitor = {
		.chunk = dump_chunk,
		.object = dump_object,
		.stopped = dump_visitor_stopped,
	};

	ga_heap_visit(&process_heap, &visitor);
	return visitor.damaged;
}

/*
 * dump_pointers
 *		Write roots and pointers.  False if not all memory could be read.
 */
static pg_noinline bool
dump_pointers(void)
{
	Look look = {.look = {.pointer = dump_pointer, .stopped = dump_look_stopped}};
	RootListener listener = {.begin = dump_mapping, .arg = &look};
	bool complete;

	ga_look_begin(&process_heap, &look.look);
	complete = ScanRoots(&process_heap, &listener);
	dump_root(&look, 0, 0, FINALIZERS_ROOT);
	look.live = true;
	ga_sweep_live(&process_heap);
	return ga_look_end(&process_heap) && complete;
}

/*
 * dump_to
 *		Write the dump to an open file.  Returns the first error number, or 0.
 */
static int
dump_to(int fd)
{
	DumpHead head = {
		.version = DUMP_VERSION,
		.size = sizeof(head),
		.pid = MyProcPid,
		.major = PG_VERSION_NUM / 10000,
		.at = GetCurrentTimestamp(),
	};
	DumpEnd end = {0};

	memcpy(head.magic, DUMP_MAGIC, sizeof(head.magic));
	DumpWriterBegin(fd, &head);
	dump_types();
	dump_arenas();
	end.damaged = dump_objects();
	end.record.number = !dump_pointers();
	end.records = DumpWriterRecords();
	DumpWriterPut(DUMP_END, &end, sizeof(end));
	return DumpWriterEnd();
}

int
DumpWrite(int64 number)
{
	char name[DUMP_FILE_NAME];
	int error;
	int fd;

	Assert(SafeToSweep());
	DumpFileName(name, MyProcPid, number);
	fd = DumpFileCreate(name);
	if (fd < 0)
		return errno;
	sweeps_paused = true;
	error = dump_to(fd);
	sweeps_paused = false;
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error != 0)
		DumpFileRemove(name);
	return error;
}
