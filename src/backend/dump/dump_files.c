/*-------------------------------------------------------------------------
 *
 * dump_files.c
 *	  Where heap dumps are kept.
 *
 * The names begin like those of temporary files, which base backups leave out: a dump has
 * addresses, and names of what users do.
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

#include "backend/dump/dump_files.h"
#include "backend/dump/dump_format.h"

void
DumpFileName(char *name, int pid, int64 number)
{
	snprintf(name, DUMP_FILE_NAME, PG_TEMP_FILE_PREFIX ".%d." INT64_FORMAT, pid, number);
}

/*
 * dump_files_open_directory
 *		Open the directory, and make it first if make is true.  Its path is absolute, since a
 *		library may have changed the working directory.
 */
static int
dump_files_open_directory(bool make)
{
	char path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/" DUMP_DIRECTORY, DataDir);
	if (make && mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * dump_files_close
 *		Close the directory without changing errno.
 */
static void
dump_files_close(int directory)
{
	int error = errno;

	close(directory);
	errno = error;
}

int
DumpFileCreate(const char *name)
{
	int directory = dump_files_open_directory(true);
	int fd;

	if (directory < 0)
		return -1;
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				S_IRUSR | S_IWUSR);
	dump_files_close(directory);
	return fd;
}

void
DumpFileRemove(const char *name)
{
	int directory = dump_files_open_directory(false);

	if (directory < 0)
		return;
	(void) unlinkat(directory, name, 0);
	close(directory);
}

static void
dump_files_check_name(const char *name)
{
	if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
		strcmp(name, "..") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("invalid name of a heap dump: \"%s\"", name),
				 errhint("goarena_dump() returns the name of a file in \"%s\".", DUMP_DIRECTORY)));
}

int
DumpFileOpen(const char *name)
{
	char path[MAXPGPATH];
	struct stat st;
	int fd;

	dump_files_check_name(name);
	if (snprintf(path, sizeof(path), "%s/" DUMP_DIRECTORY "/%s", DataDir, name) >=
		(int) sizeof(path))
		ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("name of a heap dump is too long")));

	/* O_NONBLOCK, so that opening a named pipe does not wait for a writer. */
	fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	if (fd < 0 && errno != ELOOP)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not open heap dump \"%s\": %m", name)));
	if (fd >= 0 && fstat(fd, &st) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not look at heap dump \"%s\": %m", name)));
	if (fd < 0 || !S_ISREG(st.st_mode))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("heap dump \"%s\" is not a regular file", name)));
	if ((uint64) st.st_size > DUMP_FILE_MAX)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("heap dump \"%s\" is too large", name),
			 errdetail("It has " INT64_FORMAT " bytes, and dumps have at most " UINT64_FORMAT ".",
					   (int64) st.st_size, DUMP_FILE_MAX)));
	return fd;
}
