/*-------------------------------------------------------------------------
 *
 * fault_log.c
 *	  Writing to the server log in a signal handler.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/syslogger.h"

#include "backend/faults/fault_log.h"
#include "backend/faults/fault_report.h"

/* elog.c declares this for EXEC_BACKEND only.  True: stderr is the log collector's pipe. */
extern bool redirection_done;

/*
 * fault_log_write_all
 *		Write all bytes to stderr, also if signals interrupt that.
 */
static void
fault_log_write_all(const void *data, size_t length)
{
	const char *at = data;

	while (length > 0)
	{
		ssize_t written = write(STDERR_FILENO, at, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		at += written;
		length -= (size_t) written;
	}
}

/*
 * fault_log_write_to_collector
 *		Write to the log collector, which wants pieces with a header, see syslogger.h.
 */
static void
fault_log_write_to_collector(const char *data, size_t length)
{
	PipeProtoChunk piece;

	piece.proto.nuls[0] = piece.proto.nuls[1] = '\0';
	piece.proto.pid = getpid();
	while (length > 0)
	{
		size_t part = Min(length, PIPE_MAX_PAYLOAD);

		piece.proto.flags = PIPE_PROTO_DEST_STDERR | (part == length ? PIPE_PROTO_IS_LAST : 0);
		piece.proto.len = (uint16) part;
		memcpy(piece.proto.data, data, part);
		fault_log_write_all(&piece, PIPE_HEADER_SIZE + part);
		data += part;
		length -= part;
	}
}

void
FaultLogBegin(ReportText *text, const char *what)
{
	ReportTime(text, FaultReportNow());
	ReportString(text, " [");
	ReportNumber(text, getpid());
	ReportString(text, "] LOG:  goarena: ");
	ReportString(text, what);
	ReportString(text, "\n");
}

char *
FaultLogBody(const ReportText *text)
{
	char *newline = strchr(text->data, '\n');

	return newline == NULL ? text->data : newline + 1;
}

/*
 * FaultLogWrite
 *		The collector itself writes to stderr: it would wait for itself to read from its pipe.
 */
void
FaultLogWrite(const ReportText *text)
{
	if (MyBackendType == B_LOGGER)
		return;
	if (redirection_done)
		fault_log_write_to_collector(text->data, text->length);
	else
		fault_log_write_all(text->data, text->length);
}

void
FaultLogLine(const char *what)
{
	char line[256];
	ReportText text;

	ReportInit(&text, line, sizeof(line));
	FaultLogBegin(&text, what);
	FaultLogWrite(&text);
}
