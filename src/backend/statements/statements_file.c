/*-------------------------------------------------------------------------
 *
 * statements_file.c
 *	  Where the table of statements is kept while the server is down.
 *
 * The file has a head, the rows, and a checksum of both.  It belongs to one
 * version of the format and one major of the server, since identifiers of
 * queries change with the latter.  It is removed when it was read, so that
 * a server that crashes does not go back to it, and base backups do not take it
 * elsewhere.  Whatever else lies in its place must not keep the server from starting or
 * stopping.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "backend/statements/statements_file.h"

#define STATEMENTS_FILE PGSTAT_STAT_PERMANENT_DIRECTORY "/goarena_statements.stat"
#define MAGIC			0x6761736d /* gasm */
#define FORMAT			1

/* More rows than anybody keeps: a file that says so is not read into memory. */
#define MOST_ROWS 10000000

typedef struct FileHead
{
	uint32 magic;
	uint32 format;
	uint32 major;
	uint32 row_size;
	int64 count;
} FileHead;

/*
 * statements_file_write_all
 *		Write the head, the rows and the checksum.  False if that fails.
 */
static bool
statements_file_write_all(FILE *file, const FileHead *head, const StatementRow *rows)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, head, sizeof(*head));
	COMP_CRC32C(crc, rows, sizeof(StatementRow) * (Size) head->count);
	FIN_CRC32C(crc);
	return fwrite(head, sizeof(*head), 1, file) == 1 &&
		   fwrite(rows, sizeof(StatementRow), (size_t) head->count, file) == (size_t) head->count &&
		   fwrite(&crc, sizeof(crc), 1, file) == 1;
}

void
StatementsFileWrite(const StatementRow *rows, int count)
{
	FileHead head = {
		.magic = MAGIC,
		.format = FORMAT,
		.major = PG_VERSION_NUM / 10000,
		.row_size = sizeof(StatementRow),
		.count = count,
	};
	FILE *file;
	bool written;

	/* Whatever has that name is not opened: a named pipe would wait for who reads it. */
	(void) unlink(STATEMENTS_FILE ".tmp");
	file = AllocateFile(STATEMENTS_FILE ".tmp", PG_BINARY_W);
	written = file != NULL && statements_file_write_all(file, &head, rows);
	if (file != NULL && FreeFile(file) != 0)
		written = false;
	if (written)
		(void) durable_rename(STATEMENTS_FILE ".tmp", STATEMENTS_FILE, LOG);
	else
	{
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("could not write file \"%s\": %m", STATEMENTS_FILE ".tmp")));
		unlink(STATEMENTS_FILE ".tmp");
	}
}

/*
 * statements_file_read_rows
 *		Read at most this many rows.  NULL if anything about the file is wrong, also its length.
 */
static StatementRow *
statements_file_read_rows(FILE *file, int most, int *count)
{
	StatementRow *rows;
	FileHead head;
	struct stat st;
	pg_crc32c crc;
	pg_crc32c stored;
	int64 read = 0;

	if (fread(&head, sizeof(head), 1, file) != 1 || fstat(fileno(file), &st) != 0)
		return NULL;
	if (head.magic != MAGIC || head.format != FORMAT || head.major != PG_VERSION_NUM / 10000 ||
		head.row_size != sizeof(StatementRow) || head.count < 0 || head.count > MOST_ROWS ||
		st.st_size !=
			(off_t) (sizeof(head) + sizeof(StatementRow) * (size_t) head.count + sizeof(stored)))
		return NULL;

	*count = (int) Min(head.count, most);
	rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(StatementRow) * (Size) (*count + 1));
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &head, sizeof(head));
	for (; read < head.count; read++)
	{
		/* Those that are too many have the last place in turn. */
		StatementRow *row = &rows[Min(read, *count)];

		if (fread(row, sizeof(*row), 1, file) != 1)
			break;
		COMP_CRC32C(crc, row, sizeof(*row));
	}
	FIN_CRC32C(crc);
	if (read == head.count && fread(&stored, sizeof(stored), 1, file) == 1 &&
		EQ_CRC32C(stored, crc))
		return rows;
	*count = 0;
	pfree(rows);
	return NULL;
}

/*
 * statements_file_read
 *		The same for whatever has the name of the file.
 */
static StatementRow *
statements_file_read(const struct stat *st, int most, int *count)
{
	StatementRow *rows;
	FILE *file;

	if (!S_ISREG(st->st_mode))
		return NULL;
	file = AllocateFile(STATEMENTS_FILE, PG_BINARY_R);
	if (file == NULL)
		return NULL;
	rows = statements_file_read_rows(file, most, count);
	FreeFile(file);
	return rows;
}

StatementRow *
StatementsFileRead(int most, int *count)
{
	struct stat st;
	StatementRow *rows;

	*count = 0;
	if (lstat(STATEMENTS_FILE, &st) != 0)
	{
		if (errno != ENOENT)
			ereport(LOG, (errcode_for_file_access(),
						  errmsg("could not read file \"%s\": %m", STATEMENTS_FILE)));
		return NULL;
	}
	rows = statements_file_read(&st, most, count);
	if (rows == NULL)
		ereport(LOG, (errcode(ERRCODE_DATA_CORRUPTED),
					  errmsg("ignoring invalid data in file \"%s\"", STATEMENTS_FILE),
					  errdetail("It is damaged, or of another version of goarena or the server.")));
	unlink(STATEMENTS_FILE);
	return rows;
}
