/*-------------------------------------------------------------------------
 *
 * history_format.h
 *	  What is in the file of the history.
 *
 * The file has a head and then records of one size, a ring.  Records are numbered; record
 * n lies in place n modulo the number of places, and has a checksum of its own.  A sample
 * is a record for each process, the largest first, and then one for the machine.  Only with
 * that last one it is whole.
 *
 * So nothing in the file leads to another part of it, and whatever is damaged is a place
 * like one that was never written.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_HISTORY_FORMAT_H
#define GOARENA_HISTORY_FORMAT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/pg_crc32c.h"

#include "backend/registry/machine_memory.h"

#define HISTORY_MAGIC  0x67616869 /* gahi */
#define HISTORY_FORMAT 1

/* Bytes: of the head with what is unused behind it, and of each record. */
#define HISTORY_HEAD_SIZE	4096
#define HISTORY_RECORD_SIZE 1024

typedef struct HistoryHead
{
	uint32 magic;
	uint32 format;
	uint32 major; /* of the server: types of processes and query identifiers depend on it */
	uint32 record_size;
	uint64 places; /* for records */
	uint64 inode;  /* of the file, by which copies are known */
	pg_crc32c crc; /* of all before */
} HistoryHead;

typedef enum HistoryKind
{
	HISTORY_NOTHING, /* never written */
	HISTORY_PROCESS,
	HISTORY_MACHINE, /* ends a sample */
	HISTORY_START,	 /* the first record of a run of the server, or of its recorder */
	HISTORY_END		 /* the last one, if it could be written; like the first, an event */
} HistoryKind;

/* How a run ended.  The first two are in order. */
typedef enum HistoryEnding
{
	ENDING_STOPPED,
	ENDING_OFF,		   /* the history was switched off */
	ENDING_CRASH,	   /* the server stopped its processes since one crashed */
	ENDING_IMMEDIATE,  /* immediate shutdown */
	ENDING_POSTMASTER, /* the server's main process was gone */
	ENDING_SILENT	   /* nothing was said: the recorder was killed, with or without the rest */
} HistoryEnding;

typedef enum HistoryState
{
	STATE_OTHER, /* none is known */
	STATE_IS_IDLE,
	STATE_IS_ACTIVE,
	STATE_IS_IDLE_IN_TRANSACTION,
	STATE_IS_IDLE_ABORTED,
	STATE_IS_FASTPATH,
	STATE_IS_DISABLED
} HistoryState;

#define HISTORY_CONTEXTS 5	/* the largest ones of a process */
#define HISTORY_NAME	 64 /* bytes of a name, with the end */
#define HISTORY_QUERY	 480

typedef struct HistoryContext
{
	uint64 held;	 /* bytes, by all contexts of this name */
	uint64 contexts; /* how many these are */
	char name[HISTORY_NAME];
} HistoryContext;

typedef struct HistoryProcess
{
	uint32 left; /* records from this to the one that ends the sample */
	int32 pid;
	int32 backend_type;
	int32 state;
	Oid role;
	Oid database;
	int32 contexts; /* that are there */
	uint32 unused;
	TimestampTz published; /* when the process published these figures */
	TimestampTz backend_start;
	TimestampTz query_start;
	int64 query_id;
	uint64 held;
	uint64 statement_peak;
	uint64 transaction_peak;
	uint64 process_peak;
	HistoryContext largest[HISTORY_CONTEXTS];
	char query[HISTORY_QUERY]; /* of the present statement, or the last one */
} HistoryProcess;

typedef struct HistoryMachine
{
	TimestampTz at;	   /* of the sample */
	uint32 records;	   /* of processes, before this one */
	uint32 processes;  /* that there were; more if there was no room for all */
	uint64 total_held; /* by all of them */
	MachineMemory memory;
} HistoryMachine;

/* Of the start or the end of a run */
typedef struct HistoryEvent
{
	TimestampTz at;
	int32 ending; /* of an end */
} HistoryEvent;

typedef struct HistoryRecord
{
	pg_crc32c crc; /* of the rest */
	uint32 kind;
	uint64 number;
	union
	{
		HistoryProcess process;
		HistoryMachine machine;
		HistoryEvent event;
		char bytes[HISTORY_RECORD_SIZE - 16];
	} u;
} HistoryRecord;

StaticAssertDecl(sizeof(HistoryRecord) == HISTORY_RECORD_SIZE, "records have one size");
StaticAssertDecl(sizeof(HistoryHead) <= HISTORY_HEAD_SIZE, "the head has room");

static inline pg_crc32c
HistoryRecordChecksum(const HistoryRecord *record)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, (const char *) record + sizeof(record->crc),
				sizeof(*record) - sizeof(record->crc));
	FIN_CRC32C(crc);
	return crc;
}

#endif /* GOARENA_HISTORY_FORMAT_H */
