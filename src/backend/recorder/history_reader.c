/*-------------------------------------------------------------------------
 *
 * history_reader.c
 *	  Reading the records of a history in order.
 *
 * All places are read once to see what is in them, and again when their turn comes; by
 * then the recorder may have written over the oldest, which are passed over.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "backend/recorder/history_file.h"
#include "backend/recorder/history_reader.h"

/* Records that are read at a time. */
#define READ_RECORDS 64

/* What is in a place. */
typedef struct Place
{
	uint64 number;
	uint32 kind;  /* HISTORY_NOTHING: nothing that is whole */
	uint32 count; /* of a process: records left in its sample; of a machine: of processes */
} Place;

struct HistoryReader
{
	int file;
	uint64 places;
	uint64 first; /* numbers: of the oldest record that there can be, */
	uint64 end;	  /* and the one after the newest */
	uint64 next;  /* to look at */
	uint64 sample_next;
	uint64 sample_end; /* processes of the present sample that are still to be read */
	Place *index;
};

static off_t
reader_offset(uint64 place)
{
	return (off_t) (HISTORY_HEAD_SIZE + place * HISTORY_RECORD_SIZE);
}

/*
 * reader_check
 *		Is the record whole, and in its place?
 */
static bool
reader_check(const HistoryReader *reader, const HistoryRecord *record, uint64 place)
{
	return record->kind > HISTORY_NOTHING && record->kind <= HISTORY_END &&
		   record->number < UINT64_MAX / 2 && record->number % reader->places == place &&
		   EQ_CRC32C(record->crc, HistoryRecordChecksum(record));
}

static void
reader_note(HistoryReader *reader, const HistoryRecord *record, uint64 place)
{
	Place *entry = &reader->index[place];

	entry->kind = HISTORY_NOTHING;
	if (!reader_check(reader, record, place))
		return;
	entry->kind = record->kind;
	entry->number = record->number;
	entry->count = record->kind == HISTORY_PROCESS	 ? record->u.process.left
				   : record->kind == HISTORY_MACHINE ? record->u.machine.records
													 : 0;
	reader->end = Max(reader->end, record->number + 1);
}

/*
 * reader_look
 *		See what is in all places.  Where reading fails there is nothing.
 */
static void
reader_look(HistoryReader *reader)
{
	HistoryRecord *records = palloc(READ_RECORDS * sizeof(HistoryRecord));

	for (uint64 place = 0; place < reader->places; place += READ_RECORDS)
	{
		Size wanted = Min(READ_RECORDS, reader->places - place);
		ssize_t got =
			pread(reader->file, records, wanted * sizeof(HistoryRecord), reader_offset(place));
		Size whole = got < 0 ? 0 : (Size) got / sizeof(HistoryRecord);

		CHECK_FOR_INTERRUPTS();
		for (Size i = 0; i < whole; i++)
			reader_note(reader, &records[i], place + i);
	}
	pfree(records);
}

HistoryReader *
HistoryReaderOpen(const char *path, const char **reason)
{
	HistoryHead head;
	HistoryReader *reader;
	int file = HistoryFileOpen(path, false, &head, reason);

	if (file < 0)
		return NULL;
	reader = palloc0(sizeof(*reader));
	reader->file = file;
	reader->places = head.places;
	reader->index = MemoryContextAllocExtended(CurrentMemoryContext, head.places * sizeof(Place),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	reader_look(reader);
	reader->first = reader->end > reader->places ? reader->end - reader->places : 0;
	HistoryReaderRewind(reader);
	return reader;
}

void
HistoryReaderClose(HistoryReader *reader)
{
	CloseTransientFile(reader->file);
	pfree(reader->index);
	pfree(reader);
}

void
HistoryReaderRewind(HistoryReader *reader)
{
	reader->next = reader->first;
	reader->sample_next = reader->sample_end = 0;
}

uint64
HistoryReaderNextNumber(const HistoryReader *reader)
{
	return reader->end;
}

static bool
reader_has(const HistoryReader *reader, uint64 number, HistoryKind kind)
{
	const Place *entry = &reader->index[number % reader->places];

	return entry->kind == kind && entry->number == number;
}

/*
 * reader_end_of_sample
 *		The number of the record that ends the sample which begins here; 0 if it is
 *		not whole.
 */
static uint64
reader_end_of_sample(const HistoryReader *reader, uint64 number)
{
	uint32 count = reader->index[number % reader->places].count;
	uint64 end = number + count;

	if (count == 0 || end >= reader->end || !reader_has(reader, end, HISTORY_MACHINE) ||
		reader->index[end % reader->places].count != count)
		return 0;
	for (uint64 i = number; i < end; i++)
		if (!reader_has(reader, i, HISTORY_PROCESS))
			return 0;
	return end;
}

/*
 * reader_read
 *		Read a record again.  Texts end, and counts are possible, whoever wrote it.
 */
static bool
reader_read(const HistoryReader *reader, uint64 number, HistoryRecord *record)
{
	uint64 place = number % reader->places;

	if (pread(reader->file, record, sizeof(*record), reader_offset(place)) !=
			(ssize_t) sizeof(*record) ||
		!reader_check(reader, record, place) || record->number != number)
		return false;
	if (record->kind == HISTORY_PROCESS)
	{
		HistoryProcess *process = &record->u.process;

		process->query[HISTORY_QUERY - 1] = '\0';
		process->contexts = Max(0, Min(process->contexts, HISTORY_CONTEXTS));
		for (int i = 0; i < HISTORY_CONTEXTS; i++)
			process->largest[i].name[HISTORY_NAME - 1] = '\0';
	}
	return true;
}

/*
 * reader_step
 *		The number of the record that is to be read next, or false at the end.
 */
static bool
reader_step(HistoryReader *reader, uint64 *number)
{
	if (reader->sample_next < reader->sample_end)
	{
		*number = reader->sample_next++;
		return true;
	}
	while (reader->next < reader->end)
	{
		uint64 at = reader->next++;
		uint64 end;

		CHECK_FOR_INTERRUPTS();
		*number = at;
		if (reader_has(reader, at, HISTORY_START) || reader_has(reader, at, HISTORY_END) ||
			(reader_has(reader, at, HISTORY_MACHINE) &&
			 reader->index[at % reader->places].count == 0))
			return true;
		end = reader_has(reader, at, HISTORY_PROCESS) ? reader_end_of_sample(reader, at) : 0;
		if (end == 0)
			continue;
		reader->sample_next = at;
		reader->sample_end = *number = end;
		reader->next = end + 1;
		return true;
	}
	return false;
}

bool
HistoryReaderNext(HistoryReader *reader, HistoryRecord *record)
{
	uint64 number;

	while (reader_step(reader, &number))
	{
		if (reader_read(reader, number, record))
			return true;
		/* Without the record of the machine nobody knows when the others were. */
		if (number == reader->sample_end)
			reader->sample_next = reader->sample_end;
	}
	return false;
}
