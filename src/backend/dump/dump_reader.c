/*-------------------------------------------------------------------------
 *
 * dump_reader.c
 *	  Reading the records of a heap dump, none of which is trusted.
 *
 * A file can have been cut off or damaged.  Another version, or another program, can have made it.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "backend/dump/dump_files.h"
#include "backend/dump/dump_reader.h"

struct DumpReader
{
	const char *name;
	int fd;
	uint64 blocks;	/* read so far */
	uint64 records; /* likewise */
	size_t size;	/* bytes of records in the block */
	size_t at;		/* the next one */
	bool ended;		/* the last one was read */
	uint64 read;	/* bytes of the file */
	union
	{
		char bytes[DUMP_BLOCK_MAX];
		uint64 alignment;
	} block;
};

/* The length in bytes of a record of each kind. */
static const uint16 record_sizes[DUMP_KINDS] = {
	[DUMP_TYPE] = sizeof(DumpType),	  [DUMP_ARENA] = sizeof(DumpArena),
	[DUMP_CHUNK] = sizeof(DumpChunk), [DUMP_OBJECT] = sizeof(DumpObject),
	[DUMP_ROOT] = sizeof(DumpRoot),	  [DUMP_POINTER] = sizeof(DumpPointer),
	[DUMP_END] = sizeof(DumpEnd),
};

void
DumpReaderFail(const DumpReader *reader, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("heap dump \"%s\" is damaged", reader->name), errdetail("%s", detail)));
}

/*
 * reader_read
 *		Read size bytes of the file.  Returns how many there were.
 */
static size_t
reader_read(DumpReader *reader, void *to, size_t size)
{
	size_t got = 0;

	while (got < size)
	{
		ssize_t now = read(reader->fd, (char *) to + got, size - got);

		if (now < 0 && errno == EINTR)
			continue;
		if (now < 0)
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not read heap dump \"%s\": %m", reader->name)));
		if (now == 0)
			break;
		got += (size_t) now;
	}

	/* The file may have grown since it was opened. */
	reader->read += got;
	if (reader->read > DUMP_FILE_MAX)
		DumpReaderFail(reader, "It is longer than any dump.");
	return got;
}

static void
reader_check_head(DumpReader *reader)
{
	DumpHead head;
	size_t got = reader_read(reader, &head, sizeof(head));

	if (got < offsetof(DumpHead, size) || memcmp(head.magic, DUMP_MAGIC, sizeof(head.magic)) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("file \"%s\" is not a heap dump of goarena", reader->name)));
	if (head.version != DUMP_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("heap dump \"%s\" has a format that cannot be read", reader->name),
				 errdetail("Its version is %u, and this library of goarena reads version %d.",
						   head.version, DUMP_VERSION)));
	if (got < sizeof(head))
		DumpReaderFail(reader, "It ends within its head.");
	if (!EQ_CRC32C(DumpHeadCrc(&head), head.crc) || head.size != sizeof(head))
		DumpReaderFail(reader, "The checksum of its head is wrong.");
}

DumpReader *
DumpReaderOpen(const char *name)
{
	DumpReader *reader = palloc0(sizeof(DumpReader));

	reader->name = pstrdup(name);
	reader->fd = DumpFileOpen(name);
	reader_check_head(reader);
	return reader;
}

/*
 * reader_next_block
 *		Read and check the next block.  False at the end of the file.
 */
static bool
reader_next_block(DumpReader *reader)
{
	DumpBlock head;
	size_t got = reader_read(reader, &head, sizeof(head));

	CHECK_FOR_INTERRUPTS();
	if (got == 0)
		return false;
	if (got < sizeof(head))
		DumpReaderFail(reader, "It ends within the head of a block.");
	if (head.size == 0 || head.size > DUMP_BLOCK_MAX)
		DumpReaderFail(reader, "A block has a length that is not possible.");
	if (reader_read(reader, reader->block.bytes, head.size) < head.size)
		DumpReaderFail(reader, "It ends within a block.");
	if (!EQ_CRC32C(DumpBlockCrc(reader->blocks, reader->block.bytes, head.size), head.crc))
		DumpReaderFail(reader, "The checksum of a block is wrong.");
	reader->blocks++;
	reader->size = head.size;
	reader->at = 0;
	return true;
}

/*
 * reader_check_name
 *		Raise an error unless a name ends within its size bytes.
 */
static void
reader_check_name(const DumpReader *reader, const char *name, size_t size)
{
	if (memchr(name, '\0', size) == NULL)
		DumpReaderFail(reader, "A name has no end.");
}

static void
reader_check_names(const DumpReader *reader, const DumpRecord *record)
{
	if (record->kind == DUMP_TYPE)
		reader_check_name(reader, ((const DumpType *) record)->name, DUMP_NAME);
	else if (record->kind == DUMP_ARENA)
	{
		reader_check_name(reader, ((const DumpArena *) record)->name, DUMP_NAME);
		reader_check_name(reader, ((const DumpArena *) record)->parent, DUMP_NAME);
	}
	else if (record->kind == DUMP_ROOT)
		reader_check_name(reader, ((const DumpRoot *) record)->name,
						  sizeof(((const DumpRoot *) record)->name));
}

const DumpRecord *
DumpReaderNext(DumpReader *reader)
{
	const DumpRecord *record;
	size_t left;

	if (reader->at == reader->size && !reader_next_block(reader))
	{
		if (!reader->ended)
			DumpReaderFail(reader, "It has no end: it was cut off, or is still being written.");
		return NULL;
	}
	if (reader->ended)
		DumpReaderFail(reader, "Something follows its end.");
	left = reader->size - reader->at;
	record = (const DumpRecord *) (reader->block.bytes + reader->at);
	if (left < sizeof(DumpRecord) || record->kind >= DUMP_KINDS ||
		record->size != record_sizes[record->kind] || record->size == 0 || record->size > left)
		DumpReaderFail(reader, "A record has a kind or length that is not possible.");
	reader_check_names(reader, record);
	reader->at += record->size;
	if (record->kind == DUMP_END)
	{
		reader->ended = true;
		if (((const DumpEnd *) record)->records != reader->records)
			DumpReaderFail(reader, "Records are missing.");
	}
	reader->records++;
	return record;
}

void
DumpReaderClose(DumpReader *reader)
{
	CloseTransientFile(reader->fd);

	/* Sweeps would take what is left here for pointers. */
	memset(&reader->block, 0, sizeof(reader->block));
	pfree(reader);
}
