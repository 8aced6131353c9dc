/*-------------------------------------------------------------------------
 *
 * fault_files.c
 *	  Where fault reports are kept.
 *
 * Listing a directory allocates memory, which a signal handler may not do, so
 * the files have fixed names.  A report is written to a file of the process's
 * own, which is then linked to a free name, or to that of the oldest report.
 * link() never replaces a file, so two processes that fault at the same time
 * cannot overwrite each other's report.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/fault_files.h"
#include "backend/report_text.h"

/* Attempts to find a name, in case others fault meanwhile. */
#define ATTEMPTS 8

void
FaultFilePath(char *path, size_t size, int i)
{
	ReportText text;

	ReportInit(&text, path, size);
	ReportString(&text, FAULT_DIRECTORY "/");
	ReportNumber(&text, i);
}

static bool
WriteAll(int fd, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		data += written;
		length -= (size_t) written;
	}
	return true;
}

/*
 * FreeOldest
 *		Remove the oldest report.
 */
static void
FreeOldest(void)
{
	char path[MAXPGPATH];
	struct timespec oldest = {0};
	int victim = -1;

	for (int i = 0; i < FAULT_FILES; i++)
	{
		struct stat st;

		FaultFilePath(path, sizeof(path), i);
		if (stat(path, &st) != 0)
			continue;
		if (victim < 0 || st.st_mtim.tv_sec < oldest.tv_sec ||
			(st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec < oldest.tv_nsec))
		{
			victim = i;
			oldest = st.st_mtim;
		}
	}
	if (victim >= 0)
	{
		FaultFilePath(path, sizeof(path), victim);
		(void) unlink(path);
	}
}

/*
 * LinkToFreeName
 *		Give the file one of the fixed names.
 */
static bool
LinkToFreeName(const char *temporary)
{
	char path[MAXPGPATH];

	for (int attempt = 0; attempt < ATTEMPTS; attempt++)
	{
		for (int i = 0; i < FAULT_FILES; i++)
		{
			FaultFilePath(path, sizeof(path), i);
			if (link(temporary, path) == 0)
				return true;
			if (errno != EEXIST)
				return false;
		}
		FreeOldest();
	}
	return false;
}

bool
FaultFileWrite(const char *report, size_t length)
{
	char temporary[MAXPGPATH];
	ReportText text;
	int fd;
	bool kept;

	if (mkdir(FAULT_DIRECTORY, S_IRWXU) != 0 && errno != EEXIST)
		return false;
	ReportInit(&text, temporary, sizeof(temporary));
	ReportString(&text, FAULT_DIRECTORY "/new.");
	ReportNumber(&text, getpid());

	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return false;
	kept = WriteAll(fd, report, length);
	kept = fsync(fd) == 0 && kept;
	kept = close(fd) == 0 && kept;
	if (kept)
		kept = LinkToFreeName(temporary);
	(void) unlink(temporary);
	return kept;
}
