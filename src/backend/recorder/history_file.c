/*-------------------------------------------------------------------------
 *
 * history_file.c
 *	  The files of the history: making, opening and mapping them.
 *
 * The file is mapped, so what is written to the mapping belongs to the kernel at once.  It survives
 * whatever happens to the process, without being flushed.  The blocks of a file are allocated when
 * it is made, so that writing cannot fail later for lack of space.
 *
 * A file is used only after its whole head was checked, and nothing in it says where to read on,
 * see history_format.h.  If a file becomes shorter, a mapping of it faults.  So readers use read(),
 * and the writer writes under GuardTry.
 *
 * The names begin as those of temporary files do, which base backups and pg_rewind leave out.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "backend/faults/guard.h"
#include "backend/recorder/history_file.h"

#define NEW_SUFFIX ".new"

/* No file has more places than one of this size, whatever its head says. */
#define MOST_BYTES (UINT64CONST(2) << 30)

uint64
HistoryPlaces(uint64 file_size)
{
	return (file_size - HISTORY_HEAD_SIZE) / HISTORY_RECORD_SIZE;
}

static Size
history_file_size(uint64 places)
{
	return HISTORY_HEAD_SIZE + (Size) places * HISTORY_RECORD_SIZE;
}

static pg_crc32c
history_head_checksum(const HistoryHead *head)
{
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, head, offsetof(HistoryHead, crc));
	FIN_CRC32C(crc);
	return crc;
}

/*
 * history_wrong_file
 *		Why must a file not be used, judging by its type and size?  NULL if it is in order.
 */
static const char *
history_wrong_file(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "It is not a regular file.";
	if (st->st_uid != geteuid())
		return "It belongs to another user.";
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "Other users can write to it.";
	if (st->st_nlink != 1)
		return "It has several names.";
	return NULL;
}

/*
 * history_wrong_head
 *		Why must a file not be used, judging by its head?  NULL if it is in order.
 */
static const char *
history_wrong_head(const HistoryHead *head, const struct stat *st)
{
	if (head->magic != HISTORY_MAGIC)
		return "It is not a history of goarena.";
	if (head->format != HISTORY_FORMAT || head->record_size != HISTORY_RECORD_SIZE ||
		head->major != PG_VERSION_NUM / 10000)
		return "It is of another version of goarena or the server.";
	if (!EQ_CRC32C(head->crc, history_head_checksum(head)))
		return "Its head is damaged.";
	if (head->places < 1 || head->places > MOST_BYTES / HISTORY_RECORD_SIZE ||
		st->st_size != (off_t) history_file_size(head->places))
		return "It has not the length that it should have.";
	if (head->inode != (uint64) st->st_ino)
		return "It was copied, perhaps from another server.";
	return NULL;
}

int
HistoryFileOpen(const char *path, bool to_write, HistoryHead *head, const char **reason)
{
	struct stat st;
	int file;

	*reason = NULL;
	file = OpenTransientFile(path,
							 (to_write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
	{
		if (errno == ELOOP)
			*reason = "It is a symbolic link.";
		else if (errno != ENOENT)
			*reason = psprintf("It cannot be opened: %s.", strerror(errno));
		return -1;
	}
	if (fstat(file, &st) != 0)
		*reason = psprintf("Its status cannot be read: %s.", strerror(errno));
	else
		*reason = history_wrong_file(&st);
	if (*reason == NULL && pread(file, head, sizeof(*head), 0) != (ssize_t) sizeof(*head))
		*reason = "It is too short.";
	if (*reason == NULL)
		*reason = history_wrong_head(head, &st);
	if (*reason == NULL)
		return file;
	CloseTransientFile(file);
	return -1;
}

/*
 * history_warn
 *		Raise a WARNING that a call failed, with this error.
 */
static void
history_warn(const char *what, const char *path, int error)
{
	errno = error;
	ereport(WARNING, (errcode_for_file_access(), errmsg("could not %s file \"%s\": %m", what, path),
					  errdetail("goarena records no history.")));
}

bool
HistoryRingMap(HistoryRing *ring, int file, const HistoryHead *head, uint64 next)
{
	Size size = history_file_size(head->places);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (map == MAP_FAILED)
	{
		history_warn("map", HISTORY_FILE, errno);
		return false;
	}
	ring->size = size;
	ring->inode = (ino_t) head->inode;
	ring->places = head->places;
	ring->next = ring->written = next;
	ring->map = map;
	return true;
}

/*
 * history_fill
 *		Give a new file its blocks and its head.  Returns an error number, or 0.
 */
static int
history_fill(int file, HistoryHead *head)
{
	struct stat st;
	int error = posix_fallocate(file, 0, (off_t) history_file_size(head->places));

	if (error != 0)
		return error;
	if (fstat(file, &st) != 0)
		return errno;
	head->inode = (uint64) st.st_ino;
	head->crc = history_head_checksum(head);
	errno = ENOSPC;
	return pwrite(file, head, sizeof(*head), 0) == (ssize_t) sizeof(*head) ? 0 : errno;
}

bool
HistoryRingCreate(HistoryRing *ring, const char *path, uint64 places)
{
	char new_path[MAXPGPATH];
	HistoryHead head;
	int file;
	int error;
	bool mapped;

	memset(&head, 0, sizeof(head));
	head.magic = HISTORY_MAGIC;
	head.format = HISTORY_FORMAT;
	head.major = PG_VERSION_NUM / 10000;
	head.record_size = HISTORY_RECORD_SIZE;
	head.places = places;

	snprintf(new_path, sizeof(new_path), "%s" NEW_SUFFIX, path);
	if (unlink(new_path) != 0 && errno != ENOENT)
	{
		history_warn("remove", new_path, errno);
		return false;
	}
	file = OpenTransientFilePerm(new_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
								 S_IRUSR | S_IWUSR);
	if (file < 0)
	{
		history_warn("create", new_path, errno);
		return false;
	}
	error = history_fill(file, &head);
	if (error != 0)
		history_warn("write", new_path, error);
	mapped = error == 0 && HistoryRingMap(ring, file, &head, 0);
	CloseTransientFile(file);
	if (!mapped)
		unlink(new_path);
	return mapped;
}

bool
HistoryRingInstall(HistoryRing *ring, const char *path)
{
	char new_path[MAXPGPATH];

	snprintf(new_path, sizeof(new_path), "%s" NEW_SUFFIX, path);
	if (rename(new_path, path) == 0)
		return true;
	history_warn("make room for", path, errno);
	unlink(new_path);
	return false;
}

void
HistoryRingUnmap(HistoryRing *ring)
{
	char *map = ring->map;

	ring->map = NULL;
	if (map != NULL)
		munmap(map, ring->size);
}

typedef struct PutStep
{
	HistoryRing *ring;
	const HistoryRecord *record;
} PutStep;

static void
history_put_step(void *arg)
{
	PutStep *step = arg;
	uint64 place = step->record->number % step->ring->places;

	memcpy(step->ring->map + history_file_size(place), step->record, sizeof(*step->record));
}

bool
HistoryRingPut(HistoryRing *ring, HistoryRecord *record)
{
	PutStep step = {ring, record};

	record->number = ring->written;
	record->crc = HistoryRecordChecksum(record);
	if (!GuardTry(history_put_step, &step))
		return false;
	ring->written++;
	return true;
}

void
HistoryRingCommit(HistoryRing *ring)
{
	ring->next = ring->written;
}

void
HistoryRingForget(HistoryRing *ring)
{
	ring->written = ring->next;
}

bool
HistoryRingIsThere(const HistoryRing *ring, const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_ino == ring->inode && st.st_size == (off_t) ring->size;
}
