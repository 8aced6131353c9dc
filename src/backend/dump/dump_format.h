/*-------------------------------------------------------------------------
 *
 * dump_format.h
 *	  The format of heap dumps. docs/dump.md describes it for users.
 *
 * A file has a head, and blocks of records, each block with its length and checksum.  Records
 * begin with their kind and length, do not go on in another block, and are in this order:
 * types and arenas; chunks, each with its objects, in order of address; roots, each with the pointers
 * that were found in it; the pointers in objects; the end.
 *
 * All numbers are in the byte order of the machine.  A file with the other byte order is known by
 * its version.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_DUMP_FORMAT_H
#define GOARENA_DUMP_FORMAT_H

#include "postgres.h"

#include "port/pg_crc32c.h"

/* The first 8 bytes. */
#define DUMP_MAGIC	 "goadump\n"
#define DUMP_VERSION 1

/* The most bytes that a file has.  So a reader knows how much memory it may need. */
#define DUMP_FILE_MAX ((uint64) 2 << 30)

/* Bytes of records in a block. */
#define DUMP_BLOCK_MAX (64 * 1024)

/* Bytes of names with the zero at the end. */
#define DUMP_NAME 64

typedef struct DumpHead
{
	char magic[8];
	uint32 version;
	uint32 size; /* of this struct */
	int32 pid;
	int32 major; /* of the server */
	int64 at;	 /* a TimestampTz */
	uint32 spare;
	uint32 crc; /* CRC-32C of all before */
} DumpHead;

typedef struct DumpBlock
{
	uint32 size; /* bytes of records that follow */
	uint32 crc;	 /* CRC-32C of the number of the block, from 0 as 64 bits, and of the records */
} DumpBlock;

typedef enum DumpKind
{
	DUMP_TYPE = 1,
	DUMP_ARENA,
	DUMP_CHUNK,
	DUMP_OBJECT,
	DUMP_ROOT,
	DUMP_POINTER,
	DUMP_END
} DumpKind;

#define DUMP_KINDS (DUMP_END + 1)

typedef struct DumpRecord
{
	uint16 kind; /* DumpKind */
	uint16 size; /* bytes with this */
	uint32
		number; /* the object's type, 0 if it is not known; the root that a pointer is in; else see there */
} DumpRecord;

/* number: the type's number, from 1 on, to which objects refer */
typedef struct DumpType
{
	DumpRecord record;
	uint64 size; /* bytes of one object */
	char name[DUMP_NAME];
} DumpType;

/* number: 0 if it is not quarantined, 1 on, 2 strict */
typedef struct DumpArena
{
	DumpRecord record;
	uint64 id;
	char name[DUMP_NAME]; /* of the context */
	char parent[DUMP_NAME];
} DumpArena;

/* number: ga_chunk_state */
typedef struct DumpChunk
{
	DumpRecord record;
	uint64 base;
	uint64 size;
	uint64 from; /* its objects lie between these; 0 if it has none */
	uint64 to;
	uint64 arena_id; /* 0: none */
} DumpChunk;

typedef struct DumpObject
{
	DumpRecord record;
	uint64 address;
	uint64 size;
	uint64 arena_id;
	uint32 state;  /* ga_object_state */
	uint32 noscan; /* 1: it has neither header nor pointers */
} DumpObject;

/* number: the root's number, from 0 on */
typedef struct DumpRoot
{
	DumpRecord record;
	uint64 from;
	uint64 to;
	char name[2 * DUMP_NAME]; /* the end of it, if it is longer */
} DumpRoot;

/* The number of the root of pointers that lie in objects. */
#define DUMP_NO_ROOT UINT32_MAX

typedef struct DumpPointer
{
	DumpRecord record;
	uint64 where; /* the word's own address */
	uint64 to;
} DumpPointer;

/* number: 1 if not all memory could be read */
typedef struct DumpEnd
{
	DumpRecord record;
	uint64 records; /* of all kinds before this one */
	uint64 damaged; /* chunks in which a header was overwritten, so that objects are missing */
} DumpEnd;

/* The checksum that a head has, over all that comes before it. */
static inline pg_crc32c
DumpHeadCrc(const DumpHead *head)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, head, offsetof(DumpHead, crc));
	FIN_CRC32C(crc);
	return crc;
}

/* The checksum of the records in a block, and of how many blocks come before it. */
static inline pg_crc32c
DumpBlockCrc(uint64 blocks, const void *records, size_t size)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &blocks, sizeof(blocks));
	COMP_CRC32C(crc, records, size);
	FIN_CRC32C(crc);
	return crc;
}

#endif /* GOARENA_DUMP_FORMAT_H */
