/*-------------------------------------------------------------------------
 *
 * dump_writer.c
 *	  Writing the records of a heap dump.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "backend/dump/dump_writer.h"

typedef struct Writer
{
	int fd;
	int error;		/* the first one; 0: none */
	uint64 written; /* bytes */
	uint64 blocks;
	uint64 records;
	size_t filled; /* bytes of the block */
	DumpBlock head;
	char block[DUMP_BLOCK_MAX];
} Writer;

static Writer writer;

static void
writer_write(const void *from, size_t size)
{
	const char *at = from;

	if (writer.error == 0 && writer.written + size > DUMP_FILE_MAX)
		writer.error = EFBIG;
	writer.written += size;
	while (size > 0 && writer.error == 0)
	{
		ssize_t written = write(writer.fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			writer.error = written == 0 ? ENOSPC : errno;
			return;
		}
		at += written;
		size -= (size_t) written;
	}
}

/*
 * writer_flush
 *		Write the block, with its head before it.
 */
static void
writer_flush(void)
{
	if (writer.filled == 0)
		return;
	writer.head = (DumpBlock){.size = (uint32) writer.filled,
							  .crc = DumpBlockCrc(writer.blocks, writer.block, writer.filled)};
	writer_write(&writer.head, sizeof(writer.head));
	writer_write(writer.block, writer.filled);
	writer.blocks++;
	writer.filled = 0;
}

void
DumpWriterBegin(int fd, const DumpHead *head)
{
	DumpHead whole = *head;

	writer.fd = fd;
	writer.error = 0;
	writer.written = writer.blocks = writer.records = 0;
	writer.filled = 0;
	whole.crc = DumpHeadCrc(&whole);
	writer_write(&whole, sizeof(whole));
}

void
DumpWriterPut(DumpKind kind, void *record, size_t size)
{
	DumpRecord *head = record;

	if (writer.error != 0)
		return;
	head->kind = (uint16) kind;
	head->size = (uint16) size;
	if (size > sizeof(writer.block) - writer.filled)
		writer_flush();
	memcpy(writer.block + writer.filled, record, size);
	writer.filled += size;
	writer.records++;
}

uint64
DumpWriterRecords(void)
{
	return writer.records;
}

void
DumpWriterFail(int error)
{
	if (writer.error == 0)
		writer.error = error;
}

int
DumpWriterError(void)
{
	return writer.error;
}

int
DumpWriterEnd(void)
{
	writer_flush();

	/* Sweeps would take what is left here for pointers. */
	memset(writer.block, 0, sizeof(writer.block));
	return writer.error;
}

bool
DumpWriterHas(uintptr_t address)
{
	return address - (uintptr_t) &writer < sizeof(writer);
}
