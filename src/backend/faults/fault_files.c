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
 * The names begin like those of temporary files, which base backups leave out (see BASE_BACKUP in
 * the server's manual).  Reports in other kinds of copies are known by the inode of their
 * directory, which each report has.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_utils.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "backend/faults/fault_files.h"
#include "backend/faults/report_text.h"

/* Attempts to find a free name: other processes may take one meanwhile. */
#define ATTEMPTS 8

/* Room for the name of a file in the directory. */
#define NAME_SIZE 64

static void
fault_file_name(char *name, size_t size, int i)
{
	ReportText text;

	ReportInit(&text, name, size);
	ReportString(&text, PG_TEMP_FILE_PREFIX ".");
	ReportNumber(&text, i);
}

void
FaultFilePath(char *path, size_t size, int i)
{
	char name[NAME_SIZE];

	fault_file_name(name, sizeof(name), i);
	snprintf(path, size, FAULT_DIRECTORY "/%s", name);
}

/*
 * fault_file_open_directory
 *		Open the directory, and make it if need be.  Its path is absolute, since a library may have
 *		changed the working directory.
 */
static int
fault_file_open_directory(void)
{
	char path[MAXPGPATH];
	ReportText text;

	if (DataDir == NULL)
		return -1;
	ReportInit(&text, path, sizeof(path));
	ReportString(&text, DataDir);
	ReportString(&text, "/" FAULT_DIRECTORY);
	if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

uint64
FaultFilesInstance(void)
{
	int directory = fault_file_open_directory();
	struct stat st;
	uint64 inode = 0;

	if (directory < 0)
		return 0;
	if (fstat(directory, &st) == 0)
		inode = st.st_ino;
	close(directory);
	return inode;
}

static bool
fault_file_write_all(int fd, const char *data, size_t length)
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
 * fault_file_free_oldest
 *		Remove the oldest of count reports.  If something else has such a name, it stays.
 */
static void
fault_file_free_oldest(int directory, int first, int count)
{
	char name[NAME_SIZE];
	struct timespec oldest = {0};
	int victim = -1;

	for (int i = first; i < first + count; i++)
	{
		struct stat st;

		fault_file_name(name, sizeof(name), i);
		if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(st.st_mode))
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
		fault_file_name(name, sizeof(name), victim);
		(void) unlinkat(directory, name, 0);
	}
}

/*
 * fault_file_link_to_free_name
 *		Give the file one of the fixed names.
 */
static bool
fault_file_link_to_free_name(int directory, const char *temporary, int first, int count)
{
	char name[NAME_SIZE];

	for (int attempt = 0; attempt < ATTEMPTS; attempt++)
	{
		for (int i = first; i < first + count; i++)
		{
			fault_file_name(name, sizeof(name), i);
			if (linkat(directory, temporary, directory, name, 0) == 0)
				return true;
			if (errno != EEXIST)
				return false;
		}
		fault_file_free_oldest(directory, first, count);
	}
	return false;
}

/*
 * fault_file_create
 *		Write a report to a file whose name is this process's own.  False if that fails, or
 *		something else has the name.
 */
static bool
fault_file_create(int directory, const char *name, const char *report)
{
	int fd;
	bool written;

	(void) unlinkat(directory, name, 0);
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				S_IRUSR | S_IWUSR);
	if (fd < 0)
		return false;
	written = fault_file_write_all(fd, report, strlen(report));
	return close(fd) == 0 && written;
}

/*
 * FaultFileWrite
 *		Does not wait for the disk: a report need not outlive a crash of the system.
 */
bool
FaultFileWrite(const char *report, bool warning)
{
	char temporary[NAME_SIZE];
	ReportText text;
	int directory = fault_file_open_directory();
	bool kept;

	if (directory < 0)
		return false;
	ReportInit(&text, temporary, sizeof(temporary));
	ReportString(&text, PG_TEMP_FILE_PREFIX ".new.");
	ReportNumber(&text, getpid());
	kept = fault_file_create(directory, temporary, report) &&
		   fault_file_link_to_free_name(directory, temporary, warning ? FAULT_FILES_FAULTS : 0,
										warning ? FAULT_FILES_WARNINGS : FAULT_FILES_FAULTS);
	(void) unlinkat(directory, temporary, 0);
	close(directory);
	return kept;
}
